# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Galleries of every finder, and of real lenses beside injected ones, through the command."""
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from lensfinder_audit.audit import audit
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.files import write_whole
from lensfinder_audit.plotting.galleries import Shown, false_positive_gallery
from lensfinder_audit.plotting.store_galleries import (first_points, selected_by,
                                                       store_galleries)
from lensfinder_audit.report.missed import missed_sentence, missed_table
from lensfinder_audit.scoring import score_manifest
from lensfinder_audit.tests.made_up import make_table
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus, make_hosts

FINDERS = ('p_resnet', 'p_b', 'p_c', 'p_d', 'p_e')
DECLARED = {'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
            'score_kind': 'logit'}


class Stamps:
    """Stamps of all objects."""

    bands = ('g', 'r', 'z')

    def missing(self, keys):
        return np.zeros(len(keys), dtype=bool)

    def get(self, keys):
        return np.full((len(keys), 3, 8, 8), 0.01)


@pytest.fixture(scope='module')
def result():
    table, rng = make_table(700), np.random.default_rng(4)
    for name in FINDERS[1:]:
        noisy = np.asarray(table['p_resnet']) + rng.normal(0, 0.15, len(table))
        table[name] = np.clip(noisy, 0, 1)
    found = audit(table, fprs=[0.02, 0.05], n_resamples=100, by=['psfsize_r', 'type'])
    found.store = Stamps()
    return found


@pytest.fixture(scope='module')
def galleries(result):
    return {item['name']: item for item in store_galleries(result)}


def framed(figure):
    return [any(isinstance(patch, Rectangle) for patch in panel.patches)
            for panel in figure.axes if panel.images]


def test_each_of_the_first_finders_has_its_own_and_the_rest_is_named(galleries):
    for stem in ('missed_lenses', 'worst_false_positives'):
        assert [name for name in galleries if name.startswith(stem)] == [
            f'{stem}_{finder}' for finder in FINDERS[:4]]
    for finder in FINDERS[:4]:
        caption = galleries[f'missed_lenses_{finder}']['caption']
        assert f'Missed lenses of {finder} at FPR = 0.02 (threshold ' in caption
    assert [name for name in galleries if name.startswith('lenses')] == ['lenses_p_resnet']
    assert galleries['worst_false_positives_p_d']['caption'].endswith(
        'Galleries of p_e are left out.')


def test_lenses_that_all_finders_miss_are_framed(result, galleries):
    picked = selected_by(result.sample, first_points(result.tables['operating_points']))
    score = np.asarray(result.sample['p_b'])
    threshold = result.tables['operating_points']['threshold'][2]
    missed = np.flatnonzero(np.asarray(result.sample['label']) & (score < threshold))
    lowest = missed[np.argsort(score[missed], kind='stable')][:7]
    item = galleries['missed_lenses_p_b']
    assert sorted(framed(item['figure'])) == sorted(picked[lowest] == 0)
    n_all = int((picked[missed] == 0).sum())
    assert f'missed by all 5 finders there; {n_all} of the {len(missed)} are.' in item['caption']
    assert f'{n_all} of ' in missed_sentence(result)


def test_missed_lenses_are_a_table_with_conditions_without_any_stamp(result):
    layout = missed_table(result)
    assert {'PSF FWHM, r [arcsec]', 'Tractor type', 'missed by', *FINDERS} <= set(
        layout['header'])
    column = [row[layout['header'].index('missed by')] for row in layout['rows']]
    assert column[0] == 'all' and len(column) <= 25
    assert 'p_resnet at FPR = 0.02' in layout['note']


def test_families_stand_by_their_rate_and_many_are_cut(result):
    sample = result.sample.copy()
    lenses = np.asarray(sample['label'])
    rng = np.random.default_rng(0)
    names = [f'family {number:02d}' for number in range(30)]
    sample['confuser_class'] = np.where(lenses, '', rng.choice(names, len(sample)))
    shown = Shown('p_resnet', 0.5, 'FPR = 0.02', n_finders=2)
    item, = false_positive_gallery(sample, shown, Stamps().get, families=names[::-1])
    titles = [panel.get_title().split('\n')[0] for panel in item['figure'].axes if panel.images]
    assert titles == names[::-1][:14]
    assert '16 more families are left out.' in item['caption']
    assert 'the family with the highest rate first' in item['caption']


def test_scores_below_the_threshold_are_no_false_positives_and_say_so(result):
    item, = false_positive_gallery(result.sample, Shown('p_resnet', 2.0), Stamps().get)
    assert all(panel.get_title().endswith(', below') for panel in item['figure'].axes
               if panel.images)


def test_real_lenses_stand_beside_kept_images_through_the_command(tmp_path):
    table, store = make_hosts(tmp_path / 'hosts', n=40)
    write_network(tmp_path / 'tiny.onnx', size=(41, 41), metadata=DECLARED)
    done = run('inject', tmp_path / 'tiny.onnx', tmp_path / 'hosts' / 'hosts.parquet', '-n', 20,
               '--threshold', 0, '--keep-images', '-o', tmp_path / 'injected')
    assert done.exit_code == 0, done.output
    table['label'] = np.arange(len(table)) < 20
    table['theta_e'], table['arc_snr'] = np.linspace(0.5, 2, len(table)), 20.0
    scores = score_manifest(MeanOfAnnulus(size=41), table, store, name='annulus')
    write_whole(scores, tmp_path / 'scores.parquet')
    done = run('audit', tmp_path / 'scores.parquet', '--store', store.path, '--injections',
               tmp_path / 'injected', '--threshold', 0, '--resamples', 100, '-o',
               tmp_path / 'audit')
    assert done.exit_code == 0, done.output
    page = (tmp_path / 'audit' / 'report.html').read_text(encoding='utf-8')
    own = page.partition('<section id="recovery">')[2].partition('</section>')[0]
    assert 'Above, lenses of the sample; below each, the injection nearest' in own
    assert (tmp_path / 'audit' / 'figures' / 'injections_beside_lenses.png').is_file()


def test_injections_of_which_little_is_known_are_not_called_alike(result):
    injections = result.sample['object_id', 'host'][:9] if 'host' in result.sample.colnames else (
        result.sample['object_id', 'label'][:9])
    shown = SimpleNamespace(sample=result.sample, tables=result.tables, options=result.options,
                            summary=result.summary, store=Stamps(),
                            injected=(injections, Stamps(), 'p_b'))
    sheet = [item for item in store_galleries(shown) if item['section'] == 'recovery'][0]
    assert 'they are not chosen to be alike' in sheet['caption']
    assert 'The injections are those of p_b.' in sheet['caption']
