# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Do a few hosts carry an injection study? Pools of hosts, and how far they scatter."""
import numpy as np
from astropy.table import QTable
from scipy.stats import chi2

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['pool_table', 'dispersion']


def pool_table(recovered, host, pool, *, least=10):
    """
    Count hosts and detections in every pool.

    Parameters
    ----------
    recovered : (n,) array_like of bool
        Outcome of each injection.
    host : (n,) array_like
        What it was injected into.
    pool : (n,) array_like
        Cell of conditions from which the host was drawn.
    least : int, optional
        A pool on fewer effective hosts is marked unsupported.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``pools``: ``n``, ``n_recovered``, ``n_hosts``, the effective number of
        hosts (sum n)^2 / sum n^2, the share of all detections, and ``pull``: how far
        the pool lies from the mean of all in units of its standard error between hosts.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.pools import pool_table
    >>> host = np.repeat([0, 1, 2, 3, 4, 5], 100)
    >>> table = pool_table(np.tile([1, 0, 0, 0], 150), host, host // 5, least=3)
    >>> table['pool', 'n', 'n_hosts', 'n_eff_hosts', 'state'].pprint()
    pool  n  n_hosts n_eff_hosts    state
    ---- --- ------- ----------- -----------
       0 500       5         5.0   supported
       1 100       1         1.0 unsupported
    """
    recovered, host = np.asarray(recovered, dtype=bool), np.asarray(host)
    if not len(recovered) == len(host) == len(pool):
        raise MeasurementError(f'recovered, host and pool must have as many rows; they have '
                               f'{len(recovered)}, {len(host)} and {len(pool)}')
    code, levels = codes(pool)
    pair, found = codes(code * (len(host) + 1) + codes(host)[0])
    home = found // (len(host) + 1)
    n, k = np.bincount(code), np.bincount(code, recovered)
    uses = np.bincount(pair)
    n_hosts, squares = np.bincount(home), np.bincount(home, uses**2)
    rate = recovered.mean()
    scatter = np.bincount(home, (np.bincount(pair, recovered) - uses * (k / n)[home])**2)
    with np.errstate(invalid='ignore', divide='ignore'):
        error = np.sqrt(scatter * n_hosts / (n_hosts - 1)) / n
        pull = np.where(n_hosts > 1, (k / n - rate) / error, np.nan)
    n_eff = n**2 / squares
    table = QTable({'pool': levels, 'n': n, 'n_recovered': k.astype(np.int64), 'n_hosts': n_hosts,
                    'n_eff_hosts': n_eff, 'estimate': k / n, 'share': k / max(k.sum(), 1),
                    'share_expected': n / n.sum(), 'pull': pull,
                    'state': np.where(n_eff < least, 'unsupported', 'supported')})
    table.meta = schema_meta('pools', min_groups=least)
    return check_table(table, 'pools')


def dispersion(n_recovered, n, expected=None, *, n_fitted=1):
    """
    Compare the scatter of counts with that of independent trials.

    Parameters
    ----------
    n_recovered, n : (k,) array_like
        Detections and injections of each pool.
    expected : (k,) array_like, optional
        Expected fraction of each pool; that of all together without it.
    n_fitted : int, optional
        Parameters that were fitted for it.

    Returns
    -------
    factor : float
        Pearson's chi-squared over its degrees of freedom: variances are larger than
        binomial ones by it.
    p : float
        Probability of so much, if trials were independent.

    Raises
    ------
    MeasurementError
        If no degree of freedom is left.

    Examples
    --------
    >>> from lensfinder_audit.measure.pools import dispersion
    >>> factor, p = dispersion([10, 30, 20, 60], [400] * 4)
    >>> print(f'{factor:.0f} {p:.0e}')
    17 4e-11
    """
    k, n = np.asarray(n_recovered, dtype=float), np.asarray(n, dtype=float)
    keep = n > 0
    k, n = k[keep], n[keep]
    rate = np.full(len(n), k.sum() / n.sum()) if expected is None else np.asarray(expected)[keep]
    freedom = len(n) - n_fitted
    if freedom < 1:
        raise MeasurementError(f'{len(n)} pools and {n_fitted} fitted numbers leave nothing to '
                               'measure the scatter with')
    value = float(np.sum((k - n * rate)**2 / np.maximum(n * rate * (1 - rate), 1e-300)))
    return value / freedom, float(chi2.sf(value, freedom))
