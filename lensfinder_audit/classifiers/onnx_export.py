# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A torch checkpoint as an ONNX file that says itself what it needs, checked against torch."""
import copy
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

__all__ = ['export_onnx', 'write_onnx']

_N_TRIED = 6  # galaxies, and as many stamps of noise

# Rounding takes both away from double precision by about as much as from each other.
_ROUNDING = 10


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
        If a score differs by more; it names the stamps, says whether rounding is the reason, from
        the network in double precision, and what to do.
    MissingDependencyError
        If ``onnx`` is not installed.
    OutputExistsError
        If the file is there and was not to be replaced.

    Notes
    -----
    Scores are compared in the kind that the finder gives. For logits a relative difference of
    1e-5 moves no probability by more than 2.5e-6 (the greatest values of p'(x) and x p'(x) are
    0.25 and 0.224), while 1e-5 in probability would say nothing of saturated scores, among
    which a search selects.

    Both runtimes round. ``benchmarks/export_precision.py`` compares them with the network in
    double precision. EfficientNetV2-S with its first weights gives logits of 1e5 that are
    off by their own size in torch as in ONNX Runtime, which no tolerance mends. On 63-pixel
    stamps of the mock survey the two differ by 8.8e-3 after 30 steps (torch is off by 3.6e-2,
    ONNX Runtime by 4.5e-2), by 3.5e-5 after 60 and by 9.0e-6 after 120 (7.5e-6 and 1.2e-5),
    which passes, though barely; at a learning rate of 1e-4 it is 1.2e-4 after 60 steps (2.1e-4
    and 2.3e-4). The shielded ResNet differs by 9e-8 untrained and by 1.6e-6 after 120 steps,
    ResNet-18 by 1.2e-6 after 60. Neither runtime is nearer to the exact score on the whole, so
    that a refusal for rounding is one of the network and not of the export.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f'an export needs {error.name!r}, which is not installed: '
                                     'pip install onnx') from error
    with whole_file(path, overwrite=overwrite) as unfinished:
        write_onnx(_Scores(finder), unfinished, (len(finder.bands), *finder.stamp_shape))
        model = onnx.load(str(unfinished))
        for name, value in _declared(finder).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
        onnx.save(model, str(unfinished))
        found = _compared(finder, OnnxClassifier(unfinished, threads=1))
        difference = float(found['difference'].max())
        if not difference <= tolerance:
            raise ConformanceError(f'{path}: {_refusal(finder, found, tolerance)}')
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


def write_onnx(module, path, shape):
    """
    Write a module in evaluation mode as ONNX, unchecked.

    Parameters
    ----------
    module : `torch.nn.Module`
        Takes ``(n, band, y, x)``.
    path : str or `~pathlib.Path`
        File to write.
    shape : tuple of int
        Bands, height and width.
    """
    example = torch.zeros(2, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the exporter about itself; the result is checked
        torch.onnx.export(module.eval(), (example,), str(path), input_names=['image'],
                          output_names=['score'], dynamo=False,
                          dynamic_axes={'image': {0: 'n'}, 'score': {0: 'n'}})


def _declared(finder):
    card = json.loads(card_path(finder.path).read_text(encoding='utf-8'))
    return {name: value for name, value in card.items()
            if name in (*DECLARATIONS, 'limitations', 'weights_sha256') and value is not None}


def _compared(finder, exported):
    """Compare scores on galaxies and on noise, together and some alone."""
    flux = example_flux(_N_TRIED, bands=len(finder.bands), shape=finder.stamp_shape)
    flux = np.concatenate([flux, np.random.default_rng(0).normal(0, 0.05, flux.shape)])
    names = [f'{what} {number + 1}' for what in ('made-up galaxy', 'noise')
             for number in range(_N_TRIED)]
    scores = finder(flux)
    scores = np.concatenate([scores, scores[:2]])
    found = np.concatenate([exported(flux), *(exported(flux[i:i + 1]) for i in range(2))])
    return {'stamp': np.array(names + [f'{name} alone' for name in names[:2]]),
            'flux': np.concatenate([flux, flux[:2]]), 'torch': scores, 'onnx': found,
            'difference': np.abs(found - scores) / np.maximum(1, np.abs(scores))}


def _refusal(finder, found, tolerance):
    """Say which stamps differ by how much, why, and what to do."""
    order = np.argsort(-found['difference'])
    bad = [row for row in order if not found['difference'][row] <= tolerance]
    listed = ', '.join(f'{found["stamp"][row]} (torch {found["torch"][row]:.7g}, ONNX Runtime '
                       f'{found["onnx"][row]:.7g})' for row in bad[:3])
    greatest = found['difference'][order[0]]
    text = (f'the scores of ONNX Runtime differ from those of torch by up to {greatest:.2g} of the '
            f'larger of 1 and the score, allowed are {tolerance:g}, on {len(bad)} of {len(order)} '
            f'stamps: {listed}{", ..." if len(bad) > 3 else ""}; nothing was written. ')
    exact = _exact(finder, found['flux'])
    off = {name: np.max(np.abs(found[name] - exact) / np.maximum(1, np.abs(exact)))
           for name in ('torch', 'onnx')}
    text += (f'From the network in double precision torch is {off["torch"]:.1g} away and ONNX '
             f'Runtime {off["onnx"]:.1g}, so that ')
    if min(off.values()) < greatest / _ROUNDING:
        wrong = 'torch' if off['torch'] > off['onnx'] else 'ONNX Runtime'
        return text + f'what {wrong} computes is at fault; try another version of it'
    return text + ('the network amplifies the rounding of single precision, as one that was hardly '
                   'trained does; train it further, or, if such an error does not matter, allow '
                   f'it with --tolerance {1.5 * greatest:.0e}')


def _exact(finder, flux):
    """Return the scores of the network in double precision, on the same normalised images."""
    network = copy.deepcopy(finder.network).double()
    with torch.inference_mode():
        logits = network(torch.from_numpy(finder.normalizer(flux).astype(float)))[:, 0].numpy()
    return 1 / (1 + np.exp(-np.clip(logits, -700, 700))) if finder.score_kind == 'probability' \
        else logits
