#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Audit the published networks on real stamps of the Legacy Surveys, where they are out of domain.

FOLDER holds the weights in ``models``, four lens candidates in ``dr10-cutouts`` and eight
galaxies in ``decals-galaxies``. Each network is asked first without and then with the options
that let it score such stamps. The command prints a table; with ``-o`` the audit of each
network that can score is written to a folder of its own::

    python audit_real_stamps.py FOLDER
    python audit_real_stamps.py FOLDER -o audits
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable
from lensfinder_audit_example_published import EuclidNetwork

from lensfinder_audit.exceptions import LensfinderAuditError
from lensfinder_audit.measure.delong import delong
from lensfinder_audit.measure.intervals import binomial_interval

NETWORKS = ('OU_JYH', 'OU_66', 'OU_200')
SURVEY = {'bands': 'grz', 'pixel_scale': 0.262 * u.arcsec}
TOLD = {'bands': 'grz', 'pixel_scale': 0.262, 'adapt': 'crop'}
AGAIN = {'temp_small': 'example_a', 'example_bad_pix': 'example_d'}  # the same galaxies


def real_stamps(folder):
    """Return names, labels and (n, 3, 101, 101) fluxes; each galaxy once."""
    names, label, flux = [], [], []
    for path in sorted((folder / 'dr10-cutouts').glob('*.npz')):
        with np.load(path) as found:
            names, label = [*names, path.stem], [*label, True]
            flux.append(np.moveaxis(found['cutout'], 2, 0))
    with np.load(folder / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as found:
        for name in (item for item in found.files if item not in AGAIN):
            names, label = [*names, name], [*label, False]
            flux.append(np.moveaxis(found[name], 2, 0))
    return np.array(names), np.array(label), np.stack(flux)


def missing_bands(folder):
    """Return a galaxy as it is, and with three quarters of g and r missing."""
    with np.load(folder / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as found:
        return np.stack([np.moveaxis(found[name], 2, 0) for name in ('example_d',
                                                                     'example_bad_pix')])


def refusal(make, flux):
    """Return in a line why a network does not score, or an empty one."""
    try:
        make()(flux, **SURVEY)
    except LensfinderAuditError as error:
        return str(error).replace('\n', ' ')
    return ''


def measure(folder):
    """Return a dict by network: why it refuses, and what it gives once it is told."""
    names, label, flux = real_stamps(folder)
    found = {}
    for name in NETWORKS:
        path = folder / 'models' / f'{name}_Weights.pt'
        row = {'untold': refusal(lambda path=path: EuclidNetwork(path), flux),
               'told': refusal(lambda path=path: EuclidNetwork(path, **TOLD), flux)}
        if not row['told']:
            network = EuclidNetwork(path, **TOLD)
            row |= {'name': names, 'label': label, 'score': network(flux, **SURVEY),
                    'missing': network(missing_bands(folder), **SURVEY)}
        found[name] = row
    return found


def rates(row):
    """Return AUC, completeness and false-positive rate at p > 0.5, with 95 % intervals."""
    above, label = row['score'] > 0, row['label']
    area = delong(row['score'], label)
    found = {'AUC': (area.auc, area.lo, area.hi)}
    for name, rows in (('lens candidates above 0.5', label), ('galaxies above 0.5', ~label)):
        k, n = int(above[rows].sum()), int(rows.sum())
        found[name] = (k / n, *(float(end) for end in binomial_interval(
            k, n, method='clopper-pearson')))
    return found


def tell(found):
    """Print what was found."""
    for name, row in found.items():
        print(f'{name}\n  as it is: {row["untold"]}')
        if row['told']:
            print(f'  told to: {row["told"]}')
            continue
        for what, scores in (('lens candidates', row['score'][row['label']]),
                             ('galaxies', row['score'][~row['label']])):
            print(f'  logits of {len(scores)} {what}: '
                  + ' '.join(f'{value:.2f}' for value in np.sort(scores)))
        for what, (value, lo, hi) in rates(row).items():
            print(f'  {what}: {value:.2f} [{lo:.2f}, {hi:.2f}]')
        print('  one galaxy as it is and without most of g and r: '
              + ' and '.join(f'{value:.2f}' for value in row['missing']))


def write_audit(name, row, folder):
    """Write the whole audit of a network."""
    from lensfinder_audit.audit import audit
    from lensfinder_audit.output import write_audit as write

    table = QTable({'object_id': row['name'], 'label': row['label'], 'score': row['score']})
    table.meta['score_kind'] = 'logit'
    write(audit(table), folder / name)


def main(argv=None):
    """Measure, tell, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('folder', type=Path, help='with models, dr10-cutouts, decals-galaxies')
    parser.add_argument('-o', '--output', type=Path, help='folder for the audits')
    options = parser.parse_args(argv)
    found = measure(options.folder)
    tell(found)
    for name, row in found.items() if options.output else ():
        if not row['told']:
            write_audit(name, row, options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
