# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Three published networks for simulated Euclid images, from their weights alone.

torch is imported where it is used, so that the architecture can be read without it.
"""
import re

import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.interfaces import Classifier, Normalizer

# Stamps of the simulated Euclid images: 0.3 arcsec in the infrared, 0.1 in the visible.
PUBLISHED = {66: 0.3 * u.arcsec, 200: 0.1 * u.arcsec}
# Order of the planes in the loading code that was published with the weights.
BANDS = ('J', 'Y', 'H', 'VIS')


class MinMax(Normalizer):
    """Bring each band of each stamp to 0..1; missing pixels and flat bands become 0."""

    def normalize(self, flux):
        flux = np.asarray(flux, dtype=np.float32)
        known = np.isfinite(flux)
        low = np.where(known, flux, np.inf).min(axis=(-2, -1), keepdims=True, initial=np.inf)
        high = np.where(known, flux, -np.inf).max(axis=(-2, -1), keepdims=True, initial=-np.inf)
        with np.errstate(invalid='ignore', divide='ignore'):
            images = (flux - low) / (high - low)
        return np.where(known & (high > low), images, 0).astype(np.float32)


class EuclidNetwork(Classifier):
    """
    A published network of convolutions, dropout and pooling with two outputs.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Its weights, a state_dict.
    bands : sequence of str, optional
        Bands that take the place of its own.
    pixel_scale : float or `~astropy.units.Quantity`, optional
        Angle per pixel that takes the place of its own; a number is in arcsec.
    adapt : {'crop'}, optional
        Cut larger stamps; where the difference is odd the center moves by half a pixel.
    lens_class : int, optional
        Which of the two outputs is the lens.
    """

    score_kind = 'logit'  # a softmax of two is the sigmoid of their difference
    reference = 'arXiv:2202.12776'

    def __init__(self, path, *, bands=None, pixel_scale=None, adapt=None, lens_class=1):
        from lensfinder_audit.classifiers.torch_checkpoint import fill_network, read_weights

        self.path, self.adapt, self.lens_class = str(path), adapt, int(lens_class)
        weights = read_weights(path)
        n_bands, size, layers = read_plan({key: tuple(value.shape)
                                           for key, value in weights.items()}, self.path)
        self.bands = tuple(BANDS[:n_bands] if bands is None else bands)
        if len(self.bands) != n_bands:
            raise ConfigError(f'{path} takes {n_bands} bands, {BANDS[:n_bands]}; {self.bands} '
                              'cannot take their place')
        if adapt not in (None, 'crop') or self.lens_class not in (0, 1):
            raise ConfigError(f'adapt is {adapt!r} and lens_class {lens_class!r}; allowed are '
                              "'crop' and 0 or 1")
        self.stamp_shape, self.normalizer = (size, size), MinMax()
        self.pixel_scale = PUBLISHED[size] if pixel_scale is None else u.Quantity(pixel_scale,
                                                                                  u.arcsec)
        self._network = build(layers)
        fill_network(self._network, weights, path, f'the network of {size} pixels')
        self._network.eval()

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu', **options):
        if device != 'cpu':
            raise ConfigError(f'it runs on the cpu, not on {device!r}')
        return cls(path, **options)

    @property
    def checksum(self):
        """SHA-256 of the weights."""
        from lensfinder_audit.files import sha256

        return sha256(self.path)

    def predict(self, images):
        import torch

        with torch.inference_mode():
            found = [self._network(torch.from_numpy(images[i:i + 64].copy())).numpy()
                     for i in range(0, len(images), 64)]
        found = np.concatenate(found).astype(float)
        return found[:, self.lens_class] - found[:, 1 - self.lens_class]

    def _crop(self, flux):
        shape, size = flux.shape[-2:], self.stamp_shape[0]
        if shape == self.stamp_shape:
            return flux
        if self.adapt is None or min(shape) < size:
            raise TableError(f'{self.path} was trained on simulated Euclid stamps of {size} x '
                             f'{size} pixels, these have {shape[0]} x {shape[1]}; it is out of '
                             "domain here. adapt='crop' cuts larger stamps about their center")
        y, x = ((n - size) // 2 for n in shape)
        return flux[..., y:y + size, x:x + size]


def read_plan(shapes, path):
    """
    Read the architecture from the shapes of the weights.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Shape of each tensor by its name.
    path : str
        For messages.

    Returns
    -------
    n_bands, size : int
        Bands and pixels of the input.
    layers : list
        ``(convolutions, dense)``: of each convolution its place, shape and whether pooling
        follows; of each dense layer its place and shape.
    """
    places = {name: sorted(int(found[1]) for key in shapes
                           if (found := re.fullmatch(rf'{name}\.(\d+)\.weight', key)))
              for name in ('layer', 'fc_layer')}
    if not places['layer'] or len(places['fc_layer']) != 2 or any(
            len(shapes[f'layer.{i}.weight']) != 4 for i in places['layer']):
        raise InputFileError(f'{path}: its tensors {sorted(shapes)[:3]} are not those of a '
                             'published network, layer.*.weight and two fc_layer.*.weight')
    dense = [(i, shapes[f'fc_layer.{i}.weight']) for i in places['fc_layer']]
    for last in (True, False):  # whether the last convolution is followed by pooling
        ends = [*places['layer'][1:], places['layer'][-1] + 3 + last]
        kernels = [(i, shapes[f'layer.{i}.weight'], end - i == 4)
                   for i, end in zip(places['layer'], ends, strict=True)]
        for size in PUBLISHED:
            if kernels[-1][1][0] * left_over(size, kernels)**2 == dense[0][1][1]:
                return kernels[0][1][1], size, (kernels, dense)
    raise InputFileError(f'{path}: {dense[0][1][1]} features do not follow from stamps of '
                         f'{" or ".join(map(str, PUBLISHED))} pixels')


def left_over(size, kernels):
    """Return how many pixels on a side are left after all convolutions."""
    for _, shape, pooled in kernels:
        size = (size - shape[2] + 1) // (2 if pooled else 1)
    return max(size, 0)


def build(layers):
    """Return the network, with the names that its weights have."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self, convolutions, dense):
            super().__init__()
            parts = {}
            for place, shape, pooled in convolutions:
                parts[str(place)] = nn.Conv2d(shape[1], shape[0], shape[2])
                parts[str(place + 1)] = nn.ReLU()
                parts[str(place + 2)] = nn.MaxPool2d(2) if pooled else nn.Dropout(0.2)
            self.layer = nn.Sequential()
            for name, part in parts.items():
                self.layer.add_module(name, part)
            self.fc_layer = nn.Sequential()
            for number, (place, shape) in enumerate(dense):
                if number:
                    self.fc_layer.add_module(str(place - 1), nn.ReLU())
                self.fc_layer.add_module(str(place), nn.Linear(shape[1], shape[0]))

        def forward(self, images):
            return self.fc_layer(self.layer(images).flatten(1))

    return Network(*layers)
