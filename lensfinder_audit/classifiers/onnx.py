# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Finders as ONNX files, from any framework, on ONNX Runtime.

The file needs one input ``(n, band, y, x)`` of float32 and gives one score per
stamp; a second output, where there is one, is the embedding. What it expects of
its images it says in its own ``metadata_props``, or a YAML file of the same name
beside it does, or the caller.
"""
import hashlib
import os
from pathlib import Path

import numpy as np
import onnxruntime
import yaml

from lensfinder_audit.classifiers._declarations import (DECLARATIONS, make_normalizer,
                                                        read_declarations)
from lensfinder_audit.exceptions import (ConfigError, ConformanceError, InputFileError, TableError,
                                         did_you_mean)
from lensfinder_audit.files import sha256
from lensfinder_audit.interfaces import Classifier

__all__ = ['OnnxClassifier']

_NOT_OFFERED = {
    'pad': 'added pixels are none that it was trained on',
    'resample': 'resampling correlates the noise and smooths the arcs that it was trained on'}


class OnnxClassifier(Classifier):
    """
    A finder as an ONNX file, with all that its images need.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The ONNX file.
    bands : sequence of str, optional
        Bands in the order of the input.
    pixel_scale : float or `~astropy.units.Quantity`, optional
        Angle per pixel; a number is in arcsec.
    stamp_shape : tuple of int, optional
        Height and width in pixels, where the file leaves them open.
    normalizer : str or `~lensfinder_audit.interfaces.Normalizer`, optional
        The normaliser that it was trained with, or the name of its plugin.
    normalizer_parameters : dict, optional
        Arguments of the plugin.
    score_kind : str, optional
        One of `~lensfinder_audit.interfaces.SCORE_KINDS`. Scores are passed on as
        they are; logits stay logits.
    lens_class : int, optional
        Column of the lenses, where the file gives two numbers per stamp. Of two
        logits the score is the difference.
    adapt : {'crop'}, optional
        What is done with larger stamps; they are refused by default. A cut about
        the center must be exact. Nothing is padded or resampled.
    batch_size : int, optional
        Stamps per call of the network.
    threads : int, optional
        Threads of the network; as many as there are CPUs to use by default.

    Raises
    ------
    InputFileError
        If the file is not there, damaged, or its input or output of another form.
    ConfigError
        If nothing says what the network needs, or a value is impossible.
    PluginNotFoundError
        If no normaliser has the name.

    Examples
    --------
    ::

        finder = OnnxClassifier('finder.onnx', bands='grz', pixel_scale=0.262,
                                normalizer='raw_robust', score_kind='logit')
        scores = finder(flux)
    """

    def __init__(self, path, *, bands=None, pixel_scale=None, stamp_shape=None, normalizer=None,
                 normalizer_parameters=None, score_kind=None, lens_class=None, adapt=None,
                 batch_size=64, threads=None):
        self.path, self.adapt = str(path), adapt
        self.batch_size, self.threads = batch_size, _n_threads(threads)
        if batch_size < 1:
            raise ConfigError(f'batch_size is {batch_size}; a batch has at least one stamp')
        _check_adapt(adapt)
        self._session = self._opened()
        found = read_declarations(path, {
            'bands': bands, 'pixel_scale': pixel_scale, 'stamp_shape': stamp_shape,
            'normalizer': normalizer, 'normalizer_parameters': normalizer_parameters,
            'score_kind': score_kind, 'lens_class': lens_class}, _embedded(self._session, path))
        self.bands, self.pixel_scale = found['bands'], found['pixel_scale']
        self.score_kind, self.lens_class = found['score_kind'], found.get('lens_class')
        self.normalizer_parameters = found.get('normalizer_parameters')
        self.normalizer = make_normalizer(found['normalizer'], self.normalizer_parameters, path)
        self._fixed_batch = self._check_input(found.get('stamp_shape'))
        self._scores_of(self._outputs(np.zeros((1, len(self.bands), *self.stamp_shape),
                                               np.float32))[0], 1)

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu', **options):
        """
        Load the classifier from its file.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The ONNX file.
        device : {'cpu'}, optional
            Where it runs.
        **options
            As for the class.

        Returns
        -------
        classifier : `OnnxClassifier`
            Ready to score.
        """
        if device != 'cpu':
            raise ConfigError(f'an ONNX file runs on the cpu here, not on {device!r}')
        return cls(path, **options)

    @property
    def checksum(self):
        """SHA-256 of the file and of the weights that it keeps beside it."""
        beside = Path(f'{self.path}.data')
        digests = [sha256(file) for file in (Path(self.path), beside) if file.exists()]
        return digests[0] if len(digests) == 1 else hashlib.sha256(
            ''.join(digests).encode()).hexdigest()

    def predict(self, images):
        """
        Score normalised images.

        Parameters
        ----------
        images : (n, band, y, x) `~numpy.ndarray`
            float32 output of the classifier's own normaliser.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            As the network gives them.

        Raises
        ------
        ConformanceError
            If a score that is declared a probability is none.
        """
        return self._batched(images, lambda outputs, n: self._scores_of(outputs[0], n))

    def embed(self, images):
        """
        Return the second output of the network.

        Parameters
        ----------
        images : (n, band, y, x) `~numpy.ndarray`
            float32 output of the classifier's own normaliser.

        Returns
        -------
        embedding : (n, d) `~numpy.ndarray`
            One row per stamp.
        """
        if len(self._network().get_outputs()) < 2:
            raise NotImplementedError(f'{self.path} has no second output, so no embedding')
        return self._batched(images, lambda outputs, n: outputs[1].reshape(n, -1))

    def __getstate__(self):
        path = str(Path(self.path).resolve())  # workers may run in another folder
        return {**self.__dict__, 'path': path, '_session': None}

    def _network(self):
        if self._session is None:  # in another process
            self._session = self._opened()
        return self._session

    def _opened(self):
        if not Path(self.path).is_file():
            raise InputFileError(f'{self.path}: there is no such file')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(self.path, options,
                                                providers=['CPUExecutionProvider'])
        except Exception as error:
            raise InputFileError(f'{self.path}: is damaged or no ONNX file: {_one_line(error)}'
                                 ) from error

    def _check_input(self, stamp_shape):
        """Compare the input of the file with the declarations; return its fixed batch."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise InputFileError(f'{self.path}: has {len(inputs)} inputs, '
                                 f'{[item.name for item in inputs]}; one is needed')
        shape, kind = inputs[0].shape, inputs[0].type
        if kind != 'tensor(float)':
            raise InputFileError(f'{self.path}: takes {kind}; export it with an input of float32')
        if len(shape) != 4:
            raise InputFileError(f'{self.path}: its input has {len(shape)} axes, {shape}; it needs '
                                 'four, (n, band, y, x)')
        if isinstance(shape[1], int) and shape[1] != len(self.bands):
            last = '; is band its last axis?' if shape[3] == len(self.bands) else ''
            raise InputFileError(f'{self.path}: its input {shape} has {shape[1]} bands on axis 1, '
                                 f'declared are {len(self.bands)}, {self.bands}{last}')
        fixed = tuple(n if isinstance(n, int) else None for n in shape[2:])
        stamp_shape = fixed if stamp_shape is None else stamp_shape
        if None in stamp_shape:
            raise ConfigError(f'{self.path}: nothing says its stamp_shape; give stamp_shape=, such '
                              'as (101, 101)')
        if any(n not in (None, m) for n, m in zip(fixed, stamp_shape, strict=True)):
            raise InputFileError(f'{self.path}: takes {fixed[0]} x {fixed[1]} pixels, declared are '
                                 f'{stamp_shape[0]} x {stamp_shape[1]}')
        self.stamp_shape = tuple(stamp_shape)
        return shape[0] if isinstance(shape[0], int) else None

    def _crop(self, flux):
        if flux.shape[-2:] != self.stamp_shape and self.adapt is None:
            raise TableError(f'{self.path} takes stamps of {self.stamp_shape} pixels, these have '
                             f'{flux.shape[-2:]}; make them anew in that size, or cut larger ones '
                             "about their center with adapt='crop'")
        return super()._crop(flux)

    def _batched(self, images, read):
        size = self._fixed_batch or self.batch_size
        starts = range(0, max(len(images), 1), size)
        return np.concatenate([read(self._outputs(images[i:i + size]), len(images[i:i + size]))
                               for i in starts]) if len(images) else np.zeros(0)

    def _outputs(self, images):
        """Run the network on at most one batch; a fixed batch is filled up."""
        n, session = len(images), self._network()
        if self._fixed_batch:
            images = np.concatenate([images, np.zeros((self._fixed_batch - n, *images.shape[1:]),
                                                      np.float32)])
        try:
            outputs = session.run(None, {session.get_inputs()[0].name: images})
        except Exception as error:
            raise InputFileError(f'{self.path}: fails on images of shape {images.shape}: '
                                 f'{_one_line(error)}') from error
        for output in outputs[:2]:
            if np.ndim(output) < 1 or len(output) != len(images):
                raise InputFileError(f'{self.path}: gives an output of shape {np.shape(output)} '
                                     f'for {len(images)} stamps; it needs one row per stamp')
        return [output[:n] for output in outputs]

    def _scores_of(self, output, n):
        columns = np.asarray(output, dtype=float).reshape(n, -1)
        if columns.shape[1] == 2 and self.lens_class is not None:
            lens = columns[:, self.lens_class]
            other = columns[:, 1 - self.lens_class]
            columns = (lens - other if self.score_kind == 'logit' else lens)[:, None]
        if columns.shape[1] != 1:
            advice = '; say which is the lens with lens_class=1 or 0' * (columns.shape[1] == 2)
            raise InputFileError(f'{self.path}: gives {columns.shape[1]} numbers per stamp, one '
                                 f'score is needed{advice}')
        scores = columns[:, 0]
        if self.score_kind == 'probability':
            if ((scores < -1e-6) | (scores > 1 + 1e-6)).any():
                raise ConformanceError(f'{self.path}: its scores run from {scores.min():.3g} to '
                                       f'{scores.max():.3g} and are declared as probability; '
                                       "declare score_kind='logit' or 'rank'")
            scores = np.clip(scores, 0, 1)
        return scores


def _check_adapt(adapt):
    if adapt in (None, 'crop'):
        return
    if adapt in _NOT_OFFERED:
        raise ConfigError(f'adapt={adapt!r} is not offered: {_NOT_OFFERED[adapt]}; make the '
                          'cutouts anew in the size and scale of the network')
    raise ConfigError(f"adapt is {adapt!r}; it can be 'crop'.{did_you_mean(adapt, ['crop'])}")


def _embedded(session, path):
    """Read the declarations among the metadata of the file."""
    found = session.get_modelmeta().custom_metadata_map
    try:
        return {name: yaml.safe_load(found[name]) for name in DECLARATIONS if name in found}
    except yaml.YAMLError as error:
        raise InputFileError(f'{path}: its metadata cannot be read: {_one_line(error)}') from error


def _n_threads(threads):
    if threads is None:
        usable = getattr(os, 'sched_getaffinity', None)
        return len(usable(0)) if usable else os.cpu_count() or 1
    if threads < 1:
        raise ConfigError(f'threads is {threads}; at least one is needed')
    return int(threads)


def _one_line(error):
    return ' '.join(str(error).split())[:200] or type(error).__name__
