# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the rules that turn references into tiers."""
import pytest

from lensfinder_audit.sources.lens_evidence import (EVIDENCE_COLUMNS, lens_evidence,
                                                    lens_references)

METHODS = {'spectroscopic', 'space_imaging', 'visual', 'citizen_science', 'arcfinder', 'modelling',
           'machine_learning', 'quasar_survey', 'submillimetre', 'compilation', 'cluster_survey',
           'unknown'}
SLACS = 'Auger et al. (2009) - arXiv:0911.2471'
HUANG = 'Huang et al. (2020) - arXiv:1906.00970'
DIEHL = 'Diehl et al. (2017) - doi:10.3847/1538-4365/aa8667'
COMPILED = 'Moustakas et al. (2012) - adsabs:2012hst..prop12833M'
CLUSTER = 'Ebeling et al. (1998) - arXiv:astro-ph/9812394'


def judge(reference, grade='probable'):
    return lens_evidence([reference], [grade])[0]


def test_every_line_of_the_data_file_is_sound():
    lines = lens_references()
    assert len({line['pattern'] for line in lines}) == len(lines)
    for line in lines:
        assert {line['tier_confident'], line['tier_probable']} <= {'A', 'B', ''}
        assert line['discovery_method'] in METHODS
        assert line['arc_visible'] in {'yes', 'no', 'unknown'}
        assert line['checked'] in {'abstract', 'memory'}
        assert line['reason'] and line['paper'] and line['evidence'] and '\n' not in line['reason']


def test_no_pattern_is_part_of_another():
    patterns = [line['pattern'] for line in lens_references()]
    inside = [(a, b) for a in patterns for b in patterns if a != b and a in b]
    assert not inside


def test_strongest_reference_gives_the_tier_and_names_itself():
    found = judge(f'{HUANG} | {SLACS}', 'confident')
    assert found['tier'] == 'A' and found['tier_reason'].startswith('Auger et al. 2009')
    assert found['evidence'] == 'space-based imaging'


def test_order_of_references_does_not_matter():
    both = lens_evidence([f'{HUANG} | {SLACS}', f'{SLACS} | {HUANG}'], ['confident'] * 2)
    assert all(both[name][0] == both[name][1] for name in EVIDENCE_COLUMNS)


def test_confident_candidate_of_a_network_is_tier_b():
    assert judge(HUANG, 'confident')['tier'] == 'B'


@pytest.mark.parametrize('grade, tier, is_lens', [('confident', 'A', True),
                                                  ('probable', '', False)])
def test_candidate_that_imaging_did_not_confirm_is_no_evidence(grade, tier, is_lens):
    found = judge('Bolton et al. (2008) - arXiv:0805.1931', grade)
    assert (found['tier'], found['is_lens']) == (tier, is_lens)


def test_cluster_catalogue_is_no_lens_evidence_whatever_its_grade():
    for grade in ('confident', 'probable'):
        found = judge('Olsen et al. (2006) - arXiv:astro-ph/0609815', grade)
        assert not found['is_lens'] and 'no lens evidence' in found['tier_reason']
        assert found['arc_visible'] == 'unknown'


def test_cluster_that_a_lens_search_lists_is_found_by_that_search():
    found = judge(f'{CLUSTER} | {HUANG}')
    assert found['is_lens'] and found['discovery_method'] == 'machine_learning'


def test_earliest_search_gives_the_discovery_method():
    found = judge(f'{HUANG} | {SLACS}', 'confident')
    assert found['discovery_method'] == 'spectroscopic'
    assert set(found['methods'].split()) == {'spectroscopic', 'machine_learning'}


def test_compilation_has_no_say_in_the_discovery_method():
    assert judge(f'{COMPILED} | {DIEHL}')['discovery_method'] == 'visual'
    assert judge(COMPILED)['discovery_method'] == 'compilation'


def test_machine_learning_wins_a_tie_of_years():
    tie = "O'Donnell et al. (2021) - arXiv:2110.02418 | Stein et al. (2021) - arXiv:2110.00023"
    assert judge(tie)['discovery_method'] == 'machine_learning'


def test_ground_based_search_makes_an_arc_visible():
    assert judge(SLACS, 'confident')['arc_visible'] == 'no'
    assert judge(f'{SLACS} | {HUANG}', 'confident')['arc_visible'] == 'yes'


def test_unknown_reference_is_tier_b_and_says_so():
    found = judge('Nobody et al. (2030)')
    assert (found['tier'], found['discovery_method']) == ('B', 'unknown')
    assert found['tier_reason'] == 'reference not classified: Nobody et al. (2030)'


def test_no_rows_give_no_rows():
    assert len(lens_evidence([], [])) == 0
