# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Count the tiers of the installed lenscat, for the page ``docs/sources/lenscat.rst``.

``python docs/make_lenscat_counts.py`` writes ``docs/sources/lenscat_counts.inc``.
"""
from collections import Counter
from pathlib import Path

import numpy as np

from lensfinder_audit.sources.lens_catalogs import Lenscat

OUTPUT = Path(__file__).parent / 'sources' / 'lenscat_counts.inc'
TIERS = ('A', 'B', '')


def counts_page(table):
    """Return the counts of a lenscat table as reStructuredText."""
    desi = np.char.find(np.array(table['name']), 'DESI-') >= 0
    text = [f".. Written by docs/make_lenscat_counts.py from lenscat "
            f"{table.meta['catalogue_version']}; not to be edited.\n",
            f"lenscat {table.meta['catalogue_version']} has {len(table):,} rows: "
            f"{_sum(table, 'A')} in tier A, {_sum(table, 'B')} in tier B and "
            f"{_sum(table, '')} without lens evidence. "
            f"{np.mean(table['evidence'] != 'not classified'):.1%} of the rows have a reference "
            f"that the package knows; {np.isfinite(table['z_lens']).sum():,} have one lens "
            f"redshift. Of the {desi.sum():,} rows that carry a DESI candidate name, "
            f"{_sum(table[desi], 'A')} are in tier A and {_sum(table[desi], 'B')} in tier B.\n",
            by_tier(table, 'grade', 'Rows by grade as published'),
            by_tier(table, 'lens_type', 'Rows by type as published'),
            by_tier(table, 'evidence', 'Rows by the evidence behind the tier'),
            by_tier(table, 'discovery_method', 'Rows by discovery method'),
            by_tier(table, 'arc_visible', 'Rows by visibility of the arc from the ground'),
            by_paper(table, 'A'), by_paper(table, '')]
    return '\n'.join(text)


def by_tier(table, column, title):
    """Return a table of the rows by the values of a column and by tier."""
    counts = Counter(zip(np.array(table[column]).tolist(), np.array(table['tier']).tolist(),
                         strict=True))
    values = sorted({value for value, _ in counts},
                    key=lambda value: [-counts[value, tier] for tier in TIERS])
    rows = [[value, *(counts[value, tier] for tier in TIERS)] for value in values]
    return list_table(title, [column, 'tier A', 'tier B', 'no lens evidence'], rows)


def by_paper(table, tier):
    """Return a table of the papers that a tier rests on."""
    reasons = table['tier_reason'][table['tier'] == tier]
    papers = Counter(reason.partition(':')[0] for reason in reasons)
    title = f'Papers behind tier {tier}' if tier else 'Papers behind rows without lens evidence'
    return list_table(title, ['paper', 'rows'], sorted(papers.items(), key=lambda item: -item[1]))


def list_table(title, head, rows):
    """Return a list-table directive."""
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [head, *rows]:
        cells = [f'{cell:,}' if isinstance(cell, int) else cell for cell in row]
        lines += [f'   {mark} - {cell}' for mark, cell in zip('*' + ' ' * len(row), cells)]
    return '\n'.join([*lines, ''])


def _sum(table, tier):
    return f"{int((table['tier'] == tier).sum()):,}"


if __name__ == '__main__':
    OUTPUT.write_text(counts_page(Lenscat()()), encoding='utf-8')
    print(OUTPUT)
