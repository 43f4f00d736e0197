# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Systems of any lens and light models that lenstronomy has, by name.

Slow beside the other simulators, and meant as their reference and for models that
they do not have. Positions are in arcsec from the center of the stamp.
"""
from numbers import Real

import numpy as np
from astropy import units as u
from astropy.table import QTable
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.profile_list_base import _SUPPORTED_MODELS as LENS_MODELS
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.LightModel.light_model_base import _MODELS_SUPPORTED as LIGHT_MODELS
from lenstronomy.Util.param_util import phi_q2_ellipticity

from lensfinder_audit._distributions import make_distribution
from lensfinder_audit.exceptions import ConfigError, TableError, did_you_mean
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.psf import check_psf, convolve
from lensfinder_audit.simulators._cells import integrate
from lensfinder_audit.simulators._sersic_systems import COLUMNS
from lensfinder_audit.tables import require_columns

__all__ = ['LenstronomySimulator']

_LENS = ({'model': 'SIE', 'theta_E': (0.5, 3.0), 'e1': (-0.2, 0.2), 'e2': (-0.2, 0.2)},
         {'model': 'SHEAR', 'gamma1': {'normal': [0, 0.05]}, 'gamma2': {'normal': [0, 0.05]}})
_SOURCE = ({'model': 'SERSIC_ELLIPSE', 'R_sersic': (0.15, 0.5), 'n_sersic': (0.5, 2.0),
            'e1': (-0.2, 0.2), 'e2': (-0.2, 0.2), 'center_x': (-0.3, 0.3),
            'center_y': (-0.3, 0.3)},)
_DEFAULTS = {'center_x': 0, 'center_y': 0, 'ra_0': 0, 'dec_0': 0, 'amp': 1}
_WIDE = 0.2  # arcsec per cell of the plane over which a flux is summed


class LenstronomySimulator(InjectionSimulator):
    """
    Any lens and light models of lenstronomy, with priors for their parameters.

    Parameters
    ----------
    lens, source : sequence of dict, optional
        Each a ``model``, its name in lenstronomy, and its parameters by their names
        there, in arcsec: a number; two ends of a uniform distribution; or a
        distribution as in a file of priors, such as ``{'normal': [0, 0.05]}``. An
        array is taken as it is. Centers are 0 where they are not given. ``amp`` of
        a light model is its share of the flux.
    lens_light : sequence of dict, optional
        Light models of the lens itself, which is not lensed and is added to the
        images. By default none: hosts bring their own.
    r_magnitude : (2,) tuple of float, optional
        Unlensed AB magnitude of the source in r, uniform between two ends.
    g_r, r_z : (2,) tuple of float, optional
        Mean and standard deviation of its colors, normally distributed.
    lens_magnitudes : dict of str to float, optional
        AB magnitude of the light of the lens by band.
    tolerance : float, optional
        Cells of a pixel are split while their estimated error is larger, in units
        of the flux of the source.
    extent : float, optional
        Half-width in arcsec of the plane over which magnifications are summed.

    Raises
    ------
    ConfigError
        If lenstronomy has no such model or parameter, or a parameter is missing.

    Notes
    -----
    Deflection and brightness are lenstronomy's [1]_. Light is integrated over pixels
    by cells, 2 x 2 in a pixel, that are split again where it is steep; sources much
    smaller than a tenth of a pixel can be missed. It is normalised in the source
    plane: with lenstronomy's total flux of a profile, or by the sum over the plane
    of the magnification where it states none.

    References
    ----------
    .. [1] Birrer & Amara 2018, doi:10.1016/j.dark.2018.11.002

    Examples
    --------
    >>> from lensfinder_audit.simulators.lenstronomy import LenstronomySimulator
    >>> from lensfinder_audit.testing import example_hosts
    >>> simulator = LenstronomySimulator(
    ...     lens=[{'model': 'SIS', 'theta_E': 1.2}],
    ...     source=[{'model': 'GAUSSIAN', 'sigma': 0.02, 'center_x': 0.3}])
    >>> simulator.draw(example_hosts(1), seeds=[1])['magnification'].round(1)  # 2 theta_E / beta
    array([8.])
    """

    reference = 'doi:10.1016/j.dark.2018.11.002'
    flux_tolerance = 5e-3

    def __init__(self, *, lens=_LENS, source=_SOURCE, lens_light=(), r_magnitude=(23.0, 26.0),
                 g_r=(1.15, 0.30), r_z=(0.85, 0.20), lens_magnitudes=None, tolerance=1e-5,
                 extent=12.0):
        self.lens, self.source, self.lens_light = lens, source, lens_light
        self.r_magnitude, self.g_r, self.r_z = r_magnitude, g_r, r_z
        self.lens_magnitudes, self.tolerance, self.extent = lens_magnitudes, tolerance, extent
        self._fixed, self._priors = {}, {}
        for kind, parts in (('lens', lens), ('source', source), ('lens_light', lens_light)):
            self._read(kind, parts)
        if not lens or not source:
            raise ConfigError('at least one lens and one source model are needed')
        self._deflector = LensModel([part['model'] for part in lens])
        self._lights = {'source': LightModel([part['model'] for part in source]),
                        'lens_light': LightModel([part['model'] for part in lens_light])}

    def draw(self, hosts, *, seeds):
        """
        Draw one system per host.

        Parameters
        ----------
        hosts : (n,) `~astropy.table.QTable`
            Needed where a prior depends on the host; else only their number.
        seeds : (n,) array_like of uint64
            A row depends on nothing but its host and its seed.

        Returns
        -------
        systems : (n,) `~astropy.table.QTable`
            ``lens_<i>_<parameter>`` and ``source_<i>_<parameter>`` as lenstronomy
            takes them, but for the first ``theta_E``, which is ``theta_e``;
            magnification, and magnitudes and fluxes of the source.

        Raises
        ------
        TableError
            If there is not one seed per host.
        """
        seeds = np.asarray(seeds, dtype=np.uint64)
        if seeds.shape != (len(hosts),):
            raise TableError(f'draw takes one seed per host; there are {len(hosts)} hosts and '
                             f'seeds of shape {seeds.shape}')
        size = 3 + 2 * len(self._priors)
        levels = np.reshape([np.random.default_rng(seed).random(size) for seed in seeds],
                            (-1, size)).T
        systems = QTable({'seed': seeds})
        for k, (name, prior) in enumerate(self._priors.items()):
            values = prior.draw(levels[3 + 2 * k], levels[4 + 2 * k], hosts)
            systems[name] = values * u.arcsec if name == 'theta_e' else values
        systems['magnification'] = self.magnification(systems)
        self._add_photometry(systems, levels[:3])
        return systems

    def adopt(self, systems, hosts, *, seeds):
        """
        Return systems of ``sie_sersic`` in the words of lenstronomy.

        Parameters
        ----------
        systems, hosts, seeds
            As for `~lensfinder_audit.interfaces.InjectionSimulator.adopt`.

        Returns
        -------
        adopted : (n,) `~astropy.table.QTable`
            The systems with the columns that lenstronomy's models read.

        Raises
        ------
        ConfigError
            If the models are not SIE and SHEAR with a SERSIC_ELLIPSE.
        TableError
            If a column of ``sie_sersic`` is missing.
        """
        models = [[part['model'] for part in parts] for parts in (self.lens, self.source)]
        if models != [['SIE', 'SHEAR'], ['SERSIC_ELLIPSE']]:
            raise ConfigError('systems of another simulator are SIE and SHEAR with a '
                              f'SERSIC_ELLIPSE in lenstronomy; here the models are {models}')
        require_columns(systems, COLUMNS, what='the table of systems')
        adopted, drawn = QTable(systems, copy=False), self.draw(hosts, seeds=seeds)
        words = _in_their_words(systems)
        for name in dict.fromkeys([*words, *self._priors]):
            if name not in systems.colnames:
                adopted[name] = words[name] if name in words else drawn[name]
        adopted['magnification'] = self.magnification(adopted)
        return adopted

    def magnification(self, systems):
        """
        Derive the magnification of systems.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them; the column ``magnification`` is not needed.

        Returns
        -------
        magnification : (n,) `~numpy.ndarray`
            Flux of all images within the extent over that of the source.
        """
        return np.array([self._sum(self._brightness(system)) for system in self._systems(systems)])

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        """
        Render lensed sources without noise, and the light of the lens where it is given.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them.
        bands : sequence of str
            Bands to render; one ray trace serves all.
        psf : `~lensfinder_audit.interfaces.PSF`
            Point spread function of each row and band.
        shape : tuple of int
            Height and width in pixels.
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32, flux per pixel in nanomaggies.

        Raises
        ------
        TableError
            If a column is missing, or the PSF does not belong to the stamps.
        """
        names = [f'source_flux_{band}' for band in bands]
        require_columns(systems, [*names, *self._priors], what='the table of systems')
        check_psf(psf, shape, pixel_scale, rows=len(systems), bands=len(bands))
        scale = pixel_scale.to_value(u.arcsec)
        traced = np.zeros((len(systems), len(bands), *shape))
        flux = np.stack([u.Quantity(systems[name], u.nmgy).value for name in names], axis=1)
        for row, system in enumerate(self._systems(systems)):
            plane = integrate(self._brightness(system), shape, scale, self.tolerance)
            traced[row] = plane * flux[row, :, None, None]
            if self.lens_light:
                plane = integrate(self._light('lens_light', system), shape, scale, self.tolerance)
                traced[row] += plane * self._lens_flux(bands)[:, None, None]
        return convolve(traced, psf, pixel_scale, pixel_integrated=True).astype(np.float32)

    def _read(self, kind, parts):
        """Check the models of one kind and make the priors of their parameters."""
        known = LENS_MODELS if kind == 'lens' else LIGHT_MODELS
        for i, part in enumerate(parts):
            name = part.get('model')
            if name not in known:
                raise ConfigError(f'lenstronomy has no {"lens" if kind == "lens" else "light"} '
                                  f'model {name!r}.{did_you_mean(name, known)}')
            given = {key: value for key, value in part.items() if key != 'model'}
            _check_parameters(kind, name, given)
            for key, value in {**_defaults(kind, name), **given}.items():
                column = f'{kind}_{i}_{key}'
                if (kind, i, key) == ('lens', 0, 'theta_E'):
                    column = 'theta_e'
                if isinstance(value, Real | dict | tuple | list) and not isinstance(value, bool):
                    given_as = {'uniform': [*value]} if isinstance(value, tuple | list) else value
                    self._priors[column] = make_distribution(given_as, folder='.', what=column)
                else:
                    self._fixed[column] = value

    def _systems(self, systems):
        """Yield the arguments of each row, by kind."""
        columns = {name: np.asarray(getattr(systems[name], 'value', systems[name]), dtype=float)
                   for name in [*self._priors, *self._fixed] if name in systems.colnames}
        for row in range(len(systems)):
            values = {**self._fixed, **{name: float(column[row])
                                        for name, column in columns.items()}}
            values |= {'lens_0_theta_E': values['theta_e']} if 'theta_e' in values else {}
            yield {kind: [{key: values[f'{kind}_{i}_{key}']
                           for key in _parameters(kind, part['model'])
                           if f'{kind}_{i}_{key}' in values} for i, part in enumerate(parts)]
                   for kind, parts in (('lens', self.lens), ('source', self.source),
                                       ('lens_light', self.lens_light))}

    def _brightness(self, system):
        light = self._light('source', system)

        def lensed(x, y):
            return light(*self._deflector.ray_shooting(x, y, system['lens']))

        return lensed

    def _light(self, kind, system):
        """Return the brightness of unit total flux as a function of position."""
        model, arguments = self._lights[kind], system[kind]
        _forget_images(model)
        share = np.array([1.0 if np.ndim(part['amp']) else part['amp'] for part in arguments])
        unit = [{**part, 'amp': part['amp'] if np.ndim(part['amp']) else 1.0}
                for part in arguments]
        for k, part in enumerate(share / share.sum()):
            unit[k]['amp'] = unit[k]['amp'] * part / self._total(model, unit, k)
        return lambda x, y: model.surface_brightness(x, y, unit)

    def _total(self, model, arguments, k):
        try:
            return float(np.sum(model.total_flux(arguments, k=k)))
        except (ValueError, AttributeError):  # the profile states none
            return self._sum(lambda x, y: model.surface_brightness(x, y, arguments, k=k))

    def _sum(self, brightness):
        size = 2 * int(np.ceil(self.extent / _WIDE)) + 1
        return float(integrate(brightness, (size, size), _WIDE, self.tolerance).sum())

    def _lens_flux(self, bands):
        missing = [band for band in bands if band not in (self.lens_magnitudes or {})]
        if missing:
            raise ConfigError(f'the light of the lens needs lens_magnitudes in {missing}')
        return 10 ** (0.4 * (22.5 - np.array([self.lens_magnitudes[band] for band in bands])))

    def _add_photometry(self, systems, levels):
        uniform, normal = ({'uniform': [*self.r_magnitude]}, [
            {'normal': [*color]} for color in (self.g_r, self.r_z)])
        r, g_r, r_z = (make_distribution(given, folder='.', what=what).draw(level, level, None)
                       for given, what, level in zip([uniform, *normal],
                                                     ('r_magnitude', 'g_r', 'r_z'), levels,
                                                     strict=True))
        for band, values in {'g': r + g_r, 'r': r, 'z': r - r_z}.items():
            lensed = values - 2.5 * np.log10(systems['magnification'])
            systems[f'source_mag_{band}'] = u.Magnitude(values, u.ABmag)
            systems[f'source_flux_{band}'] = 10 ** (0.4 * (22.5 - values)) * u.nmgy
            systems[f'lensed_mag_{band}'] = u.Magnitude(lensed, u.ABmag)


def _in_their_words(systems):
    """Return lens and source of ``sie_sersic`` as lenstronomy's SIE, SHEAR and SERSIC_ELLIPSE."""
    value = {name: np.asarray(getattr(systems[name], 'value', systems[name]), dtype=float)
             for name in COLUMNS if name != 'seed'}
    e1, e2 = phi_q2_ellipticity(np.radians(value['lens_phi']), value['lens_q'])
    s1, s2 = phi_q2_ellipticity(np.radians(value['source_phi']), value['source_q'])
    return {'lens_0_e1': e1, 'lens_0_e2': e2,
            'lens_0_center_x': value['lens_x'], 'lens_0_center_y': value['lens_y'],
            'lens_1_gamma1': value['shear_1'], 'lens_1_gamma2': value['shear_2'],
            'lens_1_ra_0': value['lens_x'], 'lens_1_dec_0': value['lens_y'],
            'source_0_R_sersic': value['source_re'] * np.sqrt(value['source_q']),
            'source_0_n_sersic': value['source_n'], 'source_0_e1': s1, 'source_0_e2': s2,
            'source_0_center_x': value['source_x'], 'source_0_center_y': value['source_y']}


def _parameters(kind, name):
    model = LensModel([name]).lens_model if kind == 'lens' else LightModel([name])
    return list(model.func_list[0].param_names)


def _defaults(kind, name):
    return {key: value for key, value in _DEFAULTS.items() if key in _parameters(kind, name)}


def _check_parameters(kind, name, given):
    names = _parameters(kind, name)
    strange = [key for key in given if key not in names]
    missing = [key for key in names if key not in given and key not in _DEFAULTS]
    if strange:
        raise ConfigError(f'{name} has no parameter {strange[0]!r}; it has {names}.'
                          f'{did_you_mean(strange[0], names)}')
    if missing:
        raise ConfigError(f'{name} needs a value or a prior for {missing}')


def _forget_images(model):
    """Drop what INTERPOL keeps of the image it saw last."""
    for profile in model.func_list:
        if hasattr(profile, 'delete_cache'):
            profile.delete_cache()
