# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Put the sections of a report on a page."""
import re
from base64 import b64encode
from dataclasses import asdict, is_dataclass

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lensfinder_audit.plotting import figure_png
from lensfinder_audit.report import words
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.sections import make_sections, severity_words, summary_sentences
from lensfinder_audit.verdict import region_words

__all__ = ['render_report', 'render_page']

#: Pixels of a browser to the inch; a figure on a screen is a little larger than in a paper.
_PIXELS = 120

#: Figures wider than this, in inches, are moved sideways on a telephone.
_WIDE = 4.7

#: What a sentence of a verdict begins with, and how it is set.
_KINDS = {'Use ': 'use', 'Do not use ': 'avoid', 'Not known ': 'unknown'}

#: A number as a computer writes it, such as 4e-10, that is no part of a name.
_POWER = re.compile(r'(?<![\w.])\d(?:\.\d+)?e-\d\d+(?![\w.]*\w)')

_RANK = {'severe': 0, 'warning': 1, 'note': 2}


def render_report(result, figures=()):
    """
    Write the report of an audit as one HTML page.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.
    figures : list of dict, optional
        As `~lensfinder_audit.plotting.draw_figures` returns them.

    Returns
    -------
    page : str
        HTML without scripts that loads nothing from elsewhere.
    """
    return render_page(
        summary=result.summary, paragraph=summary_sentences(result.summary),
        findings=_findings(result.findings), verdict=_verdict(result, figures),
        sections=make_sections(result, figures), repeated=_repeated(result.summary),
        options=result.summary.get('options') or result.options)


def render_page(*, summary, paragraph, findings, verdict, sections, options, repeated=''):
    """
    Put words, tables and figures on the page that all reports share.

    Parameters
    ----------
    summary : dict
        ``title``, ``package_version`` and, where known, ``inputs``, ``command``,
        ``simulated`` and ``remarks``.
    paragraph : str
        What stands first.
    findings : list of dict
        ``severity``, ``check``, ``finding``, ``evidence`` and ``advice``.
    verdict : dict
        ``sentences``, ``table`` and, where there are some, ``figures``.
    sections : list of dict
        As `~lensfinder_audit.report.sections.make_sections` returns them.
    options : object
        What the run was told.
    repeated : str, optional
        The command line that does it all again.

    Returns
    -------
    page : str
        HTML.
    """
    environment = Environment(loader=PackageLoader('lensfinder_audit', 'templates'),
                              autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, finalize=_printable)
    environment.filters['longest'] = lambda text: max(map(len, str(text).split()), default=0)
    for section in (verdict, *sections):
        section['figures'] = [_picture(item) for item in section.get('figures', ())]
    verdict['sentences'] = [{'text': text, 'kind': next(
        (kind for words, kind in _KINDS.items() if text.startswith(words)), '')}
        for text in verdict['sentences']]
    return environment.get_template('report.html').render(
        summary=summary, paragraph=paragraph, findings=findings, verdict=verdict,
        severities=severity_words({'severity': [item['severity'] for item in findings]}),
        sections=sections, repeated=repeated,
        inputs=_inputs(summary.get('inputs') or []), options=_yaml(options))


def _printable(value):
    return value if isinstance(value, Markup) else words.clean(value)


def _picture(item):
    width, height = item['figure'].get_size_inches() * _PIXELS
    return {'source': b64encode(figure_png(item)).decode('ascii'), 'alt': item['alt'],
            'caption': item['caption'], 'width': round(width), 'height': round(height),
            'wide': width > _WIDE * _PIXELS}


def _verdict(result, figures):
    """Return the sentences of the verdict, its figures and its table."""
    table = result.tables.get('verdict')
    if table is not None and len(table):
        table = table.copy()
        table['region'] = [region_words(row) for row in table]
    table = people_table(table, title='Every region that was judged',
                         drop=('axis', 'low', 'high', 'unit'))
    return {'sentences': result.summary.get('verdict') or [], 'table': table,
            'figures': [item for item in figures if item['section'] == 'verdict']}


def _repeated(summary):
    """Return the command that makes the audit again, where it was of files or the example."""
    known = summary.get('inputs') or summary.get('example')
    return 'lensfinder-audit audit --config audit.yaml -o again' if known else ''


def _findings(findings):
    names = ('severity', 'check', 'finding', 'evidence', 'advice')
    rows = [{name: str(row[name]) if name in findings.colnames else '' for name in names}
            for row in findings]
    for row in rows:
        row['finding'] = _POWER.sub(lambda found: words.number(float(found[0]), digits=3),
                                    row['finding'])
    return sorted(rows, key=lambda row: _RANK.get(row['severity'], len(_RANK)))


def _inputs(inputs):
    return [{'path': item.get('path', ''), 'role': item.get('role', ''),
             'rows': words.count(item['rows']) if 'rows' in item else '',
             'sha256': item.get('sha256', '')} for item in inputs]


def _yaml(options):
    options = asdict(options) if is_dataclass(options) else options
    return yaml.safe_dump(_plain(options), sort_keys=False, allow_unicode=True,
                          default_flow_style=None, width=88)


def _plain(value):
    """Turn tuples, paths and numbers of NumPy into what YAML knows."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str | None) else str(value)
