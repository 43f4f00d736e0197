# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From the references of a lens to its evidence, tier and discovery method.

A grade says how good a candidate looks; a tier says what it rests on. The tier
follows from the papers that list an object, and what each paper supports is
stated in ``data/lens_references.ecsv``, one line per paper or list.
"""
from functools import cache
from importlib.resources import as_file, files

import numpy as np
from astropy.table import Table

__all__ = ['EVIDENCE_COLUMNS', 'lens_evidence', 'lens_references']

#: Columns that `lens_evidence` returns, with what they hold.
EVIDENCE_COLUMNS = {
    'is_lens': 'whether a reference gives lens evidence',
    'tier': 'A: confirmed by spectroscopy or space-based imaging; B: candidate; else empty',
    'tier_reason': 'paper behind the tier and what it supports',
    'evidence': 'kind of evidence behind the tier',
    'discovery_method': 'method of the earliest search that lists it',
    'methods': 'methods of all searches that list it',
    'arc_visible': 'whether the arc can be seen from the ground',
}


@cache
def lens_references():
    """
    Read what each paper or list supports.

    Returns
    -------
    references : tuple of dict
        One per line of the data file, in order of preference.

    Examples
    --------
    >>> from lensfinder_audit.sources.lens_evidence import lens_references
    >>> first = lens_references()[0]
    >>> print(first['paper'], '|', first['evidence'])
    Auger et al. 2009, SLACS IX | space-based imaging
    """
    with as_file(files('lensfinder_audit') / 'data' / 'lens_references.ecsv') as path:
        table = Table.read(path, format='ascii.ecsv').filled('')
    return tuple({name: row[name].item() for name in table.colnames} for row in table)


def lens_evidence(references, grades):
    """
    Say for each object what its references support.

    Parameters
    ----------
    references : (n,) array_like of str
        Papers that list the object, as one string of any form.
    grades : (n,) array_like of str
        Grade as published; ``'confident'`` is the upper one.

    Returns
    -------
    evidence : `~astropy.table.Table`
        One row per object, with the columns of `EVIDENCE_COLUMNS`.

    Notes
    -----
    The strongest reference gives the tier, and the first line of the data file
    among equals gives the reason. The discovery method is that of the earliest
    search; machine learning wins a tie of years, and compilations have no say.
    A reference that the data file does not know gives tier B and says so.

    Examples
    --------
    >>> from lensfinder_audit.sources.lens_evidence import lens_evidence
    >>> found = lens_evidence(['Bolton et al. (2008) - arXiv:0805.1931',
    ...                        'Lopes et al. (2004) - doi:10.1086/423038'],
    ...                       ['confident', 'probable'])
    >>> print(found['tier'][0], found['discovery_method'][0], found['is_lens'][1])
    A spectroscopic False
    """
    cases = list(zip(references, grades, strict=True))
    found = {case: _judge(*case) for case in dict.fromkeys(cases)}
    columns = {name: [found[case][name] for case in cases] for name in EVIDENCE_COLUMNS}
    return Table({name: np.array(values, dtype=bool if name == 'is_lens' else str)
                  for name, values in columns.items()}, descriptions=EVIDENCE_COLUMNS)


def _judge(reference, grade):
    graded = 'tier_confident' if grade == 'confident' else 'tier_probable'
    known = [line for line in lens_references() if line['pattern'] in reference]
    if not known:
        return _unclassified(reference)
    tier = min((line[graded] for line in known), key=lambda tier: tier or 'none')
    behind = next(line for line in known if line[graded] == tier)
    searches = [line for line in known if line[graded]] or [behind]
    return {'is_lens': bool(tier), 'tier': tier, 'evidence': behind['evidence'],
            'tier_reason': f"{behind['paper']}: {behind['reason']}",
            'discovery_method': _discovery_method(searches),
            'methods': ' '.join(dict.fromkeys(line['discovery_method'] for line in searches)),
            'arc_visible': _arc_visible(searches) if tier else 'unknown'}


def _unclassified(reference):
    return {'is_lens': True, 'tier': 'B', 'evidence': 'not classified',
            'tier_reason': f'reference not classified: {reference}',
            'discovery_method': 'unknown', 'methods': 'unknown', 'arc_visible': 'unknown'}


def _discovery_method(searches):
    dated = [line for line in searches if line['year']] or searches
    earliest = min(line['year'] for line in dated)
    first = [line['discovery_method'] for line in dated if line['year'] == earliest]
    return 'machine_learning' if 'machine_learning' in first else first[0]


def _arc_visible(searches):
    said = {line['arc_visible'] for line in searches}
    return next((word for word in ('yes', 'no') if word in said), 'unknown')
