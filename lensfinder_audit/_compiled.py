# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How functions are compiled here. Importing this module imports numba.
"""
from numba import njit

__all__ = ['compiled']


def compiled(function, **options):
    """
    Compile a function that releases the interpreter lock, from a cache where there is one.

    Parameters
    ----------
    function : callable
        Of numbers and arrays.
    **options
        Further ones of ``numba.njit``.

    Returns
    -------
    compiled : callable
        The same function; it compiles when it is first called.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True, **options)(function)
