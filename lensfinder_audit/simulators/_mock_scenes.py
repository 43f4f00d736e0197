# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""How each family of mock galaxies, and what lies around it, is painted."""
import numpy as np

from lensfinder_audit.simulators._canvas import deprojected, gaussian

__all__ = ['paint_galaxy', 'paint_neighbours']

# Half-light radii relative to r: ellipticals are redder, discs redder still, inside.
_GRADIENT = {'early': np.array([1.06, 1.0, 0.95]), 'late': np.array([1.08, 1.0, 0.93])}

_GALAXIES_PER_ARCMIN2, _STARS_PER_ARCMIN2 = 22.0, 2.2  # to r = 24 and r = 23


def paint_galaxy(canvas, galaxy, rng):
    """Paint the galaxy of a row; its flux is that of the catalogue."""
    _PAINTERS.get(galaxy['confuser_class'], _paint_plain)(canvas, galaxy, rng)


def _paint_plain(canvas, galaxy, rng):
    arms = rng.uniform(0, 0.45)  # of late types; drawn for all, so that the rest is the same
    turn = rng.uniform(0, 2 * np.pi)
    light = _smooth(canvas, galaxy)
    if galaxy['morphology'] == 'late' and galaxy['type'] != 'REX' and galaxy['re'] > 4:
        pattern = _arms(canvas, galaxy, n_arms=2, pitch=0.35, turn=turn)
        light = _modulated(light, arms * np.array([1.2, 1.0, 0.8]), pattern)
    canvas.add(light, galaxy['flux'])


def _smooth(canvas, galaxy, *, scale=1.0, q=None, n=None):
    sizes = scale * galaxy['re'] * _GRADIENT[galaxy['morphology']]
    return canvas.sersic(sizes, q=galaxy['q'] if q is None else q, angle=galaxy['angle'],
                         n=galaxy['n'] if n is None else n)


def _modulated(light, amplitude, pattern):
    """Multiply light by 1 + amplitude x pattern, band by band, its sum unchanged."""
    found = light * (1 + amplitude.astype(np.float32)[:, None, None] * pattern)
    return found * (light.sum(axis=(1, 2)) / found.sum(axis=(1, 2)))[:, None, None]


def _arms(canvas, galaxy, *, n_arms, pitch, turn, sharp=1):
    """Logarithmic spiral in the plane of the disc, between about -1 and 1, none in the core."""
    along, across = deprojected(canvas.x, canvas.y, galaxy['q'], galaxy['angle'])
    radius = np.hypot(along, across) + np.float32(0.3)
    phase = n_arms * (np.arctan2(across, along) - np.log(radius) / np.float32(np.tan(pitch)))
    wave = np.cos(phase + np.float32(turn))
    if sharp > 1:  # narrow arms, wide gaps
        wave = 2 * ((1 + wave) / 2) ** sharp - np.float32(0.6)
    inner = np.float32(0.35 * galaxy['re'])
    return wave * (radius**2 / (radius**2 + inner**2))


def _parts(galaxy, share, *, bluer):
    """Split the flux of each band into that of a bluer component and the rest."""
    colours = np.array([bluer, 0.0, -0.8 * bluer])
    part = np.minimum(share * galaxy['flux'] * 10 ** (0.4 * colours), 0.92 * galaxy['flux'])
    return part, galaxy['flux'] - part


def _paint_ring(canvas, galaxy, rng):
    radius = rng.uniform(2.8, 5.2) / canvas.pixel
    width = rng.uniform(0.30, 0.55) / canvas.pixel
    ring, core = _parts(galaxy, rng.uniform(0.28, 0.5), bluer=rng.uniform(0.4, 0.7))
    along, across = deprojected(canvas.x, canvas.y, galaxy['q'], galaxy['angle'])
    shape = gaussian(np.hypot(along, across) - radius, width)
    angle = np.arctan2(across, along)
    for order in (1, 2, 3, 5):  # knots and gaps along the ring
        shape = shape * (1 + rng.uniform(0, 0.3) * np.cos(order * angle + rng.uniform(0, 6.28)))
    canvas.add(_smooth(canvas, galaxy, scale=0.8), core)
    canvas.add(shape / shape.sum(), ring)  # it lies within the stamp


def _paint_spiral(canvas, galaxy, rng):
    disc, bulge = _parts(galaxy, rng.uniform(0.75, 0.9), bluer=rng.uniform(0.1, 0.25))
    pattern = _arms(canvas, galaxy, n_arms=int(rng.integers(2, 4)), sharp=2,
                    pitch=rng.uniform(0.22, 0.42), turn=rng.uniform(0, 2 * np.pi))
    light = _smooth(canvas, galaxy, n=1.0)
    strength = rng.uniform(0.8, 1.2) * np.array([1.0, 0.8, 0.6])
    canvas.add(_modulated(light, strength, np.maximum(pattern, -0.8)), disc)
    canvas.add(canvas.sersic(0.16 * galaxy['re'], n=2.0, q=max(galaxy['q'], 0.7),
                             angle=galaxy['angle']), bulge)


def _paint_merger(canvas, galaxy, rng):
    apart, direction = rng.uniform(1.6, 4.0) / canvas.pixel, rng.uniform(0, 2 * np.pi)
    tail, rest = _parts(galaxy, rng.uniform(0.12, 0.25), bluer=rng.uniform(0.1, 0.35))
    first = rng.uniform(0.5, 0.7)
    for share, side in ((first, -0.5), (1 - first, 0.5)):
        x, y = side * apart * np.cos(direction), side * apart * np.sin(direction)
        template = canvas.sersic(galaxy['re'] * np.sqrt(share) * 0.55, n=rng.uniform(1.2, 2.5),
                                 q=rng.uniform(0.55, 0.95), angle=rng.uniform(0, np.pi), x=x, y=y)
        canvas.add(template, share * rest)
    bend, length = rng.choice([-1, 1]) * rng.uniform(0.6, 1.6), rng.uniform(4, 8) / canvas.pixel
    steps = np.linspace(0, 1, 40)
    fade = np.exp(-1.5 * steps) / np.exp(-1.5 * steps).sum()
    heading = direction + bend * steps
    x = 0.5 * apart * np.cos(direction) + np.cumsum(np.cos(heading)) * length / len(steps)
    y = 0.5 * apart * np.sin(direction) + np.cumsum(np.sin(heading)) * length / len(steps)
    sigma = rng.uniform(0.35, 0.6) / canvas.pixel
    for place in zip(x, y, sigma * (1 + steps), fade, strict=True):
        canvas.add_blob(*place[:3], place[3] * tail)


def _paint_edge_on(canvas, galaxy, rng):
    disc, bulge = _parts(galaxy, rng.uniform(0.8, 0.95), bluer=rng.uniform(0.05, 0.2))
    lane = rng.uniform(0, 0.45) * (rng.uniform() < 0.5)
    light = _smooth(canvas, galaxy)
    across = deprojected(canvas.x, canvas.y, 1.0, galaxy['angle'])[1]
    dust = -gaussian(across + np.float32(0.3), max(0.4 * galaxy['re'] * galaxy['q'], 1.0))
    canvas.add(_modulated(light, lane * np.array([1.0, 0.8, 0.5]), dust), disc)
    canvas.add(canvas.sersic(0.18 * galaxy['re'], n=2.0, q=0.65, angle=galaxy['angle']), bulge)


def _paint_clumpy(canvas, galaxy, rng):
    clumps, disc = _parts(galaxy, rng.uniform(0.4, 0.65), bluer=rng.uniform(0.1, 0.25))
    canvas.add(_smooth(canvas, galaxy), disc)
    count = int(rng.integers(3, 8))
    shares = rng.dirichlet(np.full(count, 1.5))
    radius = galaxy['re'] * rng.uniform(0.3, 1.7, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    cos, sin = np.cos(galaxy['angle']), np.sin(galaxy['angle'])
    along, across = radius * np.cos(angle), galaxy['q'] * radius * np.sin(angle)
    sigma = rng.uniform(0.12, 0.4, count) / canvas.pixel
    for i in range(count):
        canvas.add_blob(along[i] * cos - across[i] * sin, along[i] * sin + across[i] * cos,
                        max(sigma[i], 0.6), shares[i] * clumps)


def _paint_large(canvas, galaxy, rng):
    if galaxy['type'] == 'DEV' or galaxy['q'] < 0.5:
        canvas.add(_smooth(canvas, galaxy), galaxy['flux'])
    else:
        _paint_spiral(canvas, galaxy, rng)


def paint_neighbours(canvas, galaxy, rng):
    """Paint the stars and galaxies that happen to lie in the stamp, and companions."""
    height, width = (np.array(canvas.images.shape[1:]) / 2).tolist()
    area = 4 * height * width * (canvas.pixel / 60) ** 2
    for _ in range(rng.poisson(_GALAXIES_PER_ARCMIN2 * area)):
        _paint_neighbour(canvas, rng, rng.uniform(-width, width), rng.uniform(-height, height),
                         _faint(rng, 17.0, 24.0, 0.38), rng.normal((0.75, 0.6), (0.4, 0.3)))
    for _ in range(rng.poisson(_STARS_PER_ARCMIN2 * area)):
        colours = np.interp(rng.uniform(), (0, 0.4, 0.7, 1), (0.3, 0.6, 1.3, 1.5)) * np.array(
            [1.0, 0.55]) + np.array([0.0, rng.uniform(-0.05, 0.5)])
        canvas.add_star(rng.uniform(-width, width), rng.uniform(-height, height),
                        _fluxes(_faint(rng, 15.5, 23.0, 0.2), colours))
    for _ in range(rng.poisson(0.5 * (galaxy['morphology'] == 'early'))):
        distance, angle = rng.uniform(2.5, 11) / canvas.pixel, rng.uniform(0, 2 * np.pi)
        own = -2.5 * np.log10(galaxy['flux'][:2] / galaxy['flux'][1:])
        magnitude = 22.5 - 2.5 * np.log10(galaxy['flux'][1]) + rng.uniform(0.8, 3.0)
        _paint_neighbour(canvas, rng, distance * np.cos(angle), distance * np.sin(angle),
                         magnitude, own + rng.normal(0, 0.07, 2))


def _paint_neighbour(canvas, rng, x, y, magnitude, colours):
    size = 0.42 * 10 ** (-0.10 * (magnitude - 23) + rng.normal(0, 0.15)) / canvas.pixel
    canvas.add_small_galaxy(x, y, size, _fluxes(magnitude, colours), q=rng.uniform(0.3, 1),
                            angle=rng.uniform(0, np.pi))


def _faint(rng, bright, faint, slope):
    low = 10 ** (slope * (bright - faint))
    return faint + np.log10(low + rng.uniform() * (1 - low)) / slope


def _fluxes(r, colours):
    return 10 ** (0.4 * (22.5 - np.array([r + colours[0], r, r - colours[1]])))


_PAINTERS = {'ring': _paint_ring, 'spiral': _paint_spiral, 'merger': _paint_merger,
             'edge-on': _paint_edge_on, 'blue clumpy': _paint_clumpy,
             'large galaxy': _paint_large}
