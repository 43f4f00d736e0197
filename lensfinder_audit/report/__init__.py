# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The report of an audit: one page that opens anywhere.

It holds its figures, loads nothing, runs no script, and escapes every word that
comes from a table.
"""
from lensfinder_audit.report.render import render_report

__all__ = ['render_report']
