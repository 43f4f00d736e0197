# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What ``sie_sersic`` renders, in torch: many systems at once, for GPUs.

The rules and errors are those of `lensfinder_audit.simulators._trace_kernel`, in
single precision, too. Where that splits the cells of one stamp after the other,
here all cells of many stamps that are left to do make up one list, and each
pass leaves a shorter one.

Importing this module imports torch.
"""
import numpy as np
import torch
from scipy.fft import next_fast_len

from lensfinder_audit.exceptions import ConfigError

__all__ = ['find_device', 'render']

_DEEPEST = 12  # levels of splitting; the last cells are 1/4096 of a pixel wide
_FAINTEST = 30.0  # exponent of the profile beyond which a stamp counts as dark
_RULES = [np.polynomial.legendre.leggauss(p) for p in range(1, 5)]
_TINY = 1e-30
# Cells in memory: what stays in the caches of a processor, and 1 GB on anything else.
_ON_CPU, _ELSEWHERE = 2 ** 17, 2 ** 22


def find_device(name):
    """
    Return the device of a name.

    Parameters
    ----------
    name : str
        As torch takes it, such as ``'cuda:0'``.

    Returns
    -------
    device : `torch.device`
        One that tensors can be put on.

    Raises
    ------
    ConfigError
        If torch does not know such a device or does not find one.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0][:150]
        raise ConfigError(f"there is no device {name!r} for torch {torch.__version__} here; "
                          f"'cpu' is always there, 'cuda' the first GPU. Torch says: {said}"
                          ) from error
    return device


@torch.inference_mode()
def render(parts, flux, psf, *, shape, pixel_scale, scale, tolerance, subpixels, device):
    """
    Render lensed sources and convolve them.

    Parameters
    ----------
    parts : list of tuple
        As `lensfinder_audit.simulators._sersic_systems.components` yields them.
    flux : (n, band) `~numpy.ndarray`
        Of the sources.
    psf : `~lensfinder_audit.interfaces.PSF`
        Of n rows and all bands.
    shape : tuple of int
        Height and width in pixels.
    pixel_scale, scale : `~astropy.units.Quantity` and float
        Angle per pixel; the same in arcsec.
    tolerance, subpixels
        As for `~lensfinder_audit.raytrace.lensed_image`.
    device : `torch.device`
        Where it is done.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        float32.
    """
    at_once = _ON_CPU if device.type == 'cpu' else _ELSEWHERE
    out = np.empty((*flux.shape, *shape), dtype=np.float32)
    step = max(at_once // (shape[0] * shape[1]), 1)
    for start in range(0, len(flux), step):
        some = slice(start, start + step)
        images = torch.zeros((len(flux[some]), *shape), device=device)
        for rows, share, lenses, sources in parts:
            chosen = np.flatnonzero((rows >= start) & (rows < start + step))
            cells = _pixels(images, _tensor(rows[chosen] - start, device), scale)
            systems = (_tensor(lenses[chosen].T, device), _tensor(sources[chosen].T, device),
                       _tensor(share[chosen], device))
            if subpixels is None:
                _trace_adaptively(images.view(-1), cells, systems, scale, tolerance, at_once)
            else:
                _trace_on_grid(images.view(-1), cells, systems, scale, int(subpixels), at_once)
        out[some] = _convolved(images, psf[some], flux[some], pixel_scale).cpu().numpy()
    return out


def _tensor(values, device):
    values = np.ascontiguousarray(values)
    return torch.as_tensor(values.astype(np.float32) if values.dtype.kind == 'f' else values,
                           device=device)


def _pixels(images, rows, scale):
    """Return center, place in all images and system of each pixel of some images."""
    ny, nx = images.shape[1:]
    y, x = ((torch.arange(n, device=images.device) - 0.5 * (n - 1)) * scale for n in (ny, nx))
    number = torch.arange(ny * nx, device=images.device)
    system = torch.arange(len(rows), device=images.device)
    return (x.repeat(ny).repeat(len(rows)), y.repeat_interleave(nx).repeat(len(rows)),
            (rows[:, None] * (ny * nx) + number).view(-1), system.repeat_interleave(ny * nx))


def _trace_adaptively(flat, cells, systems, scale, tolerance, at_once):
    """Add light to pixels, cell by cell, with the rule that is good enough for each."""
    lenses, sources, share = systems
    peak, cells = None, _lit(cells, lenses, sources, scale)
    work = [(0, cells)]
    while work:
        level, (x, y, pixel, system) = work.pop()
        half = 0.5 ** (level + 1) * scale
        lens, source = lenses[:, system], sources[:, system]
        radius, size, blurred = _probe(x, y, half, lens, source)
        if level == 0:
            peak = _brightest(blurred, system, sources)
        order = _choose(radius, size, source, tolerance * 4.0 ** level * peak[system])
        if level == _DEEPEST:
            order.clamp_(max=len(_RULES))
        flux = (2 * half) ** 2 * source[8] * share[system]
        light = torch.where(order == 1, flux * _profile(radius ** 2, source), 0)
        flat.index_add_(0, pixel, light)
        for p, (nodes, weights) in enumerate(_RULES[1:], 2):
            for some in torch.nonzero(order == p)[:, 0].split(max(at_once // p ** 2, 1)):
                light = _sample(x[some], y[some], half, lens[:, some], source[:, some], nodes,
                                0.5 * weights)
                flat.index_add_(0, pixel[some], flux[some] * light)
        left = torch.nonzero(order > len(_RULES))[:, 0]
        work += [(level + 1, _split(x[some], y[some], pixel[some], system[some], half))
                 for some in left.split(max(at_once // 4, 1)) if len(some)]


def _trace_on_grid(flat, cells, systems, scale, subpixels, at_once):
    """Add light to pixels, from equal cells and no others."""
    lenses, sources, share = systems
    nodes = (2 * np.arange(subpixels) + 1) / subpixels - 1
    weights = np.full(subpixels, 1 / subpixels)
    step = max(at_once // subpixels ** 2, 1)
    for x, y, pixel, system in zip(*(part.split(step) for part in cells), strict=True):
        lens, source = lenses[:, system], sources[:, system]
        light = _sample(x, y, 0.5 * scale, lens, source, nodes, weights)
        flat.index_add_(0, pixel, scale ** 2 * source[8] * share[system] * light)


def _lit(cells, lenses, sources, scale):
    """Return the pixels within reach of the light."""
    x, y, _, system = cells
    far = torch.hypot(x - lenses[0][system], y - lenses[1][system])
    lit = torch.nonzero(far < sources[9][system] + 0.71 * scale)[:, 0]
    return tuple(part[lit] for part in cells)


def _in_source_frame(x, y, source):
    """Return components in units of the half-light semi-axes."""
    return ((source[2] * x + source[3] * y) * source[4],
            (source[2] * y - source[3] * x) * source[5])


def _square(x, y, lens, source):
    """
    Return the square of the elliptical radius that positions map to, in units of re.

    artanh(f b / psi) is written as arsinh(f b / (q r)), which is the same and
    loses no digits where its argument is near 1.
    """
    center_x, center_y, cos, sin, q, f, scale, gamma_1, gamma_2 = lens
    dx, dy = x - center_x, y - center_y
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    psi = torch.sqrt((q * along) ** 2 + across ** 2 + _TINY)
    distance = torch.sqrt(dx ** 2 + dy ** 2 + _TINY)
    along = scale * torch.atan(f * along / psi)
    across = scale * torch.asinh(f * across / (q * distance))
    u, v = _in_source_frame(x - (cos * along - sin * across) - gamma_1 * dx - gamma_2 * dy
                            - source[0],
                            y - (sin * along + cos * across) - gamma_2 * dx + gamma_1 * dy
                            - source[1], source)
    return u ** 2 + v ** 2


def _probe(x, y, half, lens, source):
    """Find where the cells lie in the source plane; see the compiled function."""
    square = _square(x, y, lens, source)
    dx, dy = x - lens[0], y - lens[1]
    distance = torch.sqrt(dx ** 2 + dy ** 2 + _TINY)
    along, across = lens[2] * dx + lens[3] * dy, lens[2] * dy - lens[3] * dx
    psi = torch.sqrt((lens[4] * along) ** 2 + across ** 2 + _TINY)
    near = distance - 2 ** 0.5 * half
    pull = lens[6] * lens[5] / (psi * distance * near.clamp(min=half))
    xy = pull * dx * dy - lens[8]
    ux, vx = _in_source_frame(1 - lens[7] - pull * dy ** 2, xy, source)
    uy, vy = _in_source_frame(xy, 1 + lens[7] - pull * dx ** 2, source)
    total, area = ux ** 2 + uy ** 2 + vx ** 2 + vy ** 2, ux * vy - uy * vx
    root = torch.sqrt((total ** 2 - 4 * area ** 2).clamp(min=0))
    # The center of the lens itself is not deflected; its radius is that of what is beside it.
    radius = torch.where(near > half, torch.sqrt(square), -source[10].clamp(min=0.1))
    return radius, half * torch.sqrt(0.5 * (total + root)), square + total * half ** 2 / 3


def _brightest(blurred, system, sources):
    """Return the brightness of the brightest pixel of each system."""
    least = torch.full_like(sources[0], torch.inf).scatter_reduce(0, system, blurred, 'amin')
    return torch.exp(-(sources[6] * least ** (0.5 * sources[7])).clamp(max=_FAINTEST))


def _choose(radius, size, source, tolerance):
    """Choose the rule of least order whose error is tolerable, 5 where none is."""
    b, power = source[6], source[7]
    radii, least = radius.abs(), (0.5 * size).clamp(max=0.1)
    near = torch.maximum(radii - 2 ** 0.5 * size, least)
    depth = b * near ** power
    limit = tolerance * torch.exp(depth.clamp(max=87))
    z, w = size * depth * power / near, size / torch.maximum(radii - 0.5 * size, least)
    s, t = z ** 2, 1.5 * b * (power - 1).clamp(min=0) * size ** 2
    c = (power - 2).abs().clamp(max=1) * z * w
    order = torch.full_like(radius, 5, dtype=torch.int8)
    order[(s + 4 * t) ** 4 + 5040 * c * w ** 6 <= limit * 6.9e6] = 4
    order[(s + 3 * t) ** 3 + 120 * c * w ** 4 <= limit * 31500] = 3
    order[(s + 2 * t) ** 2 + 6 * c * w ** 2 <= limit * 270] = 2
    order[s + t + c <= limit * 6] = 1
    order[radius < 0] = 5
    order[limit > 1] = 1  # a cell cannot be off by more than all the light that can be in it
    return order


def _sample(x, y, half, lens, source, nodes, weights):
    """Return the mean brightness of cells by a rule, over that of the center of the source."""
    step, weight = (torch.as_tensor(table, dtype=x.dtype, device=x.device)
                    for table in (half * nodes, np.outer(weights, weights).ravel()))
    lens, source = lens[..., None], source[..., None]
    x, y = x[:, None] + step.repeat(len(step)), y[:, None] + step.repeat_interleave(len(step))
    return _profile(_square(x, y, lens, source), source) @ weight


def _profile(square, source):
    return torch.exp(-source[6] * (square + _TINY) ** (0.5 * source[7]))


def _split(x, y, pixel, system, half):
    """Return the quarters of cells."""
    step = 0.5 * half * torch.tensor([-1, 1, -1, 1], dtype=x.dtype, device=x.device)
    return ((x[:, None] + step).view(-1), (y[:, None] + step.sort().values).view(-1),
            pixel.repeat_interleave(4), system.repeat_interleave(4))


def _convolved(images, psf, flux, pixel_scale):
    """Convolve each image with the kernels of its bands, without what comes in at the edges."""
    kernels = psf.kernels(pixel_scale) * flux[..., None, None]
    cut = [max(k // 2 - n + 1, 0) for k, n in zip(kernels.shape[2:], images.shape[1:],
                                                  strict=True)]
    kernels = kernels[..., cut[0]:kernels.shape[2] - cut[0], cut[1]:kernels.shape[3] - cut[1]]
    reach = [k // 2 for k in kernels.shape[2:]]
    size = [next_fast_len(n + k, True) for n, k in zip(images.shape[1:], reach, strict=True)]
    around = images.new_zeros((*kernels.shape[:2], *size))
    around[..., :kernels.shape[2], :kernels.shape[3]] = _tensor(kernels, images.device)
    around = around.roll((-reach[0], -reach[1]), (2, 3))
    product = torch.fft.rfft2(images, s=size)[:, None] * torch.fft.rfft2(around)
    pixel = np.sinc(np.fft.fftfreq(size[0]))[:, None] * np.sinc(np.fft.rfftfreq(size[1]))
    whole = torch.fft.irfft2(product / _tensor(pixel, images.device), s=size)
    return whole[..., :images.shape[1], :images.shape[2]]
