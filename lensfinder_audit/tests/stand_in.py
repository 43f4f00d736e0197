# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A small result in the shape that an audit has, made without one."""
from types import SimpleNamespace

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack

from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.false_positives import false_positive_table
from lensfinder_audit.measure.purity import purity_table
from lensfinder_audit.measure.thresholds import OperatingPoint, operating_points_table
from lensfinder_audit.vocabulary import quantity_name

DESIGN = {'n_resamples': 200, 'group': 'group'}
POINTS = (OperatingPoint(fpr=0.01), OperatingPoint(threshold=0.8))
AXES = {'psfsize_r': [Axis('psfsize_r', edges=(0.9, 1.1, 1.3, 1.5, 1.7, 2.1), unit='arcsec',
                           possible=(0.9, 1.69))],
        'type': [Axis('type', classes=('SER', 'DEV', 'REX'))],
        'psfsize_r_and_nobs_z': [
            Axis('psfsize_r', edges=(0.9, 1.2, 1.4, 1.7, 2.1), unit='arcsec', possible=(0.9, 1.7)),
            Axis('nobs_z', edges=(1, 3, 6, 11, np.inf), possible=(3, np.inf))]}
FAMILIES = ('ring', 'edge_on', 'blue_clumpy', 'merger', '')


def make_sample(n_lenses=600, n_negatives=6000, *, finders=('resnet', 'lucky'), seed=1):
    """Draw a sample in which seeing hides lenses and edge-on galaxies fool finders."""
    rng = np.random.default_rng(seed)
    n = n_lenses + n_negatives
    label = np.arange(n) < n_lenses
    psf = np.clip(rng.normal(1.3, 0.13, n), 0.95, 1.65)
    psf[rng.random(n) < 0.01] = np.nan
    family = rng.choice(FAMILIES, n, p=[0.05, 0.2, 0.1, 0.02, 0.63])
    sample = QTable({'object_id': np.arange(n).astype(str), 'ra': rng.uniform(0, 360, n) * u.deg,
                     'dec': rng.uniform(-18, 32, n) * u.deg, 'label': label,
                     'tier': np.where(label, np.where(rng.random(n) < 0.3, 'A', 'B'), ''),
                     'discovery': rng.choice(['independent', 'earlier finder', 'unknown'], n,
                                             p=[0.4, 0.5, 0.1]),
                     'confuser_class': np.where(label, '', family),
                     'group': rng.integers(0, 400, n), 'psfsize_r': psf * u.arcsec,
                     'nobs_z': rng.integers(3, 14, n), 'type': rng.choice(['SER', 'DEV'], n),
                     'stratum': rng.choice(['SER 3-5', 'SER 6-10', 'DEV 3-5', 'DEV 6-10'], n)})
    for number, finder in enumerate(finders):
        logit = np.where(label, 1.5 - 0.7 * number - 8 * np.nan_to_num(psf - 1.3), -6.0)
        logit = logit + rng.logistic(0, 1.2, n) + 1.5 * (family == 'edge_on') * ~label
        sample[finder] = np.round(1 / (1 + np.exp(-logit)), 4)
    return sample


def make_result(*, finders=('resnet', 'lucky'), simulated=False, prevalence=2e-3, **sizes):
    """Measure such a sample and return what an audit would."""
    sample = make_sample(finders=finders, **sizes)
    label = np.asarray(sample['label'])
    points = operating_points_table({name: sample[name] for name in finders}, label, POINTS)
    tables = {'operating_points': points, **_fractions(sample, points, prevalence),
              **_curves(sample, finders)}
    summary = {'title': 'A small audit', 'n_objects': len(sample), 'n_lenses': int(label.sum()),
               'n_negatives': int((~label).sum()), 'finders': list(finders),
               'score_kind': 'probability', 'prevalence': prevalence, 'interval': 'wilson',
               'confidence': 0.95, 'group': 'group', 'weight': None, 'simulated': simulated,
               'inputs': [{'path': 'scores.csv', 'sha256': 'ab' * 32, 'rows': len(sample)}],
               'command': 'lensfinder-audit audit scores.csv -o audit', 'package_version': '0.1'}
    return SimpleNamespace(tables=tables, findings=make_findings(), sample=sample,
                           galleries=(), summary=summary,
                           options={'statistics': {'interval': 'wilson'}})


def make_findings():
    """Return one finding of each severity."""
    return QTable({
        'severity': ['severe', 'warning', 'note'],
        'check': ['earlier_finder', 'few_lenses', 'ties'],
        'finding': ['300 of 600 lenses were found by an earlier finder.',
                    'A bin rests on fewer than 10 groups.', '12 negatives share a score of 1.'],
        'evidence': ['completeness, rows 3 to 6', 'completeness_by_psfsize_r, row 5',
                     'operating_points, row 1'],
        'advice': ['Quote their fraction as agreement.', 'Merge bins.', 'Quote the range.']})


def stack(parts):
    """Join tables of several finders as an audit does."""
    table = vstack(parts, metadata_conflicts='silent')
    table.meta = {key: value if all(part.meta.get(key) == value for part in parts)
                  else [part.meta.get(key) for part in parts]
                  for key, value in parts[0].meta.items()}
    return QTable(table, copy=False)


def _at_points(points, measure):
    parts = []
    for row in points:
        part = measure(str(row['finder']), float(row['threshold']))
        for name in ('finder', 'operating_point', 'threshold'):
            part.add_column(np.full(len(part), row[name]), name=name, index=0)
        parts.append(part)
    return stack(parts)


def _fractions(sample, points, prevalence):
    tables, split = {}, ('tier', 'discovery')
    for name, by in {'': (), **AXES}.items():
        suffix = f'_by_{name}' if name else ''
        table = _at_points(points, lambda finder, cut, by=by: completeness_table(
            sample, threshold=cut, by=by, score=finder, sample=split, **DESIGN))
        table['quantity'] = quantity_name(table['discovery'])
        tables['completeness' + suffix] = table
        if len(by) == 2:
            continue
        tables['false_positives' + suffix] = _at_points(
            points, lambda finder, cut, by=by: false_positive_table(
                sample, threshold=cut, by=by, score=finder, **DESIGN))
        if not by:
            tables['false_positives'] = _with_families(tables['false_positives'], sample, points)
        tables['purity' + suffix] = _at_points(
            points, lambda finder, cut, by=by: purity_table(
                sample, threshold=cut, prevalence=prevalence, by=by, score=finder, **DESIGN))
    return tables


def _with_families(whole, sample, points):
    whole['confuser_class'] = 'all'
    by = Axis('confuser_class', classes=FAMILIES[:-1])
    families = _at_points(points, lambda finder, cut: false_positive_table(
        sample, threshold=cut, by=by, score=finder, **DESIGN))
    return stack([whole, families])


def _curves(sample, finders):
    n = len(finders)
    ranking = QTable({'finder': list(finders), 'statistic': ['AUC'] * n, 'interval': ['DeLong'] * n,
                      'estimate': 0.99 - 0.01 * np.arange(n), 'lo': [0.95] * n, 'hi': [0.995] * n})
    error = QTable({'finder': list(finders), 'prevalence': [np.nan] * n, 'statistic': ['ECE'] * n,
                    'estimate': [0.02] * n, 'lo': [0.015] * n, 'hi': [0.026] * n,
                    'interval': ['bootstrap'] * n})
    return {'ranking': ranking,
            'roc': stack([_roc(sample, name) for name in finders]),
            'reliability': stack([_reliability(sample, name, bins) for name in finders
                                  for bins in ('positives', 'zoom')]),
            'calibration': error,
            'score_to_probability': stack([_probability(sample, name) for name in finders])}


def _roc(sample, finder):
    label, score = np.asarray(sample['label']), np.asarray(sample[finder])
    steps = np.unique(score)[::-1]
    rates = [1 - np.searchsorted(np.sort(score[rows]), steps) / rows.sum()
             for rows in (~label, label)]
    return QTable({'finder': np.full(len(steps), finder), 'fpr': rates[0], 'tpr': rates[1],
                   'threshold': steps})


def _reliability(sample, finder, bins):
    score = np.asarray(sample[finder])
    edges = np.linspace(0.9, 1, 6) if bins == 'zoom' else np.array([0, 0.3, 0.6, 0.8, 0.95, 1])
    place = Axis('score', edges=tuple(edges))
    table = completeness_table(QTable({'score': np.asarray(sample['label'], float),
                                       'bin': score}), threshold=0.5, n_resamples=200,
                               by=Axis('bin', edges=place.edges))
    table = table[np.isfinite(table['bin_min'])]
    table.rename_columns(['bin_min', 'bin_max'], ['score_min', 'score_max'])
    code = place.code(score)
    table['mean_probability'] = [score[code == i].mean() if (code == i).any() else np.nan
                                 for i in range(len(table))]
    for name, value in (('finder', finder), ('bins', bins), ('prevalence', np.nan)):
        table[name] = value
    return table


def _probability(sample, finder):
    label, score = np.asarray(sample['label']), np.asarray(sample[finder])
    grid = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    positives, negatives = (np.array([np.sum(score[rows] >= item) for item in grid])
                            for rows in (label, ~label))
    probability = 2e-3 * positives / (2e-3 * positives + negatives / 20 + 1e-9)
    return QTable({'finder': np.full(len(grid), finder),
                   'prevalence': np.full(len(grid), 2e-3), 'score': grid,
                   'probability': probability, 'lo': probability / 2,
                   'hi': np.minimum(1, probability * 1.7), 'n_positives_above': positives,
                   'n_negatives_above': negatives,
                   'state': np.where(negatives < 10, 'unsupported', 'supported')},
                  meta={'interval': 'bootstrap', 'confidence': 0.95})
