# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit import remote
from lensfinder_audit.coadds import CoaddLayout, CoaddSource
from lensfinder_audit.cutout_fetch import fetch_cutouts
from lensfinder_audit.cutout_services import SERVICES, CutoutService, ServiceSource, load_config
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputFileError,
                                         PartitionError, TableError)
from lensfinder_audit.fetch_plan import objects_in_store, plan_fetch
from lensfinder_audit.psf_models import kernel_fwhm, moffat_kernels
from lensfinder_audit.remote import Reader
from lensfinder_audit.tests.made_up_bricks import (PIXELS, list_objects, pattern, wcs_header,
                                                   write_brick, write_survey)
from lensfinder_audit.tests.survey_server import serve

ONE = LocalEngine(workers=1)
SIZE = 21


@pytest.fixture(scope='module')
def sky(tmp_path_factory):
    """Bricks that no test changes, their objects and their names."""
    root = tmp_path_factory.mktemp('survey')
    ra, names = write_survey(root)
    return root, list_objects(ra), names


@pytest.fixture
def own_sky(sky, tmp_path):
    """A copy of the bricks that a test may harm."""
    shutil.copytree(sky[0], tmp_path / 'survey')
    return tmp_path / 'survey', sky[1], sky[2]


@pytest.fixture
def no_naps(monkeypatch):
    monkeypatch.setattr(remote, 'sleep', lambda seconds: None)
    monkeypatch.setattr('lensfinder_audit._politeness.sleep', lambda seconds: None)
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')


def fetched(objects, output, source, *, reader=None, engine=ONE, **options):
    plan = plan_fetch(objects, output=output, conditions=[
        f'{name}_{band}' for name in source.maps for band in source.bands])
    return fetch_cutouts(plan, output, source, reader or Reader(), engine=engine, shard_size=4,
                         **options)


def coadds(root, **options):
    return CoaddSource(str(root), size=SIZE, **options)


def wanted(objects, plane=0):
    """The pixels of objects of the pattern, by another way: one number per pixel."""
    stamps = []
    for row in objects:
        center = np.floor(row['ra'] * 4) / 4 + 0.125
        x, y = WCS(wcs_header(center, 0.0)).wcs_world2pix(row['ra'], row['dec'], 0)
        y, x = np.mgrid[:SIZE, :SIZE] + np.rint([y, x]).astype(int)[:, None, None] - SIZE // 2
        inside = (x >= 0) & (x < PIXELS) & (y >= 0) & (y < PIXELS)
        stamps.append(np.where(inside, 1e6 * (plane + 1) + 1000 * y + x, np.nan))
    return np.array(stamps, dtype=np.float32)


def rewrite(path, pixels, **change):
    header = fits.getheader(path)
    header.update(change)
    fits.PrimaryHDU(pixels, header).writeto(path, overwrite=True, checksum=True)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*')
            if path.is_file()}


# Pixels, columns and planes

def test_every_pixel_of_every_object_is_that_of_its_brick(sky, tmp_path):
    root, objects, names = sky
    result = fetched(objects, tmp_path / 'store', coadds(root))
    assert (result.n_added, result.n_there, len(result.missing)) == (20, 0, 0)
    store = CutoutStore(tmp_path / 'store')
    store.verify()
    flux = store.get(objects['object_id'])
    for plane in range(3):
        assert_array_equal(flux[:, plane], wanted(objects, plane=plane))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['store']


def test_the_index_says_where_each_cutout_is_from(sky, tmp_path):
    root, objects, names = sky
    fetched(objects, tmp_path / 'store', coadds(root))
    index = CutoutStore(tmp_path / 'store').index()
    assert np.unique(index['brick']).tolist() == names
    assert index['source'][0] == str(root / 'coadd' / names[0][:3] / names[0])
    assert_allclose(index['psfsize_z'], 1.2, rtol=1e-6)
    assert_allclose(index['psfdepth_r'], 110, rtol=1e-6)
    order = np.argsort(index['object_id'])
    assert_array_equal(index['ra'][order], objects['ra'])
    assert (np.abs(index['offset_x']) <= 0.5).all() and not index['brick_edge'].any()


def test_planes_of_inverse_variance_and_psf_follow_the_objects(sky, tmp_path):
    root, objects, _ = sky
    fetched(objects, tmp_path / 'store', coadds(root, planes=('invvar', 'psf')), dtype='int16')
    store = CutoutStore(tmp_path / 'store')
    invvar = store.get(objects['object_id'], plane='invvar')
    assert_allclose(invvar[:, 1], wanted(objects, plane=1) / 1e4, rtol=1e-6)
    kernels = store.get(objects['object_id'], plane='psf')
    assert_allclose(kernels.sum(axis=(2, 3)), 1, rtol=1e-5)
    assert_allclose(kernel_fwhm(kernels[3, 2].astype(float)) * 0.262, 1.2, rtol=0.02)


def test_kernels_are_as_wide_as_they_are_told_and_nan_where_nobody_knows():
    kernels = moffat_kernels([[0.9, np.nan], [2.4, 1.3]], 0.262 * u.arcsec, size=31)
    assert np.isnan(kernels[0, 1]).all()
    assert_allclose([kernel_fwhm(kernels[i].astype(float)) * 0.262 for i in ((0, 0), (1, 1))],
                    [0.9, 1.3], rtol=0.02)


def test_an_object_at_the_edge_of_a_brick_is_cut_with_nan_and_flagged(sky, tmp_path):
    root, objects, _ = sky
    edge = Table({'object_id': ['inside', 'edge', 'outside'], 'dec': [0.0, 0.0, 0.0],
                  'ra': 10.125 + np.array([0, 75, 100]) * 0.262 / 3600})
    result = fetched(edge, tmp_path / 'store', coadds(root))
    assert result.missing['object_id'].tolist() == ['outside']
    assert result.missing['reason'][0] == 'lies outside of brick 0101p000'
    store = CutoutStore(tmp_path / 'store')
    index = store.index()
    assert index['brick_edge'].tolist() == [False, True]
    assert_array_equal(store.get(['edge'])[:, 0], wanted(edge[1:2]))
    assert index['nan_fraction'][1] == np.isnan(wanted(edge[1:2])).mean() > 0


def test_conditions_come_from_maps_then_from_columns_then_are_missing(tmp_path):
    write_brick(tmp_path / 'survey', 10.125, 0.0, maps=('psfsize',))
    objects = list_objects(np.array([10.125]))
    objects['PSFSIZE_R'], objects['psfdepth_r'] = 9.0, np.arange(5.0)
    fetched(objects, tmp_path / 'a', coadds(tmp_path / 'survey'))
    index = CutoutStore(tmp_path / 'a').index()
    assert_allclose(index['psfsize_r'], 1.1, rtol=1e-6)
    assert_array_equal(index['psfdepth_r'], [np.nan, 1, 2, 3, 4])  # no depth of 0
    assert np.isnan(index['psfdepth_g']).all()
    fetched(objects, tmp_path / 'b', coadds(tmp_path / 'survey', read_maps=False))
    assert_allclose(CutoutStore(tmp_path / 'b').index()['psfsize_r'], 9)


def test_pixels_without_an_exposure_are_nan_and_objects_there_are_missing(own_sky, tmp_path):
    root, objects, names = own_sky
    for path in root.rglob(f'*{names[1]}-image-*'):
        pixels = pattern(0)
        pixels[:, :60] = pixels[:60] = 0
        rewrite(path, pixels)
    result = fetched(objects, tmp_path / 'store', coadds(root))
    assert set(result.missing['reason']) <= {f'has no pixel in brick {names[1]}'}
    index = CutoutStore(tmp_path / 'store').index()
    assert len(index) + len(result.missing) == 20
    assert (index['nan_fraction'][index['brick'] == names[1]] > 0).any()
    assert not (index['zero_fraction'] > 0).any()


def test_workers_and_compression_change_nothing(tmp_path):
    ra, _ = write_survey(tmp_path / 'survey', 2, compressed=True)
    root, objects = tmp_path / 'survey', list_objects(ra)
    fetched(objects, tmp_path / 'one', coadds(root))
    fetched(objects, tmp_path / 'two', coadds(root), engine=LocalEngine(workers=2))
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    assert_array_equal(CutoutStore(tmp_path / 'one').get(objects['object_id'])[:, 1],
                       wanted(objects, plane=1))


# What goes wrong

def test_a_corrupt_brick_in_the_middle_is_named_and_mended_later(own_sky, tmp_path):
    root, objects, names = own_sky
    path = next(root.rglob(f'*{names[2]}-image-r*'))
    good = path.read_bytes()
    path.write_bytes(good[:3000])
    result = fetched(objects, tmp_path / 'store', coadds(root))
    assert result.n_added == 15
    assert set(result.missing['brick']) == {names[2]}
    assert 'image-r.fits.fz: is cut short or damaged' in result.missing['reason'][0]
    store = CutoutStore(tmp_path / 'store')
    assert not np.isin(store.keys, result.missing['object_id']).any()
    kept = objects_in_store(objects, store)
    assert_array_equal(kept['object_id'], store.keys)
    assert (tmp_path / 'store' / 'missing.ecsv').exists()
    again = fetched(objects, tmp_path / 'store', coadds(root))
    assert (again.n_added, again.n_there, len(again.missing)) == (0, 15, 5)
    assert len(CutoutStore(tmp_path / 'store')) == 15
    path.write_bytes(good)
    again = fetched(objects, tmp_path / 'store', coadds(root))
    assert (again.n_added, again.n_there, len(again.missing)) == (5, 15, 0)
    assert not (tmp_path / 'store' / 'missing.ecsv').exists()
    CutoutStore(tmp_path / 'store').verify()
    nothing = fetched(objects, tmp_path / 'store', coadds(root))
    assert (nothing.n_added, nothing.n_there) == (0, 20)


def test_a_missing_band_costs_the_brick_unless_it_may(own_sky, tmp_path):
    root, objects, names = own_sky
    next(root.rglob(f'*{names[0]}-image-z*')).unlink()
    result = fetched(objects, tmp_path / 'a', coadds(root))
    assert 'image-z.fits.fz: there is no such file' in result.missing['reason'][0]
    result = fetched(objects, tmp_path / 'b', coadds(root, allow_missing_bands=True))
    assert not len(result.missing)
    index = CutoutStore(tmp_path / 'b').index()
    assert (index['missing_bands'] == 'z').sum() == 5


def test_a_wrong_place_is_an_error_and_the_right_one_goes_on(sky, tmp_path):
    root, objects, _ = sky
    with pytest.raises(InputFileError, match='none of 4 bricks could be read; the first: .*image-'
                                             'g.fits.fz: there is no such file'):
        fetched(objects, tmp_path / 'store', coadds(tmp_path))
    assert fetched(objects, tmp_path / 'store', coadds(root)).n_added == 20


def test_images_of_another_grid_or_scale_are_refused(own_sky, tmp_path):
    root, objects, names = own_sky
    for name, change in ((names[0], {'CRPIX1': 60.0}), (names[1], {'CD1_1': -1e-4, 'CD2_2': 1e-4})):
        path = next(root.rglob(f'*{name}-image-r*'))
        rewrite(path, pattern(0), **change)
    rewrite(next(root.rglob(f'*{names[2]}-depth-g*')), pattern(0)[:99])
    result = fetched(objects, tmp_path / 'store', coadds(root))
    reasons = ' '.join(set(result.missing['reason']))
    assert 'lies 20.50 pixels beside the image of the first band' in reasons
    assert 'has 0.3600 arcsec per pixel, not 0.2620 arcsec' in reasons
    assert 'depth-g.fits.fz: has (99, 160) pixels, the image of the first band has' in reasons


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(sky, tmp_path, monkeypatch):
    root, objects, _ = sky
    save, calls = np.savez, []

    def full(path, **arrays):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, 'No space left on device')
        save(path, **arrays)

    monkeypatch.setattr(np, 'savez', full)
    with pytest.raises(PartitionError, match='brick 0106p000 .*cannot be written: No space left'):
        fetched(objects, tmp_path / 'store', coadds(root))
    with pytest.raises(InputFileError, match='unfinished'):
        CutoutStore(tmp_path / 'store')
    assert fetched(objects, tmp_path / 'store', coadds(root)).n_added == 20
    assert len(calls) == 5  # two were there, and two came after it
    fetched(objects, tmp_path / 'whole', coadds(root))
    assert contents(tmp_path / 'store') == contents(tmp_path / 'whole')


def test_a_disk_that_is_too_small_is_named_before_the_work(sky, tmp_path, monkeypatch):
    root, objects, _ = sky
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(OutputFileError, match=r'the cutouts need 0.000127 GB, and the disk has'):
        fetched(objects, tmp_path / 'store', coadds(root))
    assert not (tmp_path / 'store').exists()


@pytest.mark.parametrize(('table', 'words'), [
    ({'ra': [1.0], 'dec': [0.0]}, 'have neither object_id, nor release'),
    ({'object_id': ['a', 'a'], 'ra': [1.0, 2], 'dec': [0.0, 0]}, "'a' comes 2 times"),
    ({'name': ['a', ''], 'ra': [1.0, 2], 'dec': [0.0, 0]}, "'' comes 1 times"),
    ({'object_id': ['a'], 'ra': [1.0], 'dec': [91.0]}, 'not on the sky')])
def test_bad_lists_of_objects_are_named(table, words):
    with pytest.raises(TableError, match=words):
        plan_fetch(Table(table))


def test_objects_are_keyed_as_the_survey_does_and_sorted_by_brick():
    objects = Table({'RELEASE': [10000] * 3, 'BRICKID': [7, 7, 8], 'OBJID': [1, 2, 1],
                     'ra': [20.0, np.nan, 10.0], 'dec': [0.0, 0, 0], 'brickname': ['b', 'b', 'a']})
    plan = plan_fetch(objects)
    assert [(task.brick, task.keys.tolist()) for task in plan.tasks] == [
        ('a', ['10000_8_1']), ('b', ['10000_7_1'])]
    assert plan.lost == [('10000_7_2', 'has no position')]


# Kills

KILLED = '''
    import os, random, signal, sys, time
    from pathlib import Path
    from lensfinder_audit.cutout_fetch import fetch_cutouts
    from lensfinder_audit.fetch_plan import plan_fetch
    from lensfinder_audit.coadds import CoaddSource
    from lensfinder_audit.engines.local import LocalEngine
    from lensfinder_audit.files import read_table
    from lensfinder_audit.remote import Reader
    import lensfinder_audit._readers, pyarrow.parquet, yaml

    root, objects, folder = sys.argv[1:4]
    source = CoaddSource(root, size=21, planes=('invvar',), bands=('g', 'r'), maps=('psfsize',))
    objects = read_table(objects)

    def fetch(output):
        plan = plan_fetch(objects, output=output)
        fetch_cutouts(plan, output, source, Reader(), engine=LocalEngine(workers=1), shard_size=3)

    def in_a_child(output, seconds=None):
        child = os.fork()
        if not child:
            fetch(output)
            os._exit(0)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])

    begun = time.monotonic()
    in_a_child(f'{folder}/whole')
    whole = time.monotonic() - begun
    kills = 0
    for seed in range(int(sys.argv[4])):
        draw = random.Random(seed)
        kills += in_a_child(f'{folder}/{seed}', draw.uniform(0, whole))
        kills += in_a_child(f'{folder}/{seed}', draw.uniform(0, whole))
        in_a_child(f'{folder}/{seed}')
    print(kills)
'''


def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes(sky, tmp_path):
    root, objects, _ = sky
    objects.write(tmp_path / 'objects.ecsv')
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(KILLED), root,
                           tmp_path / 'objects.ecsv', tmp_path, '3'], text=True, check=True,
                          stdout=subprocess.PIPE, timeout=300)
    assert int(done.stdout) >= 2
    whole = contents(tmp_path / 'whole')
    assert len(whole) > 14
    for seed in range(3):
        assert contents(tmp_path / f'{seed}') == whole
    assert not list(tmp_path.glob('.*.fetch'))


# Over the network

def test_bricks_over_http_are_read_once_each_and_asked_for_again(sky, tmp_path, no_naps):
    root, objects, names = sky
    fetched(objects, tmp_path / 'local', coadds(root))
    with serve(root) as (survey, address):
        for word, trouble in (('image-g', '429'), ('image-r', 'cut short'), ('image-z', 'page'),
                              ('psfsize-g', 'cut short without a length'), ('depth-z', '500')):
            survey.trouble(f'{names[1]}-{word}', trouble)
        result = fetched(objects, tmp_path / 'store', coadds(address))
        asked = [path.rpartition('/')[2] for path in survey.seen]
    assert result.n_added == 20
    assert len(asked) == 4 * 9 + 5 and len(set(asked)) == 4 * 9
    keys = objects['object_id']
    assert_array_equal(CutoutStore(tmp_path / 'store').get(keys, verify=True),
                       CutoutStore(tmp_path / 'local').get(keys))


def test_a_bucket_gives_what_the_folder_gives(sky, tmp_path, no_naps):
    fsspec = pytest.importorskip('fsspec')
    root, objects, _ = sky
    memory = fsspec.filesystem('memory')
    memory.put(str(root / 'coadd'), '/dr10/', recursive=True)
    result = fetched(objects, tmp_path / 'store', coadds('memory://dr10'))
    assert result.n_added == 20
    assert_array_equal(CutoutStore(tmp_path / 'store').get(objects['object_id'])[:, 2],
                       wanted(objects, plane=2))


def service(address):
    url = ('{}/viewer/fits-cutout?ra={{ra}}&dec={{dec}}&bands={{bands}}&size={{size}}'
           '&pixscale={{pixel_scale}}').format(address)
    return CutoutService(url, rate=1e4)


def test_a_service_gives_the_pixels_of_the_bricks(sky, tmp_path, no_naps):
    root, objects, names = sky
    objects = Table(objects, copy=True)
    objects['psfsize_r'] = 1.3
    with serve(root) as (survey, address):
        survey.trouble('viewer', '500', 'page', '429', 'cut short')
        source = ServiceSource(service(address), bands=('z', 'g'), size=SIZE, planes=('invvar',))
        result = fetched(objects, tmp_path / 'store', source)
        assert len(survey.seen) == 20 + 4
    assert result.n_added == 20
    store = CutoutStore(tmp_path / 'store')
    for plane, band in enumerate((2, 0)):
        assert_array_equal(store.get(objects['object_id'])[:, plane], wanted(objects, plane=band))
    assert_allclose(store.get(objects['object_id'], plane='invvar')[:, 1],
                    wanted(objects, plane=0) / 1e4, rtol=1e-6)
    index = store.index()
    assert_allclose(index['psfsize_r'] if 'psfsize_r' in index.colnames else 1.3, 1.3)
    assert sorted(set(index['brick'])) == names and 'fits-cutout?ra=' in index['source'][0]


def test_objects_that_a_service_fails_for_are_listed_and_asked_for_later(sky, tmp_path, no_naps):
    root, objects, names = sky
    beyond = Table({'object_id': ['beyond'], 'ra': [200.0], 'dec': [0.0]})
    objects = Table(np.concatenate([objects.as_array(), beyond.as_array()]))
    with serve(root) as (survey, address):
        bad = f"ra={objects['ra'][3]}"
        survey.trouble(bad, 'always 500')
        source = ServiceSource(service(address), size=SIZE)
        result = fetched(objects, tmp_path / 'store', source, reader=Reader(attempts=2))
        assert result.missing['object_id'].tolist() == ['object-0003', 'beyond']
        assert 'answers 500' in result.missing['reason'][0]
        assert 'the service has no pixel there' in result.missing['reason'][1]
        survey.troubles.clear()
        survey.seen.clear()
        again = fetched(objects, tmp_path / 'store', source)
        assert (again.n_added, again.n_there, len(survey.seen)) == (1, 19, 2)


def test_a_service_that_is_down_is_not_asked_for_every_object(sky, tmp_path, no_naps):
    root, objects, _ = sky
    with serve(root) as (survey, address):
        survey.trouble('viewer', 'always 500')
        result = fetched(objects, tmp_path / 'store', ServiceSource(service(address), size=SIZE),
                         reader=Reader(attempts=2))
        assert len(survey.seen) == 10
    assert len(result.missing) == 20 and len(CutoutStore(tmp_path / 'store')) == 0
    assert 'the server failed 5 times in a row' in result.missing['reason'][-1]


# Real maps

def test_stamps_and_conditions_of_a_real_brick(real_data, tmp_path):
    name = 'decals-{brick}-%s-{band}.fits.gz'
    layout = CoaddLayout(image=name % 'depth', maps={'psfdepth': name % 'depth',
                                                     'nobs': name % 'nexp'}, missing=-1.0)
    folder = real_data / 'survey-conditions' / 'brick_2444p120_dr2'
    source = CoaddSource(str(folder), layout, bands=('r', 'z'), maps=('psfdepth', 'nobs'))
    rng = np.random.default_rng(3)
    objects = Table({'object_id': np.arange(12), 'dec': 12 + rng.uniform(-0.1, 0.1, 12),
                     'ra': 244.46 + rng.uniform(-0.1, 0.1, 12)})
    objects['brickname'] = '2444p120'
    result = fetched(objects, tmp_path / 'store', source)
    assert result.n_added == 12
    store = CutoutStore(tmp_path / 'store')
    index, flux = store.index(), store.get(np.arange(12))
    for plane, band in enumerate('rz'):
        depth = np.nan_to_num(index[f'psfdepth_{band}'])
        assert_array_equal(flux[:, plane, 50, 50], depth)
        exposures = index[f'nobs_{band}']
        assert ((exposures > 0) >= (depth > 0)).all() and (exposures > 0).sum() > 8
    assert np.abs(index['offset_x']).max() <= 0.5


# Configuration

def test_addresses_of_the_survey_hold_what_is_asked_for():
    url = SERVICES['ls-dr10-south'].address(10.5, -0.25, size=101, bands='grz', invvar=True)
    assert url.endswith('/fits-cutout?ra=10.5000000&dec=-0.2500000&layer=ls-dr10-south'
                        '&pixscale=0.262&bands=grz&size=101&invvar')


def test_another_layout_and_service_are_a_file(tmp_path):
    path = tmp_path / 'layout.yaml'
    path.write_text('image: "{brick}/{band}.fits"\nmaps: {depth: "{brick}-depth-{band}.fits.gz"}\n')
    layout = load_config(str(path), CoaddLayout, {})
    source = CoaddSource('/data', layout, maps=('depth',))
    assert source.place(layout.image, '0101p000', 'r') == '/data/0101p000/r.fits'
    path.write_text('url: "https://example.org/{ra}/{dec}"\nbands: gr\nrate: 0.5\n')
    assert load_config(str(path), CutoutService, SERVICES).rate == 0.5
    path.write_text('url: a\nbandes: gr\n')
    with pytest.raises(ConfigError, match="'bandes' is no key; .* Did you mean 'bands'"):
        load_config(str(path), CutoutService, SERVICES)
    with pytest.raises(ConfigError, match="no such CutoutService; .* Did you mean 'ls-dr10'"):
        load_config('lsdr10', CutoutService, SERVICES)


@pytest.mark.parametrize(('make', 'words'), [
    (lambda: CoaddLayout(image='{brik}'), "image: '{brik}' is no template"),
    (lambda: CutoutService('https://a/{size:q}'), 'is no template'),
    (lambda: CoaddSource('/a', maps=('seeing',)), "the layout has no map 'seeing'"),
    (lambda: CoaddSource('/a', planes=('psf',), maps=()), 'PSF planes follow from psfsize'),
    (lambda: CoaddSource('/a', size=0), 'a positive number of pixels'),
    (lambda: ServiceSource(SERVICES['ls-dr9'], bands=('i',)), "gives bands 'grz' and up to 512"),
    (lambda: ServiceSource(SERVICES['ls-dr9'], size=1000), 'and 1000 pixels'),
    (lambda: moffat_kernels([[1.0]], 0.262 * u.arcsec, size=4), 'an odd number of pixels')])
def test_what_does_not_exist_is_refused(make, words):
    with pytest.raises((ConfigError, TableError), match=words):
        make()


def test_a_table_without_rows_is_named():
    empty = Table({name: np.array([], str) for name in ('object_id', 'ra', 'dec')})
    with pytest.raises(TableError, match='has no rows; there is nothing to fetch'):
        plan_fetch(empty)
