# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.checks.injections import (band_check, feature_columns, gain_check,
                                                host_check, match_check, realism_check)
from lensfinder_audit.checks.replay import replay_check
from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.bands import band_order

SKY = np.array([0.12, 0.30, 1.9])


def fluxes(n=200, seed=0):
    rng = np.random.default_rng(seed)
    r = 10**rng.normal(0.7, 0.3, n)
    flux = np.stack([r * 10**(-0.4 * rng.normal(1.15, 0.3, n)), r,
                     r * 10**(0.4 * rng.normal(0.85, 0.2, n))], axis=1)
    return flux, flux * rng.uniform(0.5, 0.9, (n, 1)) * rng.normal(1, 0.1, (n, 3))


@pytest.mark.parametrize('order', [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_order_of_the_planes_is_found(order):
    catalogued, measured = fluxes()
    table, found = band_check(measured[:, order], catalogued, 'grz')
    assert table['order'][0] == ''.join('grz'[i] for i in order)
    assert len(found) == (order != (0, 1, 2)) and all(item.severity == 'severe' for item in found)


def test_an_aperture_changes_no_order():
    catalogued, measured = fluxes()
    first, second = (band_order(scale * measured, catalogued, 'grz') for scale in (1, 1e-3))
    assert first['deviation'] == pytest.approx(second['deviation'])


def test_fluxes_that_do_not_fit_are_refused():
    catalogued, measured = fluxes()
    with pytest.raises(MeasurementError, match=r'must be \(n, 2\) for the bands'):
        band_order(measured, catalogued, 'gr')
    with pytest.raises(MeasurementError, match='0 of 200 objects have positive fluxes'):
        band_order(-measured, catalogued, 'grz')


def pools(n_single, seed=0):
    rng = np.random.default_rng(seed)
    pool = np.repeat(np.arange(20), 200)
    host = np.where(pool < n_single, pool, 100 + 60 * pool + rng.integers(0, 60, len(pool)))
    return QTable({'host': host, 'cell': pool, 'score': rng.random(len(pool))})


def test_pools_on_a_single_host_are_found():
    table, found = host_check(pools(3), threshold=0.9)
    assert (table['n_hosts'] == 1).sum() == 3
    assert '3 of 20 pools rest on fewer than 10 hosts (3 on a single one)' in found[0].finding
    assert not host_check(pools(0), threshold=0.9)[1]


@pytest.mark.parametrize('n_wrong', [0, 3])
def test_records_that_come_out_otherwise_are_counted(n_wrong):
    table = QTable({'object_id': [f'i{k}' for k in range(200)], 'score': np.arange(200.),
                    'problem': np.where(np.arange(200) % 10 == 3, 'no room', '')})
    chosen = replay_check(table, lambda row: row)[0]['row']
    wrong = chosen[:n_wrong].tolist()

    def again(row):
        if row in wrong:
            raise MeasurementError(f'row {row} comes out otherwise')
        return table['score'][row]

    found, findings = replay_check(table, again)
    assert len(found) == 100 and not (found['row'] % 10 == 3).any()
    assert np.isnan(found['again']).sum() == n_wrong == len(findings) * 3
    if n_wrong:
        assert findings[0].severity == 'severe'
        assert findings[0].finding.startswith('3 of 100 injections come out otherwise')


def test_failed_injections_are_left_out():
    injections = pools(0)
    injections['score'][:50] = np.nan
    assert host_check(injections, threshold=0.9)[0]['n'].sum() == 3950


@pytest.mark.parametrize('factor, n_findings', [(1, 0), (0.1, 1), (10, 1)])
def test_gain_is_compared_with_the_noise(factor, n_findings):
    noise = np.sqrt(SKY / 5400) * np.ones((50, 1))
    found = gain_check(factor * 5400 * u.electron / u.nmgy, noise, sky=SKY, bands='grz')
    assert len(found) == n_findings


def test_realism_speaks_when_injections_stand_apart():
    rng = np.random.default_rng(0)
    lenses, made = rng.normal(size=(2, 300, 8))
    assert not realism_check({'lenses': (lenses, None), 'injections': (made, None)},
                             n_permutations=99)[1]
    made[:, 0] += 1
    found = realism_check({'lenses': (lenses, None), 'injections': (made, None)},
                          n_permutations=99)[1]
    assert found[0].finding.startswith('a probe tells injections from real lenses with AUC 0.7')


def test_arcs_that_are_too_bright_are_found():
    rng = np.random.default_rng(0)
    lenses, bright, same = (QTable({'annulus_snr': rng.normal(mean, 5, 300)})
                            for mean in (20, 40, 20))
    assert match_check(bright, lenses, on=['annulus_snr'])[1][0].check == 'arc match'
    assert not match_check(same, lenses, on=['annulus_snr'])[1]


def test_features_are_columns_with_their_name():
    table = QTable({'embedding_0': [1.0], 'feature_x': [2.0], 'z': [3.0]})
    assert feature_columns(table).tolist() == [[1, 2]]
    with pytest.raises(TableError, match='no columns named embedding_'):
        feature_columns(table['z',])
