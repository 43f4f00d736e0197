# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Checks of the sample, the finder and the statistics, each a measurement.

A check is a function of a `~lensfinder_audit.findings.Case`: it yields findings,
and leaves the table that shows them in ``case.tables``. Every audit runs those
that its sample allows, and each can be run alone.
"""
from lensfinder_audit.checks.registry import CHECKS, Check, find_check, run_checks

__all__ = ['CHECKS', 'Check', 'find_check', 'run_checks']
