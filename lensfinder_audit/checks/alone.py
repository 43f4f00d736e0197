# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""One check without the rest of the audit."""
from lensfinder_audit.audit import prepare
from lensfinder_audit.audit_inputs import open_all
from lensfinder_audit.checks.registry import find_check
from lensfinder_audit.findings import collect_findings

__all__ = ['run_alone']


def run_alone(name, scores, *, negatives=None, conditions=(), store=None, known=None,
              injections=None, classifier=None, frozen=None, progress=None,
              **options):
    """
    Run one check on a table of scores.

    Parameters
    ----------
    name : str
        Name of the check.
    scores, negatives, conditions, store, known, injections, classifier, frozen
        As for `~lensfinder_audit.audit.audit`.
    progress : callable, optional
        Called with how many stamps were read, and how many there are, while copies are
        looked for; alone, this check looks at all stamps.
    **options
        Arguments of `~lensfinder_audit.config.AuditOptions`.

    Returns
    -------
    findings : `~astropy.table.QTable`
        Schema ``findings``.
    tables : dict of str to `~astropy.table.QTable`
        What the check measured.

    Examples
    --------
    >>> from lensfinder_audit.checks.alone import run_alone
    >>> from lensfinder_audit.example import example_scores
    >>> findings, tables = run_alone('effective-n', example_scores())
    >>> len(findings), list(tables)
    (0, [])
    """
    check = find_check(name)
    options = {'n_resamples': 500, **options}
    sample, summary, notes, options, measured = prepare(
        scores, negatives, conditions, options, measure=check.measured)
    before = set(measured)
    findings = collect_findings(sample, measured, summary, options, trained=notes.get('trained'),
                                names=[name], whole=True, progress=progress, **open_all(
                                    store=store, known=known, injections=injections,
                                    classifier=classifier, frozen=frozen))
    return findings, {key: table for key, table in measured.items() if key not in before}
