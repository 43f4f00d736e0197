# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Priors of injected systems as a small YAML file.

One line per parameter, with a distribution or a number. What a simulator draws
for the other parameters stays; what follows from the parameters, such as
magnification and lensed magnitudes, is derived again.
"""
import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit._distributions import make_distribution
from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean
from lensfinder_audit.sources._mock_draws import Draws

__all__ = ['PRIOR_NAMES', 'Priors', 'read_priors']

#: Priors that come with the package.
PRIOR_NAMES = ('published', 'host_light')

#: Columns of `lensfinder_audit.host_light` that are measured where a prior needs them.
LIGHT_COLUMNS = ('light_q', 'light_phi')

# Parameters that a prior can name besides the columns of a simulator.
_PLACE = ('beta', 'beta_phi')
_PHOTOMETRY = ('r_magnitude', 'g_r', 'r_z')

# What a parameter can be: above the first number and up to the second one.
_POSSIBLE = {'theta_e': (0, np.inf), 'lens_q': (0, 1), 'source_q': (0, 1), 'source_re': (0, np.inf),
             'source_n': (0.2, 10)}
_DERIVED = ('magnification', 'source_flux', 'source_mag', 'lensed_mag', 'seed', 'arc_snr')


class Priors:
    """
    Distributions of the parameters of injected systems.

    Parameters
    ----------
    given : dict
        As the YAML file holds it: a number, or one of ``{uniform: [a, b]}``,
        ``{normal: [mean, sigma]}``, ``{truncated: [mean, sigma, a, b]}``,
        ``{area: [a, b]}`` (a radius, uniform in area), ``{table: FILE, column:
        NAME}``, ``{host: COLUMN, scatter: sigma, otherwise: ...}`` and ``{by:
        COLUMN, cases: {...}}``. Angles are in the unit of the column of the
        simulator: arcsec, and degrees for position angles.
    folder : str or `~pathlib.Path`, optional
        Where relative names of tables begin.
    name : str, optional
        What messages and results call it.

    Raises
    ------
    ConfigError
        If a distribution is impossible or its words are not known; the nearest
        one is named.

    Notes
    -----
    ``beta`` is the distance of the source from the axis of the lens over
    ``theta_e`` and ``beta_phi`` its direction; ``r_magnitude``, ``g_r`` and
    ``r_z`` are the unlensed photometry. Every other name is a column of the
    simulator. A value depends on the seed of its row, on the name of the
    parameter and on the host alone: another prior changes no other parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.priors import Priors
    >>> from lensfinder_audit.simulators.sie_sersic import SieSersic
    >>> from lensfinder_audit.testing import example_hosts
    >>> priors = Priors({'r_magnitude': {'truncated': [24, 0.5, 23, 25]}, 'g_r': 0.4})
    >>> hosts, seeds = example_hosts(3), np.arange(3, dtype=np.uint64)
    >>> systems = priors.draw(SieSersic(), hosts, seeds=seeds)
    >>> (systems['source_mag_g'].value - systems['source_mag_r'].value).round(3)
    array([0.4, 0.4, 0.4])
    """

    def __init__(self, given, *, folder='.', name='priors'):
        if not isinstance(given, dict) or not given:
            raise ConfigError(f'{name}: holds no parameters, such as lens_q: {{uniform: [0.5, 1]}}')
        self.name, self.given = str(name), given
        self.distributions = {str(key): make_distribution(value, folder=folder,
                                                          what=f'{name}: {key}')
                              for key, value in given.items()}

    def __repr__(self):
        return f'{type(self).__name__}({self.name!r}, {self.checksum[:12]})'

    @property
    def checksum(self):
        """SHA-256 of the distributions and of the tables that they are drawn from."""
        tables = [digest for item in self.distributions.values() for digest in item.files]
        return hashlib.sha256(repr((sorted(self.given.items()), tables)).encode()).hexdigest()

    @property
    def host_columns(self):
        """Columns of the hosts that the priors depend on, as a sorted list."""
        return sorted({name for item in self.distributions.values() for name in item.columns})

    def draw(self, simulator, hosts, *, seeds, fixed=()):
        """
        Draw systems: what the simulator draws, with the parameters of the priors.

        Parameters
        ----------
        simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
            Draws all that the priors do not name.
        hosts : (n,) `~astropy.table.QTable`
            With the columns that ``host_columns`` names.
        seeds : (n,) array_like of uint64
            One per row.
        fixed : sequence of str, optional
            Parameters that stay as the simulator draws them, such as those of a
            grid.

        Returns
        -------
        systems : (n,) `~astropy.table.QTable`
            As the simulator draws them, with other values.

        Raises
        ------
        ConfigError
            If the simulator has no such parameter; the nearest one is named. If
            it cannot derive the magnification of changed systems.
        """
        seeds = np.asarray(seeds, dtype=np.uint64)
        systems = simulator.draw(hosts, seeds=seeds)
        used = {name: item for name, item in self.distributions.items() if name not in fixed}
        self._check_names(systems, used)
        draws = Draws(0, seeds, kind='prior')
        values = {name: item.draw(draws.uniform(name), draws.uniform(f'{name} again'), hosts)
                  for name, item in used.items()}
        _put(systems, values, simulator)
        return systems

    def _check_names(self, systems, used):
        columns = [name for name in systems.colnames if not name.startswith(_DERIVED)
                   and systems[name].dtype.kind == 'f']
        places = _PLACE if {'source_x', 'lens_x', 'theta_e'} <= set(columns) else ()
        colours = _PHOTOMETRY if 'source_mag_r' in systems.colnames else ()
        known = sorted({*columns, *places, *colours})
        for name in used:
            if name not in known:
                raise ConfigError(f'{self.name}: the systems have no parameter {name!r}; they have '
                                  f'{known}.{did_you_mean(name, known)}')


def read_priors(name):
    """
    Read priors that come with the package, or those of a YAML file.

    Parameters
    ----------
    name : str or `~pathlib.Path`
        One of `PRIOR_NAMES`, or a file.

    Returns
    -------
    priors : `Priors`
        Ready to draw.

    Raises
    ------
    InputFileError
        If there is no such file, or it is no YAML.
    ConfigError
        If a prior is impossible.

    Examples
    --------
    >>> from lensfinder_audit.priors import read_priors
    >>> read_priors('published').given['beta']
    {'area': [0.1, 0.4]}
    """
    import yaml

    path = Path(name)
    if str(name) in PRIOR_NAMES:
        text = (files('lensfinder_audit') / 'data' / f'priors_{name}.yaml').read_text()
    elif path.is_file():
        text = path.read_text(encoding='utf-8', errors='replace')
    else:
        raise InputFileError(f'{name}: there is no such file, and no priors of this name; there '
                             f'are {list(PRIOR_NAMES)}.{did_you_mean(str(name), PRIOR_NAMES)}')
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputFileError(f'{name}: is not YAML: {" ".join(str(error).split())}') from error
    return Priors(given, folder=path.parent, name=path.name)


def _put(systems, values, simulator):
    """Put values in the place of those drawn, and derive what follows from them."""
    before = {name: np.array(_plain(systems[name])) for name in systems.colnames
              if systems[name].dtype.kind == 'f'}
    values = {name: np.where(np.isfinite(row), row, before[name]) if name in before else row
              for name, row in values.items()}
    for name in values.keys() & _POSSIBLE.keys():
        _check_values(name, values[name], *_POSSIBLE[name])
    changed = {name: row for name, row in values.items() if name not in _PLACE + _PHOTOMETRY}
    if 'source_x' not in changed and (set(_PLACE) | {'theta_e', 'lens_x', 'lens_y'}) & set(values):
        changed |= _source_place(before, values)
    for name, row in changed.items():
        _set(systems, name, row)
    _move_clumps(systems, before)
    if changed:
        _set(systems, 'magnification', _magnification(simulator, systems))
    if changed or set(_PHOTOMETRY) & set(values):
        _set_photometry(systems, before, values)


def _check_values(name, values, above, most):
    bad = np.flatnonzero(~((values > above) & (values <= most)))
    if len(bad):
        raise ConfigError(f'the prior of {name} gives {values[bad[0]]:.4g}, which no system has; '
                          f'it lies in ({above:g}, {most:g}]. Give it ends, as truncated does, or '
                          'least and most')


def _source_place(before, values):
    """Keep the source where it was drawn, in Einstein radii from the axis of the lens."""
    x, y = (before[f'source_{axis}'] - before[f'lens_{axis}'] for axis in 'xy')
    beta = values.get('beta', np.hypot(x, y) / before['theta_e'])
    angle = np.radians(values['beta_phi']) if 'beta_phi' in values else np.arctan2(y, x)
    theta_e, lens_x, lens_y = (values.get(name, before[name])
                               for name in ('theta_e', 'lens_x', 'lens_y'))
    return {'source_x': lens_x + theta_e * beta * np.cos(angle),
            'source_y': lens_y + theta_e * beta * np.sin(angle)}


def _move_clumps(systems, before):
    """Parts of a source that are named ``clump_1_x`` and so on go where it goes."""
    for name in before:
        if name.startswith('clump_') and name[-2:] in ('_x', '_y'):
            moved = _plain(systems[f'source{name[-2:]}']) - before[f'source{name[-2:]}']
            _set(systems, name, before[name] + moved)


def _magnification(simulator, systems):
    try:
        return simulator.magnification(systems)
    except NotImplementedError as error:
        raise ConfigError(f'{error}; of its systems only the photometry can follow other priors'
                          ) from error


def _set_photometry(systems, before, values):
    bands = [name.removeprefix('source_mag_') for name in systems.colnames
             if name.startswith('source_mag_')]
    source = {band: before[f'source_mag_{band}'] for band in bands}
    r = values.get('r_magnitude', source.get('r'))
    found = {band: row + (r - source['r'] if 'r' in source else 0) for band, row in source.items()}
    found |= {'g': r + values['g_r']} if 'g_r' in values and 'g' in source else {}
    found |= {'z': r - values['r_z']} if 'r_z' in values and 'z' in source else {}
    gained = 2.5 * np.log10(_plain(systems['magnification']))
    for band, magnitudes in found.items():
        _set(systems, f'source_mag_{band}', magnitudes)
        _set(systems, f'source_flux_{band}', 10 ** (0.4 * (22.5 - magnitudes)))
        if f'lensed_mag_{band}' in systems.colnames:
            _set(systems, f'lensed_mag_{band}', magnitudes - gained)


def _plain(column):
    return np.asarray(getattr(column, 'value', column), dtype=float)


def _set(systems, name, values):
    """Replace the values of a column and keep its unit and description."""
    old = systems[name]
    unit, text = getattr(old, 'unit', None), old.info.description
    if isinstance(old, u.Magnitude):
        systems[name] = u.Magnitude(values, unit)
    else:
        systems[name] = u.Quantity(values, unit) if unit is not None else values
    systems[name].info.description = text
