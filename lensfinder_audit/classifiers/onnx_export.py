# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A torch checkpoint as an ONNX file that says itself what it needs, checked against torch."""
import json
import warnings

import numpy as np
import torch
from torch import nn

from lensfinder_audit.classifiers._declarations import DECLARATIONS
from lensfinder_audit.classifiers.model_card import card_path
from lensfinder_audit.classifiers.onnx import OnnxClassifier
from lensfinder_audit.exceptions import ConformanceError, MissingDependencyError
from lensfinder_audit.files import whole_file
from lensfinder_audit.testing import example_flux

__all__ = ['export_onnx']


def export_onnx(finder, path, *, tolerance=1e-5, overwrite=False):
    """
    Write a checkpoint as ONNX.

    Parameters
    ----------
    finder : `~lensfinder_audit.classifiers.torch_checkpoint.TorchCheckpoint`
        The finder, on the CPU.
    path : str or `~pathlib.Path`
        File to write; it appears only if its scores agree.
    tolerance : float, optional
        Greatest difference of a score, relative to the larger of 1 and itself.
    overwrite : bool, optional
        Whether an existing file is replaced.

    Returns
    -------
    difference : float
        The greatest one that was found, on made-up galaxies and on noise.

    Raises
    ------
    ConformanceError
        If a score differs by more.
    MissingDependencyError
        If ``onnx`` is not installed.
    OutputExistsError
        If the file is there and was not to be replaced.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f'an export needs {error.name!r}, which is not installed: '
                                     'pip install onnx') from error
    with whole_file(path, overwrite=overwrite) as unfinished:
        _export(finder, unfinished)
        model = onnx.load(str(unfinished))
        for name, value in _declared(finder).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
        onnx.save(model, str(unfinished))
        difference = _difference(finder, OnnxClassifier(unfinished, threads=1))
        if not difference <= tolerance:
            raise ConformanceError(f'{path}: the scores of ONNX Runtime differ from those of torch '
                                   f'by up to {difference:.2g}, allowed are {tolerance:g}; nothing '
                                   'was written')
    return difference


class _Scores(nn.Module):
    """The scores as the finder gives them, and the embedding where there is one."""

    def __init__(self, finder):
        super().__init__()
        self.network, self.probability = finder.network, finder.score_kind == 'probability'

    def forward(self, images):
        """Return one score per stamp."""
        logits = self.network(images)[:, 0]
        return torch.sigmoid(logits) if self.probability else logits


def _export(finder, path):
    example = torch.zeros(2, len(finder.bands), *finder.stamp_shape)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the exporter about itself; the result is checked
        torch.onnx.export(_Scores(finder).eval(), (example,), str(path), input_names=['image'],
                          output_names=['score'], dynamo=False,
                          dynamic_axes={'image': {0: 'n'}, 'score': {0: 'n'}})


def _declared(finder):
    card = json.loads(card_path(finder.path).read_text(encoding='utf-8'))
    return {name: value for name, value in card.items()
            if name in (*DECLARATIONS, 'limitations', 'weights_sha256') and value is not None}


def _difference(finder, exported):
    """Compare scores on galaxies, on noise, one by one and together."""
    flux = example_flux(6, bands=len(finder.bands), shape=finder.stamp_shape)
    noise = np.random.default_rng(0).normal(0, 0.05, flux.shape)
    flux = np.concatenate([flux, noise])
    torch_scores, found = finder(flux), exported(flux)
    alone = np.concatenate([exported(flux[i:i + 1]) for i in range(2)])
    scale = np.maximum(1, np.abs(torch_scores))
    return float(max((np.abs(found - torch_scores) / scale).max(),
                     (np.abs(alone - torch_scores[:2]) / scale[:2]).max()))
