# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Audits tell what injections and several finders add, and show the stamps they were given."""
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.audit import audit
from lensfinder_audit.audit_extras import common_finds, injection_axes
from lensfinder_audit.plotting.store_galleries import store_galleries
from lensfinder_audit.report import render_report
from lensfinder_audit.tests.made_up import make_table

QUICK = {'fprs': [0.02], 'n_resamples': 100, 'by': ['psfsize_r', 'type']}


@pytest.fixture(scope='module')
def result():
    """Audit a sample with injections that have no images."""
    rng = np.random.default_rng(1)
    injections = QTable({'host': np.arange(300).astype(str), 'score': rng.random(300),
                         'psfsize_r': rng.uniform(1, 1.6, 300) * u.arcsec})
    return audit(make_table(1200), injections=injections, **QUICK)


def test_injections_are_counted_in_the_bins_of_the_lenses(result):
    tables = result.tables
    real, injected = tables['completeness_by_psfsize_r'], tables['recovery_by_psfsize_r']
    assert 'recovery_by_type' not in tables  # injections without it
    assert set(injected['psfsize_r_min']) == set(real['psfsize_r_min'])
    assert injected['psfsize_r_min'].unit == u.arcsec
    assert tables['recovery']['n'].tolist() == [300] and injected['n'].sum() == 300
    threshold = tables['operating_points']['threshold'][0]
    assert tables['recovery']['estimate'][0] == pytest.approx(1 - threshold, abs=0.1)
    assert 'not measured' in str(tables['recovery'].meta['realism'])


def test_axes_that_injections_lack_are_left_out(result):
    axes = injection_axes(QTable({'type': ['SER']}), result.tables)
    assert axes == [[]]


def test_one_finder_finds_nothing_in_common(result):
    assert common_finds(result.sample, result.tables['operating_points']) is None
    assert 'discovery_sets' not in result.tables


def test_what_several_finders_find_is_a_section_of_its_own(result):
    sample, points = result.sample.copy(), result.tables['operating_points'].copy()
    sample['other'] = np.where(np.arange(len(sample)) % 2, sample['p_resnet'], 0)
    points['finder'] = points['finder'].astype('<U9')
    points.add_row(points[0])
    points['finder'][1] = 'other'
    table = common_finds(sample, points)
    lenses, both = np.asarray(sample['label']), table[table['n_finders'] == 2]
    picked = np.asarray(sample['other']) >= points['threshold'][0]
    assert both['n_lenses'].tolist() == [(picked & lenses).sum()]
    assert table['n'].sum() == len(sample)
    shown = SimpleNamespace(tables={'discovery_sets': table}, findings=result.findings,
                            sample=sample, summary=result.summary, options={})
    own = render_report(shown).partition('<section id="ensemble">')[2].partition('</section>')[0]
    assert '<td>none of them</td>' in own and '<td>p_resnet + other</td>' in own


class Stamps:
    """Stamps of all objects but the first."""

    bands = ('g', 'r', 'z')

    def missing(self, keys):
        return np.asarray(keys) == 'obj-0'

    def get(self, keys):
        assert 'obj-0' not in keys
        return np.full((len(keys), 3, 8, 8), 0.01)


def test_missed_lenses_are_shown_with_their_conditions(result):
    assert store_galleries(result) == []
    result.store = Stamps()
    try:
        found = {item['name']: item for item in store_galleries(result)}
    finally:
        result.store = None
    assert set(found) == {'lenses', 'missed_lenses', 'worst_false_positives'}
    missed = found['missed_lenses']
    assert missed['section'] == 'missed' and 'Below that: PSF FWHM, r [arcsec]; Tractor type.' in missed['caption']
    label, score = (np.asarray(result.sample[name]) for name in ('label', 'p_resnet'))
    lowest = result.sample[np.flatnonzero(label)[np.argsort(score[label])][0]]
    assert missed['figure'].axes[0].get_title() == (
        f'{lowest["p_resnet"]:.3g}\n{lowest["psfsize_r"].value:.3g}; {lowest["type"]}')
    titles = [panel.get_title() for panel in found['worst_false_positives']['figure'].axes]
    rates = result.tables['false_positives']
    highest = max((row for row in rates if row['confuser_class'] not in ('all', '')),
                  key=lambda row: row['estimate'])['confuser_class']
    assert titles[0].split('\n')[0] == titles[1].split('\n')[0] == highest
    assert 'the family with the highest rate first' in found['worst_false_positives']['caption']


@pytest.mark.parametrize('alike', [True, False])
def test_injections_stand_below_lenses(result, alike):
    injections = QTable({'object_id': [f'i-{row}' for row in range(20)],
                         'theta_e': np.linspace(0.5, 2.4, 20), 'arc_snr': np.full(20, 9.0)})
    sample = result.sample[result.sample['label']].copy()
    if alike:
        sample['theta_e'], sample['arc_snr'] = 1.0, 9.0
    shown = SimpleNamespace(sample=sample, tables=result.tables, options=result.options,
                            summary=result.summary, store=Stamps(),
                            injected=(injections, Stamps()))
    sheet = [item for item in store_galleries(shown) if item['section'] == 'recovery'][0]
    below = [panel.get_title() for panel in sheet['figure'].axes if panel.images][7:]
    assert ('nearest to it' in sheet['caption']) == alike
    assert below[0] == ('injected 1.0" S/N 9' if alike else 'injected 0.5" S/N 9')
    assert len(below) == 7 and (alike or len(set(below)) == 7)


def test_the_command_that_repeats_an_audit_of_files_is_told(result):
    assert 'Command that repeats it' not in render_report(result)
    result.summary['inputs'] = [{'path': 'scores.csv', 'role': 'scores', 'sha256': 'ab', 'rows': 3}]
    try:
        assert 'lensfinder-audit audit --config audit.yaml -o again' in render_report(result)
    finally:
        result.summary['inputs'] = []
