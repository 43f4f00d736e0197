# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""In torch, images are those of the compiled path."""
import pickle

import numpy as np
import pytest
from astropy import units as u

torch = pytest.importorskip('torch', reason="backend='torch' needs the extra torch")

from lensfinder_audit.exceptions import ConfigError  # noqa: E402
from lensfinder_audit.lensing import SieShear  # noqa: E402
from lensfinder_audit.psf import GaussianPSF, MoffatPSF, psf_from_table  # noqa: E402
from lensfinder_audit.psf_models import PixelPSF  # noqa: E402
from lensfinder_audit.simulators import _trace_torch  # noqa: E402
from lensfinder_audit.simulators.sie_sersic import SieSersic  # noqa: E402
from lensfinder_audit.testing import check_simulator, example_hosts  # noqa: E402

SCALE = 0.262 * u.arcsec
STAMP = {'shape': (101, 101), 'pixel_scale': SCALE}
CENTERS = ('lens_x', 'lens_y', 'source_x', 'source_y')


def systems_and_psf(n, **options):
    hosts = example_hosts(n)
    return SieSersic(**options).draw(hosts, seeds=np.arange(n)), psf_from_table(hosts, 'grz')


def worst(systems, psf, *, stamp=STAMP, **options):
    """Return the largest difference over the brightest pixel of its stamp and band."""
    bands = 'grz'[:psf.fwhm.shape[1]]
    expected, found = (SieSersic(backend=backend, **options).render(systems, bands=bands, psf=psf,
                                                                    **stamp)
                       for backend in (None, 'torch'))
    assert found.dtype == expected.dtype == np.float32 and found.shape == expected.shape
    assert np.isfinite(found).all()
    return (np.abs(found - expected) / expected.max(axis=(2, 3), keepdims=True)).max()


def test_conforms():
    check_simulator(SieSersic(backend='torch'))


@pytest.mark.parametrize('options', [{}, {'clumps': (0, 4)}, {'subpixels': 4},
                                     {'tolerance': 1e-3}])
def test_gives_the_same_images(options):
    assert worst(*systems_and_psf(20 if 'clumps' not in options else 8,
                                  clumps=options.get('clumps', (0, 0))), **options) < 1e-5


@pytest.mark.parametrize('where', ['drawn', 'on the axis', 'on pixel centers'])
def test_small_and_peaked_sources(where):
    systems, psf = systems_and_psf(8)
    systems['source_re'], systems['source_n'] = 0.1 * u.arcsec, 4.0
    if where == 'on the axis':
        systems['source_x'], systems['source_y'] = systems['lens_x'], systems['lens_y']
    elif where == 'on pixel centers':
        for name in CENTERS:
            systems[name] = 0 * u.arcsec
    assert worst(systems, psf) < 1e-4


@pytest.mark.parametrize('n', [0.5, 1.0, 4.0])
def test_sources_on_a_caustic(n):
    """On folds and cusps, and on the cut."""
    systems, psf = systems_and_psf(8)
    lens = SieShear(1.3, q=0.7, phi=0.4)
    angle = np.radians([10, 23, 60, 130])
    radius = 2 * lens.convergence(np.cos(angle), np.sin(angle))
    places = [lens.source_position(part * np.cos(angle), part * np.sin(angle))
              for part in (radius, 1e-9)]
    for name, value in {'theta_e': 1.3 * u.arcsec, 'lens_q': 0.7, 'lens_phi': 0.4 * u.rad,
                        'shear_1': 0.0, 'shear_2': 0.0, 'lens_x': 0 * u.arcsec,
                        'lens_y': 0 * u.arcsec, 'source_re': 0.1 * u.arcsec, 'source_n': n,
                        'source_x': np.ravel([x for x, _ in places]) * u.arcsec,
                        'source_y': np.ravel([y for _, y in places]) * u.arcsec}.items():
        systems[name] = value
    assert worst(systems, psf) < 1e-4


@pytest.mark.parametrize('q', [0.1, 1 - 1e-7, 1.0])
def test_flat_and_round_lenses(q):
    systems, psf = systems_and_psf(4)
    systems['lens_q'] = q
    assert worst(systems, psf) < 1e-4


@pytest.mark.parametrize('make', [
    lambda: GaussianPSF(np.full((2, 1), 0.5) * u.arcsec),
    lambda: MoffatPSF(np.full((2, 1), 8.0) * u.arcsec, beta=2),  # wider than the stamp
    lambda: PixelPSF(GaussianPSF([[1.1], [1.3]] * u.arcsec).kernels(SCALE), SCALE,
                     includes_pixel=False)])
def test_point_spread_functions(make):
    systems, _ = systems_and_psf(2)
    assert worst(systems, make()) < 1e-4


def test_stamps_that_are_not_square():
    systems, psf = systems_and_psf(3, theta_e=1 * u.arcsec)
    assert worst(systems, psf, stamp={'shape': (40, 61), 'pixel_scale': SCALE}) < 1e-4


def test_images_do_not_depend_on_the_batch(monkeypatch):
    systems, psf = systems_and_psf(10, clumps=(0, 1))
    simulator = SieSersic(backend='torch')
    images = simulator.render(systems, bands='grz', psf=psf, **STAMP)
    some = np.random.default_rng(0).permutation(10)[:4]
    monkeypatch.setattr(_trace_torch, '_ON_CPU', 2000)  # one stamp, and lists that are cut
    found = simulator.render(systems[some], bands='grz', psf=psf[some], **STAMP)
    peak = images[some].max(axis=(2, 3), keepdims=True)
    assert (np.abs(found - images[some]) < 1e-5 * peak).all()


def test_no_systems_give_no_images():
    systems, psf = systems_and_psf(2)
    images = SieSersic(backend='torch').render(systems[:0], bands='grz', psf=psf[:0], **STAMP)
    assert images.shape == (0, 3, 101, 101)


def test_survives_pickling_and_tells_its_device():
    simulator = pickle.loads(pickle.dumps(SieSersic(backend='torch', device='cpu')))
    assert (simulator.parameters()['backend'], simulator.parameters()['device']) == ('torch', 'cpu')


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', '', 3.5])
def test_devices_that_are_not_there_are_named_in_one_line(device):
    with pytest.raises(ConfigError, match="there is no device .*'cpu' is always there") as said:
        SieSersic(backend='torch', device=device)
    assert repr(device) in str(said.value) and '\n' not in str(said.value)


def test_impossible_sampling_is_refused():
    systems, psf = systems_and_psf(2)
    for options, match in (({'tolerance': 2}, 'the tolerance is a fraction'),
                           ({'subpixels': 0}, 'subpixels is a whole number')):
        with pytest.raises(ConfigError, match=match):
            SieSersic(backend='torch', **options).render(systems, bands='grz', psf=psf, **STAMP)
