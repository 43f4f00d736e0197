# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``check replay``: are recorded injections those that the run would make now?"""
__all__ = ['check_replay']

#: Rows that are made again.
_ROWS = 10


def check_replay(arguments, values, limits):
    """Make some injections of a run again, each alone, and compare scores and systems."""
    import numpy as np
    from astropy.table import QTable

    from lensfinder_audit.cli.replay import open_run
    from lensfinder_audit.exceptions import MeasurementError
    from lensfinder_audit.findings import Finding
    from lensfinder_audit.recovery import replay

    injections, run = open_run(arguments[0])
    good = np.flatnonzero(np.asarray(injections['problem']) == '')
    rows, found, bad = np.sort(np.random.default_rng(0).permutation(good)[:_ROWS]), [], []
    for row in rows:
        name, words, score = str(injections['object_id'][row]), '', np.nan
        try:
            again = replay(injections, [row], run.manifest, run.store, run.simulator,
                           classifier=run.finder, **run.options)[1]
            score = float(again['score'][0])
        except MeasurementError as error:
            words = str(error)
            bad.append(words)
        found.append({'object_id': name, 'row': int(row), 'recorded':
                      float(injections['score'][row]), 'again': score, 'problem': words})
    findings = [Finding('severe', 'replay', f'{len(bad)} of {len(rows)} injections come out '
                        f'otherwise than they are recorded; the first: {bad[0]}', 'replay',
                        'Find what changed since, or inject again.')] if bad else []
    return QTable(rows=found), findings
