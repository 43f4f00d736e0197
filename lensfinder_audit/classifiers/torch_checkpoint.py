# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Finders as torch checkpoints: weights, a card beside them, and nothing that runs code.

Weights are read from safetensors; a pickled file is read with ``weights_only``, which makes
tensors and refuses everything else.
"""
import json
import pickle
import platform
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

import lensfinder_audit
from lensfinder_audit.classifiers.model_card import card_path, check_card, read_card
from lensfinder_audit.classifiers.networks import make_network, n_parameters
from lensfinder_audit.exceptions import (ConfigError, InputFileError, MissingDependencyError,
                                         OutputExistsError)
from lensfinder_audit.files import sha256, whole_file
from lensfinder_audit.interfaces import Classifier

__all__ = ['TorchCheckpoint', 'read_weights', 'save_checkpoint']


class TorchCheckpoint(Classifier):
    """
    A finder as a torch checkpoint with its model card.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Weights: ``.safetensors``, or a pickled state_dict. The card is the JSON file of the
        same name.
    device : str, optional
        Where it runs, such as ``'cpu'`` or ``'cuda'``.
    batch_size : int, optional
        Stamps per call of the network.

    Raises
    ------
    InputFileError
        If a file is not there, damaged, holds anything but tensors, or weights of another
        network.
    ConfigError
        If the card lacks what is needed, or there is no such device.
    """

    def __init__(self, path, *, device='cpu', batch_size=64):
        if batch_size < 1:
            raise ConfigError(f'batch_size is {batch_size}; a batch has at least one stamp')
        self.path, self.device, self.batch_size = str(path), str(device), batch_size
        self.card = read_card(path)
        for name in ('bands', 'stamp_shape', 'pixel_scale', 'normalizer', 'score_kind'):
            setattr(self, name, self.card[name])
        self._device = _device(device)
        self._network = self._loaded()
        self.predict(np.zeros((1, len(self.bands), *self.stamp_shape), np.float32))

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu', **options):
        """
        Load the classifier from its file.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The weights.
        device : str, optional
            Where it runs.
        **options
            As for the class.

        Returns
        -------
        classifier : `TorchCheckpoint`
            Ready to score.
        """
        return cls(path, device=device, **options)

    @property
    def checksum(self):
        """SHA-256 of the weights."""
        return sha256(self.path)

    @property
    def limitations(self):
        """What the card says that it cannot do."""
        return list(self.card['limitations'])

    @property
    def network(self):
        """The `torch.nn.Module`, in evaluation mode."""
        return self._network

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
            Logits as the network gives them, or their sigmoid where the card says
            probability.
        """
        logits = self._run(self._network, images)
        if logits.shape != (len(images), 1):
            raise InputFileError(f'{self.path}: gives outputs of shape {logits.shape[1:]} per '
                                 'stamp; one logit is needed')
        scores = logits[:, 0].astype(float)
        if self.score_kind != 'probability':
            return scores
        return 1 / (1 + np.exp(-np.clip(scores, -700, 700)))

    def embed(self, images):
        """
        Return the features before the last layer.

        Parameters
        ----------
        images : (n, band, y, x) `~numpy.ndarray`
            float32 output of the classifier's own normaliser.

        Returns
        -------
        embedding : (n, d) `~numpy.ndarray`
            One row per stamp.
        """
        if hasattr(self._network, 'embed'):
            return self._run(self._network.embed, images)
        if not hasattr(self._network, 'forward_head'):
            raise NotImplementedError(f'{self.card["network"]} has no embedding')
        return self._run(lambda x: self._network.forward_head(
            self._network.forward_features(x), pre_logits=True), images)

    def __getstate__(self):
        return {**self.__dict__, '_network': None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._network = self._loaded()  # in another process

    def _loaded(self):
        network = make_network(self.card['network'], in_chans=len(self.bands),
                               **(self.card.get('network_arguments') or {}))
        known = self.card.get('weights_sha256')
        if known and known != sha256(self.path):
            raise InputFileError(f'{self.path}: its checksum is not the one of its card; it was '
                                 'changed, or the card is that of another checkpoint')
        fill_network(network, read_weights(self.path), self.path, self.card['network'])
        return network.to(self._device).eval()

    def _run(self, function, images):
        found = []
        with torch.inference_mode(), _enough_memory(self):
            for start in range(0, len(images), self.batch_size):
                batch = np.ascontiguousarray(images[start:start + self.batch_size], np.float32)
                found.append(function(torch.from_numpy(batch).to(self._device)).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def read_weights(path):
    """
    Read the tensors of a checkpoint, and nothing else.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A safetensors file, or a pickled state_dict, alone or under ``state_dict`` or
        ``model``.

    Returns
    -------
    weights : dict of str to `torch.Tensor`
        On the CPU.

    Raises
    ------
    InputFileError
        If the file is not there, cut short, or a pickle that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(f'{path}: there is no such file')
    found = _safetensors(path) if path.suffix.lower() == '.safetensors' else _pickled(path)
    for name in ('state_dict', 'model'):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not found or not all(
            isinstance(value, torch.Tensor) for value in found.values()):
        raise InputFileError(f'{path}: holds no weights by name, which a state_dict does')
    bad = [name for name, value in found.items() if value.is_floating_point()
           and not torch.isfinite(value).all()]
    if bad:
        raise InputFileError(f'{path}: {len(bad)} of its {len(found)} tensors hold values that are '
                             f'not finite, the first is {bad[0]!r}; its training broke down')
    return {name.removeprefix('module.'): value for name, value in found.items()}


def save_checkpoint(network, path, card, *, overwrite=False):
    """
    Write the weights of a network and their card.

    Parameters
    ----------
    network : `torch.nn.Module`
        As `~lensfinder_audit.classifiers.networks.make_network` builds it.
    path : str or `~pathlib.Path`
        File to write, ``.safetensors``.
    card : dict
        What `~lensfinder_audit.classifiers.model_card` asks for; number of parameters,
        versions and the checksum are added.
    overwrite : bool, optional
        Whether existing files are replaced.

    Returns
    -------
    path : `~pathlib.Path`
        The weights.

    Raises
    ------
    ConfigError
        If the card lacks an entry.
    OutputExistsError
        If a file is there and was not to be replaced.
    """
    from safetensors.torch import save_file

    path, card = Path(path), dict(card)
    if path.suffix != '.safetensors':
        raise ConfigError(f'{path}: a checkpoint is written as .safetensors')
    check_card(card, card_path(path), complete=True)
    if card_path(path).exists() and not overwrite:
        raise OutputExistsError(f'{card_path(path)} is there already; choose another name')
    weights = {name: value.detach().cpu().contiguous()
               for name, value in network.state_dict().items()}
    with whole_file(path, overwrite=overwrite) as unfinished:
        save_file(weights, str(unfinished))
    card |= {'parameters': n_parameters(network), 'weights_sha256': sha256(path), 'versions': {
        'lensfinder_audit': lensfinder_audit.__version__, 'torch': torch.__version__,
        'python': platform.python_version(), **(card.get('versions') or {})}}
    with whole_file(card_path(path), overwrite=overwrite) as unfinished:
        Path(unfinished).write_text(json.dumps(card, indent=1) + '\n', encoding='utf-8')
    return path


def fill_network(network, weights, path, name):
    """Load weights into a network, or say how they differ from what it has."""
    wanted = network.state_dict()
    missing, extra = sorted(wanted.keys() - weights), sorted(weights.keys() - wanted)
    if missing or extra:
        raise InputFileError(f'{path}: its weights are not those of {name}: {len(missing)} of '
                             f'{len(wanted)} tensors are missing{_first(missing)}, {len(extra)} '
                             f'are unknown{_first(extra)}')
    for key, value in weights.items():
        if value.shape != wanted[key].shape:
            raise InputFileError(f'{path}: tensor {key!r} has shape {tuple(value.shape)}, {name} '
                                 f'needs {tuple(wanted[key].shape)}; are bands and arguments of '
                                 'the network those of the card?')
    network.load_state_dict(weights)


@contextmanager
def _enough_memory(finder):
    """Say what to change where memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not (isinstance(error, torch.OutOfMemoryError)
                                                    or 'allocate memory' in str(error)):
            raise
        raise ConfigError(f'{finder.path}: memory ran out on {finder.device!r} with batch_size='
                          f'{finder.batch_size}; give fewer stamps at a time, such as batch_size='
                          f'{max(finder.batch_size // 4, 1)}') from error


def _first(names):
    return f' (the first is {names[0]!r})' if names else ''


def _safetensors(path):
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f'{path}: needs safetensors, which is not installed: pip '
                                     "install 'lensfinder_audit[torch]'") from error
    try:
        return load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputFileError(f'{path}: is damaged or no safetensors file: {_one_line(error)}'
                             ) from error


def _pickled(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of pickles in another protocol, which are refused
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputFileError(f'{path}: is a pickle that holds more than tensors, or is damaged. '
                             'Unpickling it could run any code and is not done; ask for a '
                             f'state_dict as .safetensors: {_one_line(error)}') from error
    except Exception as error:  # torch raises nearly anything on a file that was cut short
        raise InputFileError(f'{path}: is damaged or no torch checkpoint: {_one_line(error)}'
                             ) from error


def _device(name):
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        return device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'there is no device {name!r} for torch {torch.__version__} here: '
                          f'{_one_line(error)}') from error


def _one_line(error):
    return ' '.join(str(error).split())[:200] or type(error).__name__
