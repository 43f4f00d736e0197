# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the figures of a report share: where they stand, and how few of them there are."""
import re

import numpy as np

from lensfinder_audit.plotting.places import axis_names
from lensfinder_audit.plotting.style import group_rows

__all__ = ['SECTIONS', 'split_quantities', 'figure_item', 'few_panels', 'named_tables']

#: Sections of a report that hold recovered fractions, with the word that the
#: column ``discovery`` has there.
SECTIONS = {'completeness': 'independent', 'agreement': 'earlier finder', 'unknown': 'unknown'}

_MAX_AXES = 4
_MAX_SURFACES = 1
_MAX_PANELS = 4


def split_quantities(table):
    """
    Split recovered fractions by what they measure.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``completeness``, with or without ``discovery``.

    Returns
    -------
    parts : dict of str to `~astropy.table.Table`
        By section: ``'completeness'``, ``'agreement'``, ``'unknown'``; those
        without rows are left out. A table that does not say how its lenses
        were discovered is completeness, as its maker called it.
    """
    if 'discovery' not in table.colnames:
        return {'completeness': table}
    words = np.asarray(table['discovery']).astype(str)
    known = [word for section, word in SECTIONS.items() if section != 'unknown']
    words = np.where(np.isin(words, known), words, 'unknown')
    return {section: table[words == word] for section, word in SECTIONS.items()
            if (words == word).any()}


def figure_item(section, name, figure, caption, alt):
    """Return a figure with its words, under a name that a file can have."""
    name = re.sub(r'[^A-Za-z0-9_.-]+', '_', name)
    return {'name': name, 'figure': figure, 'caption': caption, 'alt': alt, 'section': section}


def few_panels(table, *, columns=('finder', 'operating_point')):
    """Keep the panels that fit, and say what was left out."""
    if len(group_rows(table, columns)) <= _MAX_PANELS:
        return table, ''
    if 'operating_point' not in table.colnames:
        return table, ''
    words = np.asarray(table['operating_point']).astype(str)
    rest = '' if (words == words[0]).all() else (
        f' Drawn at {words[0]}; other operating points are in the table.')
    return table[words == words[0]], rest


def named_tables(tables, stem):
    """Yield the whole-sample table, then a bounded number of one and of two axes."""
    counts = {0: 1, 1: _MAX_AXES, 2: _MAX_SURFACES}
    chosen = []
    for name, table in tables.items():
        if name != stem and not name.startswith(f'{stem}_by_'):
            continue
        n_axes = len(axis_names(table))
        if len(table) and counts.get(n_axes, 0) > 0:
            counts[n_axes] -= 1
            chosen.append((n_axes, name, table))
    return [(name, table) for _, name, table in sorted(chosen, key=lambda item: item[0])]
