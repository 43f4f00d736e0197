# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Words that tables share: ways of discovery, and what a recovered fraction may be called."""
import numpy as np

__all__ = ['INDEPENDENCE', 'independence', 'quantity_name', 'describes_lenses', 'column_words']

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


_COLUMNS = {'psfsize': 'PSF FWHM', 'psfdepth': 'PSF depth', 'galdepth': 'galaxy depth',
            'depth': '5σ depth', 'nobs': 'number of exposures', 'ebv': 'E(B−V)',
            'theta_e': 'Einstein radius', 'arc_snr': 'arc signal to noise',
            'source_mag': 'unlensed source magnitude', 'lensed_mag': 'lensed source magnitude',
            'type': 'Tractor type', 'confuser_class': 'confuser family',
            'z_lens': 'lens redshift', 'grade': 'grade'}


def column_words(name):
    """
    Name a column for a reader, without its unit.

    Parameters
    ----------
    name : str
        Column; what comes after the last underscore may be a band.

    Returns
    -------
    words : str
        A column that is not known keeps its name, with spaces.

    Examples
    --------
    >>> from lensfinder_audit.vocabulary import column_words
    >>> column_words('psfsize_r'), column_words('my_column')
    ('PSF FWHM, r', 'my column')
    """
    stem, _, band = name.rpartition('_')
    return _COLUMNS.get(name) or (f'{_COLUMNS[stem]}, {band}' if stem in _COLUMNS
                                  else name.replace('_', ' '))
