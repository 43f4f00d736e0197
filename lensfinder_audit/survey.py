# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the package needs to know of an imaging survey."""
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['Survey', 'ConditionColumn', 'PIXEL_SCALE']

#: Angle per pixel of the DR10 coadds, the default of functions on stamps.
PIXEL_SCALE = 0.262 * u.arcsec


@dataclass(frozen=True)
class ConditionColumn:
    """
    One observing condition or property of an object, as the survey stores it.

    Parameters
    ----------
    unit : str
        Unit as `astropy.units.Unit` reads it; empty for counts and classes.
    description : str
        What the column holds.
    published_edges : tuple of float, optional
        Bin edges in use in the literature, lower edges inclusive.
    """

    unit: str
    description: str
    published_edges: tuple = ()


@dataclass(frozen=True)
class Survey:
    """
    Photometric system, depth convention and condition columns of a survey.

    Parameters
    ----------
    name : str
        Name of the survey and release.
    reference : str
        Bibcode, DOI or arXiv number.
    bands : tuple of str
        Bands in the order in which pixel stacks hold them.
    pixel_scale : `~astropy.units.Quantity`
        Angle per pixel of the coadds.
    zero_point : `~astropy.units.Quantity`
        AB magnitude of unit flux.
    electron_zero_points : dict of str to float
        AB magnitude that gives 1 electron per second, by band.
    flux_unit : `~astropy.units.Unit`
        Unit of pixels and catalogue fluxes.
    conditions : dict of str to `~lensfinder_audit.survey.ConditionColumn`
        Condition columns by name.
    mask_bits : dict of str to int
        Bit numbers of the mask column by name.
    depth_convention : str
        What a depth column of the catalogues holds.
    sky_brightness : dict of str to float
        AB magnitude per square arcsec of a dark sky, by band.
    """

    name: str
    reference: str
    bands: tuple
    pixel_scale: u.Quantity
    zero_point: u.Quantity
    electron_zero_points: dict
    flux_unit: u.UnitBase = u.nmgy
    conditions: dict = field(default_factory=dict)
    mask_bits: dict = field(default_factory=dict)
    depth_convention: str = 'inverse variance of a point source flux'
    sky_brightness: dict = field(default_factory=dict)

    def condition(self, name):
        """
        Return one condition column.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        column : `ConditionColumn`
            Its unit, description and published bin edges.

        Raises
        ------
        ConfigError
            If the survey has no such column; the nearest one is named.
        """
        if name not in self.conditions:
            raise ConfigError(f'{self.name} has no condition column {name!r}. It has '
                              f'{sorted(self.conditions)}.{did_you_mean(name, self.conditions)}')
        return self.conditions[name]

    def depth_magnitude(self, inverse_variance, *, n_sigma=5.0):
        """
        Convert the inverse variance of a flux into a limiting magnitude.

        Parameters
        ----------
        inverse_variance : array_like
            Inverse variance in 1/nanomaggy^2, any shape; 0 or NaN where there
            is no exposure.
        n_sigma : float, optional
            Significance of the detection.

        Returns
        -------
        depth : `~astropy.units.Quantity`
            AB magnitude; NaN where there is no exposure.

        Examples
        --------
        >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
        >>> LEGACY_DR10.depth_magnitude(100).round(3)
        <Magnitude 23.253 mag(AB)>
        """
        inverse_variance = np.asarray(inverse_variance, dtype=float)
        flux = n_sigma / np.sqrt(np.where(inverse_variance > 0, inverse_variance, np.nan))
        return u.Magnitude(self.zero_point.value - 2.5 * np.log10(flux), u.ABmag)

    @u.quantity_input(exposure_time='time')
    def electrons_per_flux(self, band, exposure_time):
        """
        Derive the gain from the zero point and the exposure time.

        Parameters
        ----------
        band : str
            Band of the survey.
        exposure_time : `~astropy.units.Quantity`
            Total exposure time.

        Returns
        -------
        gain : `~astropy.units.Quantity`
            Electrons per nanomaggy.

        Raises
        ------
        ConfigError
            If the survey states no electron zero point for the band.

        Examples
        --------
        >>> from astropy import units as u
        >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
        >>> LEGACY_DR10.electrons_per_flux('r', 180 * u.s).round(0)
        <Quantity 9604. electron / nmgy>
        """
        if band not in self.electron_zero_points:
            raise ConfigError(f'{self.name} states no electron zero point for band {band!r}; '
                              f'it does for {sorted(self.electron_zero_points)}.')
        difference = self.electron_zero_points[band] - self.zero_point.value
        rate = 10 ** (0.4 * difference) * u.electron / u.s / self.flux_unit
        return (rate * exposure_time).to(u.electron / self.flux_unit)

    def sky_per_pixel(self, band):
        """
        Return the light of a dark sky.

        Parameters
        ----------
        band : str
            Band of the survey.

        Returns
        -------
        sky : float
            Flux per pixel in nanomaggies.

        Raises
        ------
        ConfigError
            If the survey states no sky brightness for the band.

        Examples
        --------
        >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
        >>> print(f"{LEGACY_DR10.sky_per_pixel('r'):.3f}")
        0.297
        """
        if band not in self.sky_brightness:
            raise ConfigError(f'{self.name} states no sky brightness for band {band!r}; '
                              f'it does for {sorted(self.sky_brightness)}.')
        difference = self.zero_point.value - self.sky_brightness[band]
        return float(10 ** (0.4 * difference) * self.pixel_scale.to_value(u.arcsec) ** 2)
