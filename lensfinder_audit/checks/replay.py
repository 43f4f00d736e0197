# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Are recorded injections those that the run would make now?"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.findings import Finding

__all__ = ['replay_check']

#: Rows that are made again: of records of which 5 % are wrong, one is among them in 99 of 100.
_ROWS = 100


def replay_check(injections, again, *, most=_ROWS, seed=0):
    """Call ``again`` for some rows; it gives the score, or raises where a row differs."""
    good = np.flatnonzero(np.asarray(injections['problem']) == '')
    rows, found, bad = np.sort(np.random.default_rng(seed).permutation(good)[:most]), [], []
    for row in rows.tolist():
        words, score = '', np.nan
        try:
            score = float(again(row))
        except MeasurementError as error:
            words = str(error)
            bad.append(words)
        found.append({'object_id': str(injections['object_id'][row]), 'row': row,
                      'recorded': float(injections['score'][row]), 'again': score,
                      'problem': words})
    findings = [Finding('severe', 'replay', f'{len(bad)} of {len(rows)} injections come out '
                        f'otherwise than they are recorded; the first: {bad[0]}', 'replay',
                        'Find what changed since, or inject again.')] if bad else []
    return QTable(rows=found), findings
