# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Do trends with conditions, fitted on one half of the sky, predict the other half?"""
import numpy as np
from scipy.special import expit, xlogy
from scipy.stats import f as f_distribution

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.calibration_fit import fit_logistic
from lensfinder_audit.measure.resampling import codes

__all__ = ['sky_halves', 'transfer_rows']

#: Fewer successes, or failures, in either half carry no fit.
_LEAST = 20

#: Of more successes, or failures, so many are drawn at random and weighted up.
_MOST = 40_000


def sky_halves(ra, dec):
    """
    Part the sky in two, in two ways.

    Parameters
    ----------
    ra, dec : (n,) array_like
        Degrees.

    Returns
    -------
    halves : dict of str to (n,) `~numpy.ndarray` of bool
        By the names of both halves: north or south of the median declination, and east
        or west of the median right ascension, counted from the middle of the widest gap.

    Examples
    --------
    >>> from lensfinder_audit.measure.transfer import sky_halves
    >>> {name: side.tolist() for name, side in sky_halves([350, 10, 20, 30], [1, 2, 3, 4]).items()}
    {('north', 'south'): [False, False, True, True], ('east', 'west'): [False, False, True, True]}
    """
    ra, dec = np.asarray(ra, dtype=float) % 360, np.asarray(dec, dtype=float)
    place = np.sort(ra)
    gap = np.diff(np.append(place, place[:1] + 360)) if len(place) else np.zeros(0)
    start = place[(gap.argmax() + 1) % len(place)] if len(place) else 0.0
    along = (ra - start) % 360
    return {('north', 'south'): dec > np.median(dec), ('east', 'west'): along > np.median(along)}


def transfer_rows(success, columns, halves, *, weight=None, group=None):
    """
    Fit a fraction on one half, and predict the other with it.

    Parameters
    ----------
    success : (n,) array_like of bool
        Outcome of each row.
    columns : dict of str to (n,) array_like
        Conditions; rows without one of them are left out.
    halves : dict of (str, str) to (n,) array_like of bool
        As `sky_halves` returns them.
    weight, group : (n,) array_like, optional
        Weights, and the host, brick or pixel of each row.

    Returns
    -------
    rows : list of dict
        For every way of parting, both directions: ``fitted_on``, ``predicted``, ``n``,
        ``n_success``, ``deviance`` of the prediction per row, ``constant``, that of the other
        half's fraction alone, ``own``, that of a fit to the half itself, and ``p_value`` of
        equal coefficients in both halves; NaN where one of them carries no fit.

    Notes
    -----
    The model is a logistic regression on every standardised condition and its square. The
    test is an F test, with the sandwich covariance over groups, of all products of the
    design with the half: it knows the errors of both fits.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.transfer import transfer_rows
    >>> rng = np.random.default_rng(0)
    >>> seeing, north = rng.uniform(1, 1.8, 4000), rng.random(4000) < 0.5
    >>> found = rng.random(4000) < 1.2 - 0.5 * seeing
    >>> row = transfer_rows(found, {'seeing': seeing}, {('north', 'south'): north})[0]
    >>> print(row['fitted_on'], row['deviance'] < row['constant'], row['p_value'] > 0.05)
    north True True
    """
    success = np.asarray(success, dtype=bool)
    values = np.stack([np.asarray(getattr(item, 'value', item), dtype=float)
                       for item in columns.values()], axis=1)
    keep = np.isfinite(values).all(axis=1)
    rows, times = _thinned(success, np.flatnonzero(keep))
    mass = times if weight is None else times * np.asarray(weight, dtype=float)[rows]
    unit = None if group is None else codes(np.asarray(group)[rows])[0]
    found = []
    for names, side in halves.items():
        found += _parted(success[rows], values[rows], np.asarray(side, dtype=bool)[rows], names,
                         mass, unit)
    return found


def _thinned(success, rows):
    rng, kept, times = np.random.default_rng(0), [], []
    for outcome in (True, False):
        found = rows[success[rows] == outcome]
        chosen = found if len(found) <= _MOST else rng.choice(found, _MOST, replace=False)
        kept.append(chosen)
        times.append(np.full(len(chosen), len(found) / max(len(chosen), 1)))
    kept, times = np.concatenate(kept), np.concatenate(times)
    order = np.argsort(kept)
    return kept[order], times[order]


def _parted(success, values, side, names, mass, unit):
    """Fit the first half and predict the second, and the other way round."""
    blank = {'deviance': np.nan, 'constant': np.nan, 'own': np.nan, 'p_value': np.nan}
    ways = ((names[0], names[1], side, ~side), (names[1], names[0], ~side, side))
    rows = [{'fitted_on': here, 'predicted': there, 'n': int(other.sum()),
             'n_success': int(success[other].sum()), **blank} for here, there, _, other in ways]
    enough = min((int((success[half] == outcome).sum()) for half in (side, ~side)
                  for outcome in (True, False)), default=0)
    if not enough:  # nothing to fit, and no spread to scale by
        return rows
    design = _design(values)
    if enough < max(_LEAST, 3 * design.shape[1]):
        return rows
    try:
        fits = [fit_logistic(design[half], success[half], mass[half]).coefficients
                for _, _, half, _ in ways]
        p = _equal(design, success, side, mass, unit)
    except (MeasurementError, np.linalg.LinAlgError):
        return rows
    for number, (row, (_, _, half, other)) in enumerate(zip(rows, ways, strict=True)):
        level = np.average(success[half], weights=mass[half])
        told = {'deviance': expit(design[other] @ fits[number]),
                'constant': np.full(other.sum(), level),
                'own': expit(design[other] @ fits[1 - number])}
        row |= {name: _deviance(success[other], found, mass[other])
                for name, found in told.items()} | {'p_value': p}
    return rows


def _design(values):
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    square = z[:, [len(np.unique(column)) > 2 for column in z.T]]**2
    return np.hstack([np.ones((len(z), 1)), z, square])


def _equal(design, success, side, mass, unit):
    both = np.hstack([design, design * side[:, None]])
    fit = fit_logistic(both, success, mass, unit=unit)
    k = design.shape[1]
    beta, covariance = fit.coefficients[k:], fit.covariance[k:, k:]
    freedom = max(fit.freedom - k + 1, 1)
    wald = beta @ np.linalg.pinv(covariance, hermitian=True) @ beta / k
    return float(f_distribution.sf(wald * freedom / max(fit.freedom, 1), k, freedom))


def _deviance(success, p, mass):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    value = -2 * (xlogy(success, p) + xlogy(~success, 1 - p))
    return float(np.average(value, weights=mass))
