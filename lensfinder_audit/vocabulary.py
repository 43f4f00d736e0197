# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Words that tables share: ways of discovery, and what a recovered fraction may be called."""
import numpy as np

__all__ = ['INDEPENDENCE', 'independence', 'quantity_name', 'describes_lenses']

#: Ways of discovery that another lens finder had no part in, those in which
#: one had, and what the completeness of either is called.
INDEPENDENCE = {
    'independent': ('spectroscopic', 'space_imaging', 'visual', 'citizen_science',
                    'quasar_survey', 'submillimetre', 'cluster_survey', 'simulated'),
    'earlier finder': ('machine_learning', 'cnn', 'resnet', 'arcfinder', 'modelling'),
}

_QUANTITIES = {'independent': 'completeness',
               'earlier finder': 'agreement with an earlier finder',
               'unknown': 'recovered fraction (way of discovery unknown)'}


def independence(methods):
    """
    Tell whether lenses were found independently of lens finders.

    Parameters
    ----------
    methods : (n,) array_like of str
        Ways of discovery, such as ``'spectroscopic'`` or ``'CNN'``.

    Returns
    -------
    classes : (n,) `~numpy.ndarray` of str
        ``'independent'``, ``'earlier finder'`` or ``'unknown'``.

    Examples
    --------
    >>> from lensfinder_audit.vocabulary import independence
    >>> print(independence(['Spectroscopic', 'CNN', '']))
    ['independent' 'earlier finder' 'unknown']
    """
    words = np.char.lower(np.char.replace(np.asarray(methods).astype(str), ' ', '_'))
    return np.select([np.isin(words, names) for names in INDEPENDENCE.values()],
                     list(INDEPENDENCE), 'unknown')


def quantity_name(classes):
    """
    Name what the recovered fraction of a class of lenses measures.

    Parameters
    ----------
    classes : (n,) array_like of str
        As `independence` returns them.

    Returns
    -------
    names : (n,) `~numpy.ndarray` of str
        *completeness* only for independently found lenses.
    """
    return np.array([_QUANTITIES.get(str(item), _QUANTITIES['unknown']) for item in classes])


#: Quantities that only a lens or an injected source has.
_OF_LENSES = ('theta_e', 'z_lens', 'z_source', 'arc_snr', 'arc_visible', 'magnification', 'lens_q',
              'tier', 'grade', 'discovery_method')


def describes_lenses(name):
    """
    Tell whether a column holds what only lenses have, so that negatives have no value.

    Parameters
    ----------
    name : str
        Column.

    Returns
    -------
    lenses_only : bool
        True for Einstein radii, arcs and sources.

    Examples
    --------
    >>> from lensfinder_audit.vocabulary import describes_lenses
    >>> describes_lenses('theta_e'), describes_lenses('psfsize_r')
    (True, False)
    """
    return name in _OF_LENSES or name.startswith(('source_', 'lensed_'))
