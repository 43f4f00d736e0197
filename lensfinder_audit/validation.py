# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What can be audited with a table of scores, and why the rest cannot."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.config import AuditOptions
from lensfinder_audit.exceptions import LensfinderAuditError
from lensfinder_audit.scoretable import (declared_score_kind, guess_finders, guess_roles,
                                         guess_score_kind, read_labels, standard_sample)

__all__ = ['propose_options', 'list_measurements']

_CONDITION_WORDS = ('nobs_', 'psfsize_', 'psfdepth_', 'galdepth_', 'ebv', 'type', 'theta_e',
                    'depth_',
                    'seeing', 'mag_', 'z_lens')


def propose_options(table):
    """
    Guess the options with which a table can be audited.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table of scores.

    Returns
    -------
    options : `~lensfinder_audit.config.AuditOptions`
        Columns, finders, score kind and axes by their usual names.
    """
    roles = guess_roles(table)
    finders = guess_finders(table, roles=roles.values())
    declared = declared_score_kind(table)
    kinds = {declared or guess_score_kind(table[column], column) for column in finders.values()}
    by = [name for name in table.colnames if name.lower().startswith(_CONDITION_WORDS)
          and name not in [*roles.values(), *finders.values()] and table[name].ndim == 1]
    return AuditOptions(columns=roles, finders=finders, by=by[:8],
                        score_kind=kinds.pop() if len(kinds) == 1 else '')


def list_measurements(table, options, *, negatives=False):
    """
    Say of each measurement whether the table carries it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table of scores.
    options : `~lensfinder_audit.config.AuditOptions`
        Options, as `propose_options` guesses them.
    negatives : bool, optional
        Whether negatives come as a table of their own.

    Returns
    -------
    measurements : `~astropy.table.QTable`
        ``measurement``, ``possible`` and ``reason``.
    """
    n_lenses, n_negatives, problem = _count(table, options, negatives)
    lenses, both = n_lenses > 0, n_lenses > 0 and (n_negatives > 0 or negatives)
    roles = options.columns
    some_negatives = n_negatives > 0 or negatives
    known = 'discovery_method' in roles or 'discovery_method' in options.constants
    rows = [
        ('completeness', lenses, problem or f'{n_lenses} lenses'),
        ('completeness apart from agreement with an earlier finder', lenses and known,
         problem or ('discovery_method is given' if known
                     else 'no column says how the lenses were found (--discovery-method)')),
        ('completeness by observing condition', lenses and bool(options.by),
         problem or (f'by {", ".join(options.by)}' if options.by else
                     'no condition column; join one with --conditions, or name it with --by')),
        ('false-positive rate', some_negatives,
         problem or _negatives_reason(n_negatives, negatives)),
        ('false-positive rate by confuser family', some_negatives and 'confuser_class' in roles,
         problem or ('confuser_class is given' if 'confuser_class' in roles else
                     'no column of confuser families (--confuser)')),
        ('ranking: AUC, TPR at low FPR', both, problem or ('lenses and negatives' if both
                                                           else _NO_NEGATIVES)),
        ('calibration', both and options.score_kind in ('probability', 'logit'),
         problem or _calibration_reason(both, options)),
        ('intervals with clusters resampled', 'group' in roles or {'ra', 'dec'} <= set(roles),
         _group_reason(roles)),
        ('conditions joined by position', {'ra', 'dec'} <= set(roles),
         'ra and dec are given' if {'ra', 'dec'} <= set(roles) else 'no ra and dec'),
    ]
    return QTable(rows=[(name, bool(possible), reason)
                        for name, possible, reason in rows],
                  names=['measurement', 'possible', 'reason'])


_NO_NEGATIVES = 'no negatives; give them with --negatives'


def _count(table, options, negatives):
    """Count lenses and negatives, or say what keeps the table from being read."""
    column = options.columns.get('label')
    try:
        standard_sample(table, roles=options.columns, finders=options.finders,
                        score_kind=options.score_kind or 'rank', constants=options.constants,
                        label=True if negatives or column is None else None)
        label = (np.ones(len(table), bool) if column is None
                 else read_labels(table[column], what=f'column {column!r}'))
    except LensfinderAuditError as error:
        return 0, 0, str(error)
    if column is None and not negatives:
        return len(table), 0, ''
    return int(label.sum()), int((~label).sum()), ''


def _negatives_reason(n_negatives, own_table):
    if own_table:
        return 'negatives have their own table'
    return f'{n_negatives} negatives' if n_negatives else _NO_NEGATIVES


def _calibration_reason(both, options):
    if not both:
        return _NO_NEGATIVES
    if options.score_kind in ('probability', 'logit'):
        return {'probability': 'scores are probabilities', 'logit': 'scores are logits'}[
            options.score_kind]
    return f'scores are {options.score_kind or "of several kinds"}; name it with --score-kind'


def _group_reason(roles):
    if 'group' in roles:
        return f'by column {roles["group"]!r}'
    if {'ra', 'dec'} <= set(roles):
        return 'by pixel, --group healpix:64'
    return 'no group column and no positions (--group)'
