# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Members that read one band each, and injections that are bright in some bands."""
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.ensemble import models
from lensfinder_audit.ensemble.study import run_study, write_study
from lensfinder_audit.ensemble.tests.made_up_study import manifest, study
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.measure.yields import joint_ranks, joint_scores
from lensfinder_audit.normalizers.asinh import Asinh

SCALE, SHAPE, N, SKY = 0.262 * u.arcsec, (5, 5), 400, 0.05


class OneBand(Classifier):
    """The brightness of a stamp in one band."""

    bands, stamp_shape, pixel_scale, normalizer = ('g', 'r', 'z'), SHAPE, SCALE, Asinh()
    score_kind = 'logit'

    def __init__(self, *, band='g'):
        self.band = band

    def predict(self, images):
        return images[:, self.bands.index(self.band)].mean(axis=(1, 2)).astype(float)


def stamps(brightness):
    return np.broadcast_to(np.asarray(brightness, np.float32)[..., None, None],
                           (*np.shape(brightness), *SHAPE))


def write_store(folder, keys, brightness):
    with CutoutWriter(folder, bands='grz', shape=SHAPE, pixel_scale=SCALE) as writer:
        writer.add(keys, stamps(brightness))


def write_injections(folder, table, *, hosts, **columns):
    """Write what ``inject --keep-images`` writes: bright in g in good seeing, in r if wide."""
    rng = np.random.default_rng(1)
    host = np.resize(hosts, N)
    place = {key: row for row, key in enumerate(table['object_id'])}
    seeing = table['psfsize_r'][[place[key] for key in host]]
    theta_e = rng.uniform(0.5, 2.5, N)
    bright = np.stack([seeing < 1.4 * u.arcsec, theta_e > 1.5, np.zeros(N, bool)], axis=1)
    number = np.arange(N)
    found = QTable({
        'object_id': [f'i{i}' for i in number], 'injection': number, 'arm': ['base'] * N,
        'cell': np.zeros(N, int), 'host': host, 'group': host, 'simulator': ['SieSersic'] * N,
        'seed': number, 'magnification': np.ones(N), 'arc_snr': np.ones(N),
        'annulus_snr': np.ones(N), 'annulus_color': np.ones(N), 'score': np.zeros(N),
        'label': np.ones(N, bool), 'problem': [''] * N, 'theta_e': theta_e * u.arcsec,
        'psfsize_r': seeing, **columns}, meta={'simulator': 'SieSersic()', 'seed': 0})
    write_whole(found, folder / 'injections.parquet')
    write_store(folder / 'images', found['object_id'], np.where(bright, 9.0, -9.0))
    return found


@pytest.fixture(scope='module')
def bench(tmp_path_factory):
    folder, table = tmp_path_factory.mktemp('bench'), manifest(600)
    label = np.asarray(table['label'])
    sky = np.random.default_rng(0).normal(0, SKY, (600, 3)) + SKY * label[:, None]
    write_store(folder / 'cutouts', table['object_id'], sky)
    test = np.asarray(table['object_id'])[np.asarray(table['split']) == 'test']
    found = write_injections(folder / 'run', table, hosts=test[:80])
    return SimpleNamespace(table=table, store=CutoutStore(folder / 'cutouts'), folder=folder,
                           injections=found)


@pytest.fixture
def other(bench, tmp_path):
    """The same, of which the folder may be changed."""
    shutil.copytree(bench.folder, tmp_path, dirs_exist_ok=True)
    return SimpleNamespace(table=bench.table, store=bench.store, folder=tmp_path)


@pytest.fixture(scope='module')
def result(bench):
    return run(bench, combiners=['mean', 'meta_learner', 'union', 'intersection'])


def run(bench, **changes):
    values = {'members': {name: {'finder': name} for name in 'gr'}, 'controls': {
        f'z{i}': {'finder': 'z'} for i in (1, 2)}, 'baseline': {'finder': 'z'},
        'combiners': ['mean'], 'budgets': [40],
        'conditions': ['psfsize_r'], 'splits': {'fit': 'val', 'report': 'test'}, 'group': '',
        'bins': {'psfsize_r': [1.0, 1.4, 1.8], 'theta_e': [0.5, 1.5, 2.5]},
        'injections': 'run', 'folder': bench.folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, 'load_member', lambda member: OneBand(band=member['plugin']))
        return run_study(study(**(values | changes)), bench.table, store=bench.store)


def of(table, finder):
    return table[np.asarray(table['finder']).astype(str) == finder]


def test_thresholds_are_those_of_the_budget(result):
    objects, cuts = result.tables['objects'], result.tables['injection_thresholds']
    for row in (of(cuts, name)[0] for name in ('g', 'baseline', 'meta-learner of members')):
        scores = np.sort(np.asarray(objects[str(row['finder'])]))
        assert row['threshold'] == scores[-40]
        assert row['threshold_lo'] < row['threshold'] < row['threshold_hi']


def test_completeness_is_what_was_put_in(bench, result):
    tables, found = result.tables, bench.injections
    good, wide = found['psfsize_r'] < 1.4 * u.arcsec, found['theta_e'] > 1.5 * u.arcsec
    wanted = {'g': good, 'r': wide, 'z1': 0 * good, 'baseline': 0 * good, 'mean of controls':
              0 * good, 'union of members': good | wide, 'intersection of members': good & wide}
    whole = tables['injected_completeness']
    for name, rows in wanted.items():
        row, = of(whole, name)
        assert row['estimate'] == np.mean(rows) == row['estimate_least'], name
        assert row['n'] == N and row['n_groups'] == 80
    by = of(tables['injected_completeness_by_theta_e'], 'r')
    assert by['estimate'][:2].tolist() == [0, 1]
    by = of(tables['injected_completeness_by_psfsize_r'], 'g')
    assert by['estimate'][:2].tolist() == [1, 0]
    assert tables['injected_completeness'].meta['realism'] == 'not measured'


def test_intervals_resample_whole_hosts(result):
    """All injections of a host share its seeing, and so whether the band g has them."""
    whole = result.tables['injected_completeness']
    row, = of(whole, 'g')
    p = row['estimate']
    independent, clustered = (1.96 * np.sqrt(p * (1 - p) / n) for n in (N, 80))
    assert_allclose((row['hi'] - row['lo']) / 2, clustered, rtol=0.1)
    row, = of(whole, 'r')  # which depends on the lens alone
    assert_allclose((row['hi'] - row['lo']) / 2, independent, rtol=0.2)


def test_differences_are_paired_and_against_the_controls(result):
    table = result.tables['injected_differences']
    row = table[np.asarray(table['finder_a']).astype(str) == 'union of members'][0]
    assert row['finder_b'] == 'mean of controls' and row['n_only_b'] == 0
    whole, = of(result.tables['injected_completeness'], 'union of members')
    assert row['difference'] == whole['estimate'] and row['lo'] > 0
    assert (table['p_adjusted'] >= table['p_value']).all()


def test_the_area_is_a_share_of_the_search(bench, result):
    """Injections say where enough is found, the sample how much of the search lies there."""
    area = result.tables['injected_area']
    row, = of(area, 'g')
    test = bench.table[np.asarray(bench.table['split']) == 'test']
    share = np.mean(test['psfsize_r'] < 1.4 * u.arcsec)
    assert_allclose([row['area'], row['difference'], row['difference_lo']], share)
    assert_allclose(row['share_supported'], 1)
    assert of(area, 'mean of controls')['area'][0] == 0


def test_it_is_told_and_drawn(result, tmp_path):
    said, = (text for text in result.verdict if 'injected' in text)
    assert said.startswith('Of 400 injected lenses in 80 hosts the mean of members finds')
    assert 'percentage points from the mean of controls' in said
    assert any('How real the injections look' in item['finding'] for item in result.findings)
    write_study(result, tmp_path / 'out')
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert 'Injected lenses' in page and 'Injected completeness by theta e' in page
    assert (tmp_path / 'out' / 'figures' / 'injections.png').exists()
    assert read_table(tmp_path / 'out' / 'tables' / 'injected_area.ecsv').meta['injections']['n']


def test_loaded_scores_cannot_score_injections(bench):
    members = {'g': {'finder': 'g'}, 'A': {'column': 'A', 'score_kind': 'probability'}}
    result = run(bench, members=members, controls=0)
    whole = result.tables['injected_completeness']
    assert set(np.asarray(whole['finder']).astype(str)) == {'baseline', 'g'}
    assert 'A' in whole.meta['cannot_score_injections']
    assert 'mean of members' in whole.meta['cannot_score_injections']
    assert any('loaded scores' in item['finding'] for item in result.findings)
    with pytest.raises(ConfigError, match='every model is a table of scores'):
        run(bench, members={name: {'column': name} for name in 'AB'}, controls=0, baseline=None)


def test_hosts_that_a_combiner_learnt_from_are_left_out(other):
    shutil.rmtree(other.folder / 'run')
    keys = {split: np.asarray(other.table['object_id'])[np.asarray(other.table['split']) == split]
            for split in ('val', 'test')}
    hosts = [*keys['test'][:60], *keys['val'][:20]]
    write_injections(other.folder / 'run', other.table, hosts=hosts)
    result = run(other, controls=0)
    meta = result.tables['injected_completeness'].meta['injections']
    assert (meta['n'], meta['n_in_learnt_hosts'], meta['n_hosts']) == (300, 100, 60)
    assert any('learnt from are left out' in item['finding'] for item in result.findings)
    shutil.rmtree(other.folder / 'run')
    write_injections(other.folder / 'run', other.table, hosts=keys['val'])
    with pytest.raises(TableError, match='400 lie in hosts that the study trains or fits on'):
        run(other)


def test_tied_scores_at_a_budget_are_told(other):
    shutil.rmtree(other.folder / 'cutouts')
    sky = np.random.default_rng(0).normal(0, SKY, (600, 3))
    sky[::3] = 9.0  # as the bright injections have
    write_store(other.folder / 'cutouts', other.table['object_id'], sky)
    other.store = CutoutStore(other.folder / 'cutouts')
    result = run(other, controls=0)
    assert any('cuts a block of tied scores' in item['finding'] for item in result.findings)
    row, = of(result.tables['injected_completeness'], 'g')
    assert row['estimate'] == 0 and np.isinf(
        of(result.tables['injection_thresholds'], 'g')['threshold'][0])


@pytest.mark.parametrize(('harm', 'told', 'error', 'said'), [
    ('injections.parquet', 'run', InputFileError, 'holds no injections.parquet; give the output'),
    ('images', 'run', InputFileError, 'holds no images; give .* inject --keep-images'),
    ('', 'nowhere', InputFileError, 'nowhere: holds no injections.parquet'),
    ('', {'folder': 'run', 'by': ['theta_E']}, TableError, "no column 'theta_E'.*'theta_e'")])
def test_what_is_no_run_with_images_is_named(other, harm, told, error, said):
    path = other.folder / 'run' / harm
    if harm:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(error, match=said):
        run(other, injections=told)


def test_a_stamp_that_is_missing_is_named(other):
    shutil.rmtree(other.folder / 'run' / 'images')
    write_store(other.folder / 'run' / 'images', [f'i{i}' for i in range(1, N)],
                np.zeros((N - 1, 3)))
    with pytest.raises(TableError, match="1 of 400 injections have no image, the first is 'i0'"):
        run(other)


def test_joint_ranks_of_the_search_are_its_own():
    rng = np.random.default_rng(0)
    search = {name: rng.integers(0, 9, 50) for name in 'ab'}
    for method, wanted in joint_scores(search).items():
        assert_allclose(joint_ranks(method, search, search), wanted)
