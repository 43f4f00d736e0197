# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The small network that ships with the package, to have a finder to audit."""
import json
from importlib.resources import as_file, files

from lensfinder_audit.classifiers.onnx import OnnxClassifier

__all__ = ['DemoNetwork', 'model_card']

_DATA = files('lensfinder_audit') / 'data'


class DemoNetwork(OnnxClassifier):
    """
    A small network that was trained on the mock survey alone.

    It has never seen the sky: it serves the demo, tests and tutorials, and no search.
    `model_card` says how it was made and what it cannot do.

    Parameters
    ----------
    batch_size : int, optional
        Stamps per call of the network.

    Examples
    --------
    >>> from lensfinder_audit.classifiers.demo_network import DemoNetwork
    >>> from lensfinder_audit.mock_sample import mock_sample
    >>> table, images = mock_sample(2, seed=3)
    >>> DemoNetwork()(images, bands='grz', pixel_scale=DemoNetwork().pixel_scale).shape
    (2,)
    """

    def __init__(self, *, batch_size=64):
        with as_file(_DATA / 'demo_network.onnx') as path:
            super().__init__(path, batch_size=batch_size)


def model_card():
    """
    Return what the network is, how it was made and what it cannot do.

    Returns
    -------
    card : dict
        Among others ``command``, ``seeds``, ``validation`` and ``limitations``.

    Examples
    --------
    >>> from lensfinder_audit.classifiers.demo_network import model_card
    >>> model_card()['score_kind']
    'logit'
    """
    return json.loads((_DATA / 'demo_network.json').read_text(encoding='utf-8'))
