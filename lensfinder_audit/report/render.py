# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Put the sections of a report on a page."""
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

__all__ = ['render_report', 'render_page']

#: Pixels of a browser to the inch.
_PIXELS = 96

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
        findings=_findings(result.findings), verdict=_verdict(result),
        sections=make_sections(result, figures),
        options=result.summary.get('options') or result.options)


def render_page(*, summary, paragraph, findings, verdict, sections, options):
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
        ``sentences`` and ``table``.
    sections : list of dict
        As `~lensfinder_audit.report.sections.make_sections` returns them.
    options : object
        What the run was told.

    Returns
    -------
    page : str
        HTML.
    """
    environment = Environment(loader=PackageLoader('lensfinder_audit', 'templates'),
                              autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, finalize=_printable)
    for section in sections:
        section['figures'] = [_picture(item) for item in section['figures']]
    return environment.get_template('report.html').render(
        summary=summary, paragraph=paragraph, findings=findings, verdict=verdict,
        severities=severity_words({'severity': [item['severity'] for item in findings]}),
        sections=sections,
        inputs=_inputs(summary.get('inputs') or []), options=_yaml(options))


def _printable(value):
    return value if isinstance(value, Markup) else words.clean(value)


def _picture(item):
    width, height = item['figure'].get_size_inches() * _PIXELS
    return {'source': b64encode(figure_png(item)).decode('ascii'), 'alt': item['alt'],
            'caption': item['caption'], 'width': round(width), 'height': round(height),
            'wide': width > 450}


def _verdict(result):
    """Return the sentences of the verdict and its table."""
    table = people_table(result.tables.get('verdict'), title='Every region that was judged')
    return {'sentences': result.summary.get('verdict') or [], 'table': table}


def _findings(findings):
    names = ('severity', 'check', 'finding', 'evidence', 'advice')
    rows = [{name: str(row[name]) if name in findings.colnames else '' for name in names}
            for row in findings]
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
