# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Words, numbers and tables in LaTeX."""
import re

import numpy as np

from lensfinder_audit.report import words

__all__ = ['escape', 'number', 'with_errors', 'tabular']

#: Rows of one table; longer ones go on in another, with their columns named again.
_MOST = 45

_SPECIAL = {'\\': '\\textbackslash{}', '{': '\\{', '}': '\\}', '$': '\\$', '&': '\\&', '#': '\\#',
            '%': '\\%', '_': '\\_', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}',
            '<': '\\textless{}', '>': '\\textgreater{}', '|': '\\textbar{}',
            '"': '{\\char34}', '`': '{\\char96}', "'": '{\\char39}',
            '-': '{-}', '[': '{[}', ']': '{]}', '*': '{*}'}

#: What a plain pdflatex knows of what this package writes beyond ASCII.
_MATHEMATICS = {'−': '$-$', '≥': '$\\ge$', '≤': '$\\le$', '×': '$\\times$', '±': '$\\pm$',
                'σ': '$\\sigma$', 'θ': '$\\theta$', '∞': '$\\infty$', '–': '--', '…': '\\ldots{}',
                '\N{NARROW NO-BREAK SPACE}': '\\,', '\N{THIN SPACE}': '\\,',
                '\N{NO-BREAK SPACE}': '~', '°': '$^\\circ$', '²': '$^2$', 'χ': '$\\chi$'}

#: Letters of Latin-1 that the oldest encoding of fonts lacks.
_NO_FONT = 'ÐðÞþ'


def escape(text):
    """
    Write any words so that LaTeX sets them as they are.

    Parameters
    ----------
    text : object
        Anything; what `str` makes of it. Line breaks and controls become spaces, letters
        beyond Latin-1 that a plain pdflatex has no font for a question mark.

    Returns
    -------
    tex : str
        Without a command, comment or formula that came from the words.

    Examples
    --------
    >>> from lensfinder_audit.report.tex import escape
    >>> print(escape('p_resnet & 95 % of $x'))
    p\\_resnet \\& 95 \\% of \\$x
    """
    return ''.join(_letter(letter) for letter in ' '.join(words.clean(text).split()))


def _letter(letter):
    if letter in _SPECIAL or letter in _MATHEMATICS:
        return _SPECIAL.get(letter) or _MATHEMATICS[letter]
    if ' ' <= letter <= '~' or (letter.isalpha() and letter <= 'ÿ' and letter not in _NO_FONT):
        return letter
    return '?'


def number(value, *, digits=4, bare=False):
    """
    Write a number in mathematics, such as ``$1.2 \\times 10^{-5}$``.

    Parameters
    ----------
    value : float
        NaN gives a dash.
    digits : int, optional
        Significant digits.
    bare : bool, optional
        Whether the dollars are left out.

    Returns
    -------
    tex : str
        A formula.
    """
    if np.isnan(value):
        return '--'
    if np.isinf(value):
        text = '\\infty' if value > 0 else '-\\infty'
    elif value == int(value) and abs(value) < 1e15:
        text = f'{int(value):,}'.replace(',', '\\,')
    elif 1e-4 <= abs(value) < 1e6:
        text = f'{value:.{digits}g}' if abs(value) < 1000 else f'{round(value):,}'.replace(
            ',', '\\,')
    else:
        mantissa, _, exponent = f'{value:.{max(digits - 2, 1)}e}'.partition('e')
        text = f'{mantissa} \\times 10^{{{int(exponent)}}}'
    return text if bare else f'${text}$'


def with_errors(value, low, high):
    """
    Write an estimate with the distances to the ends of its interval.

    Parameters
    ----------
    value, low, high : float
        Without finite ends the value stands alone.

    Returns
    -------
    tex : str
        A formula.

    Examples
    --------
    >>> from lensfinder_audit.report.tex import with_errors
    >>> print(with_errors(0.8929, 0.8216, 0.9381))
    $0.893^{+0.045}_{-0.071}$
    >>> print(with_errors(7.784e-5, 5.74e-5, 1.056e-4))
    $(7.8^{+2.8}_{-2.0}) \\times 10^{-5}$
    """
    if not np.isfinite([value, low, high]).all():
        return number(value)
    if low == high == value:
        return number(value)
    power = 0
    largest = max(abs(low), abs(high), abs(value))
    if 0 < largest < 1e-3:
        leading = abs(value) if abs(value) > 1e-3 * largest else largest
        power = max(int(np.floor(np.log10(leading))), -300)
    value, low, high = (item * 10.0**-power for item in (value, low, high))
    half = (high - low) / 2
    decimals = int(np.clip(np.ceil(-np.log10(half)) + 1, 0, 8)) if half > 0 else 4
    text = (f'{value:.{decimals}f}^{{+{abs(high - value):.{decimals}f}}}'
            f'_{{-{abs(value - low):.{decimals}f}}}')
    return f'$({text}) \\times 10^{{{power}}}$' if power else f'${text}$'


def tabular(columns, *, caption, label, fixed=(), widths=None):
    """
    Set a table with rules of booktabs.

    Parameters
    ----------
    columns : list of (str, list of str)
        Head and cells of each column, in LaTeX; columns without a cell are left out.
    caption : str
        LaTeX; what of ``fixed`` has one value throughout is added to it.
    label : str
        Follows ``tab:``.
    fixed : sequence of str, optional
        Heads of columns that need not be repeated in every row.
    widths : dict of str to str, optional
        Column types, where a cell holds sentences.

    Returns
    -------
    tex : str
        One ``table*`` for every 45 rows.
    """
    columns = [(head, cells) for head, cells in columns if cells]
    once = [(head, cells[0]) for head, cells in columns
            if head in fixed and len(set(cells)) == 1 and len(cells) > 1]
    caption += ''.join(f' {head}: {cell}.' for head, cell in once)
    columns = [item for item in columns if item[0] not in dict(once)]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    label = re.sub(r'[^A-Za-z0-9:-]+', '-', label)
    kinds = ''.join((widths or {}).get(head, 'l') for head, _ in columns)
    parts = [rows[start:start + _MOST] for start in range(0, len(rows), _MOST)]
    return '\n'.join(_one(part, [head for head, _ in columns], kinds, caption, label, turn)
                     for turn, part in enumerate(parts))


def _one(rows, heads, kinds, caption, label, part):
    body = '\n'.join(' & '.join(row) + r' \\' for row in rows)
    rest = f' (part {part + 1})' if part else ''
    return '\n'.join([
        r'\begin{table*}', r'\centering', rf'\caption{{{caption}{rest}}}',
        rf'\label{{tab:{label}{f"-{part + 1}" if part else ""}}}',
        r'\footnotesize\setlength{\tabcolsep}{4pt}\renewcommand{\arraystretch}{1.25}',
        rf'\begin{{tabular}}{{{kinds}}}', r'\toprule', ' & '.join(heads) + r' \\', r'\midrule',
        body, r'\bottomrule', r'\end{tabular}', r'\end{table*}', ''])
