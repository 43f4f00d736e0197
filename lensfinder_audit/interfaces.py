# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The contracts between the package and its plugins.

A plugin subclasses one of these and is registered as an entry point. What a
plugin writes is small; what every plugin of a kind has in common is done here,
once. `lensfinder_audit.testing` checks that a plugin keeps its contract.
"""
import inspect
from abc import ABC, abstractmethod

import numpy as np

from lensfinder_audit.exceptions import ConfigError, ConformanceError, TableError

__all__ = ['API_VERSION', 'SCORE_KINDS', 'Plugin', 'CatalogSource', 'Normalizer', 'Classifier',
           'CatalogFinder', 'PSF', 'InjectionSimulator', 'Engine']

#: Version of the contracts; a change that breaks plugins raises it.
API_VERSION = 1

#: What a score can be; ``probability`` lies in [0, 1], ``logit`` is its log odds,
#: ``rank`` orders the objects and nothing more. Higher is more lens-like.
SCORE_KINDS = ('probability', 'logit', 'rank')


class Plugin(ABC):
    """
    What every plugin has: its parameters and the version of its contract.

    A plugin keeps each argument of its ``__init__`` as an attribute of the same
    name, as scikit-learn's estimators do, so that results can record it.
    """

    #: Version of the contract that the plugin was written for.
    api_version = API_VERSION

    #: Bibcode, DOI or arXiv number of the method or the data.
    reference = ''

    def parameters(self):
        """
        Return the values that the plugin was made with.

        Returns
        -------
        parameters : dict of str to object
            Arguments of ``__init__`` and their values.
        """
        return {name: getattr(self, name) for name in parameter_names(type(self))}

    def __repr__(self):
        inside = ', '.join(f'{name}={value!r}' for name, value in self.parameters().items())
        return f'{type(self).__name__}({inside})'


def parameter_names(cls):
    """Return the names of the arguments of a plugin's ``__init__``."""
    if cls.__init__ is object.__init__:
        return []
    found = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [item.name for item in found if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]


class CatalogSource(Plugin):
    """
    A catalogue of lenses, candidates or confusers.

    Subclasses write `read` and set ``reference``.
    """

    @abstractmethod
    def read(self):
        """
        Read the catalogue.

        Returns
        -------
        table : `~astropy.table.QTable`
            Columns of the ``reference`` schema of `lensfinder_audit.tables`;
            positions are J2000, in degrees.
        """

    def __call__(self):
        """
        Read the catalogue and check it against the schema.

        Returns
        -------
        table : `~astropy.table.QTable`
            With the provenance in ``meta``.

        Raises
        ------
        TableError
            If a column is missing, a unit wrong or a position not on the sky.
        """
        from lensfinder_audit.tables import check_table, schema_meta

        table = check_table(self.read(), 'reference')
        table.meta = {**table.meta, **schema_meta('reference'), 'source': repr(self),
                      'reference': self.reference}
        return table


class Normalizer(Plugin):
    """
    Bring fluxes into the range that a network expects.

    Subclasses write `normalize`; users call the object, which also checks.
    """

    @abstractmethod
    def normalize(self, flux):
        """
        Normalise image stamps.

        Parameters
        ----------
        flux : (n, band, y, x) `~numpy.ndarray`
            Flux in nanomaggies; NaN marks a missing pixel. Not to be changed.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32, finite everywhere.
        """

    def __call__(self, flux):
        """
        Normalise image stamps and check the outcome.

        Parameters
        ----------
        flux : (n, band, y, x) array_like
            Flux in nanomaggies; NaN marks a missing pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32, finite everywhere.

        Raises
        ------
        TableError
            If ``flux`` is not a stack of stamps.
        ConformanceError
            If the plugin changes the shape or returns anything not finite.
        """
        flux = _image_stack(flux)
        images = np.asarray(self.normalize(flux))
        if images.shape != flux.shape or images.dtype != np.float32:
            raise ConformanceError(f'{self!r} turned {flux.dtype} {flux.shape} into {images.dtype} '
                                   f'{images.shape}; it must give float32 of the same shape')
        if not np.isfinite(images).all():
            bad = int((~np.isfinite(images)).any(axis=(1, 2, 3)).sum())
            raise ConformanceError(f'{self!r} left values that are not finite in {bad} of '
                                   f'{len(images)} stamps')
        return images


class Classifier(Plugin):
    """
    A finder: fluxes in, one score per object out.

    Subclasses set the attributes below and write `predict`. The classifier owns
    its normaliser, so that scoring cannot use another one by mistake.
    """

    #: Bands in the order that the network expects, such as ``('g', 'r', 'z')``.
    bands = ()
    #: Height and width of the input in pixels.
    stamp_shape = (0, 0)
    #: Angle per pixel as a `~astropy.units.Quantity`.
    pixel_scale = None
    #: The `Normalizer` that the network was trained with.
    normalizer = None
    #: One of `SCORE_KINDS`.
    score_kind = 'probability'

    @abstractmethod
    def predict(self, images):
        """
        Score normalised images.

        Parameters
        ----------
        images : (n, band, y, x) `~numpy.ndarray`
            float32 output of the classifier's own normaliser.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            Higher is more lens-like.
        """

    def embed(self, images):
        """Return the (n, d) features before the last layer, where there are any."""
        raise NotImplementedError(f'{type(self).__name__} has no embedding')

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu'):
        """Load the classifier from a file, where it has one."""
        raise NotImplementedError(f'{cls.__name__} is not loaded from a file')

    def __call__(self, flux, *, bands=None, pixel_scale=None):
        """
        Score image stamps in nanomaggies.

        Parameters
        ----------
        flux : (n, band, y, x) array_like
            Flux in nanomaggies; NaN marks a missing pixel.
        bands : sequence of str, optional
            Bands of ``flux``. The default takes them to be the classifier's.
        pixel_scale : `~astropy.units.Quantity`, optional
            Angle per pixel of ``flux``; checked where it is given.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            float64, of the kind `score_kind`.

        Raises
        ------
        TableError
            If a band is missing, the stamp too small or the pixel scale another.
        ConformanceError
            If the plugin returns another shape or a score that is not finite.
        """
        flux = self._crop(self._select_bands(_image_stack(flux), bands))
        self._check_pixel_scale(pixel_scale)
        images = self.normalizer(flux)
        scores = np.asarray(self.predict(images), dtype=float)
        if scores.shape != (len(flux),) or not np.isfinite(scores).all():
            raise ConformanceError(f'{self!r} gave scores of shape {scores.shape} for {len(flux)} '
                                   f'stamps, {int((~np.isfinite(scores)).sum())} not finite')
        return scores

    def _select_bands(self, flux, bands):
        bands = tuple(self.bands if bands is None else bands)
        missing = [band for band in self.bands if band not in bands]
        if missing or len(bands) != flux.shape[1]:
            raise TableError(f'{self!r} needs bands {tuple(self.bands)}; the stack has '
                             f'{flux.shape[1]} planes, given as {bands}')
        return flux[:, [bands.index(band) for band in self.bands]]

    def _crop(self, flux):
        margins = np.subtract(flux.shape[-2:], self.stamp_shape)
        if (margins < 0).any() or (margins % 2).any():
            raise TableError(f'{self!r} takes stamps of {tuple(self.stamp_shape)} pixels; '
                             f'{flux.shape[-2:]} cannot be cropped to that about its centre')
        (y, x), (height, width) = margins // 2, self.stamp_shape
        return flux[..., y:y + height, x:x + width]

    def _check_pixel_scale(self, pixel_scale):
        if pixel_scale is None or self.pixel_scale is None:
            return
        if not np.isclose((pixel_scale / self.pixel_scale).to_value(''), 1, rtol=1e-3):
            raise TableError(f'{self!r} was trained at {self.pixel_scale} per pixel, the stamps '
                             f'have {pixel_scale}; resample them first')


class CatalogFinder(Plugin):
    """
    A finder that needs no pixels: rows of a catalogue in, one score per row out.

    A kind of its own, in the same entry-point group, and no `Classifier` with an extra
    argument: what never sees pixels has no bands and no normaliser to declare, needs no
    cutouts, and must be refused where images are scored that no catalogue knows, such as
    injections. Subclasses set the attributes below and write `score_rows`.
    """

    #: One of `SCORE_KINDS`.
    score_kind = 'probability'
    #: Columns of the objects that it reads, such as ``('object_id',)``.
    columns = ()

    @abstractmethod
    def score_rows(self, objects):
        """
        Score the rows of a table.

        Parameters
        ----------
        objects : (n,) `~astropy.table.QTable`
            With the columns that `columns` names.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            Higher is more lens-like; NaN where the finder has no score.
        """

    def __call__(self, objects):
        """
        Score the rows of a table and check the outcome.

        Parameters
        ----------
        objects : (n,) `~astropy.table.QTable`
            Such as a manifest.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            float64, of the kind `score_kind`; NaN where the finder has no score.

        Raises
        ------
        TableError
            If a column is missing.
        ConformanceError
            If the plugin returns another shape.
        """
        from lensfinder_audit.tables import require_columns

        require_columns(objects, self.columns, what=f'the table for {type(self).__name__}')
        scores = np.asarray(self.score_rows(objects), dtype=float)
        if scores.shape != (len(objects),) or np.isinf(scores).any():
            raise ConformanceError(f'{self!r} gave scores of shape {scores.shape} for '
                                   f'{len(objects)} rows, {int(np.isinf(scores).sum())} infinite')
        return scores


class PSF(ABC):
    """The point spread function of a set of stamps, one per row and band."""

    @property
    @abstractmethod
    def fwhm(self):
        """(n, band) `~astropy.units.Quantity`, full width at half maximum as angle."""

    @abstractmethod
    def kernels(self, pixel_scale):
        """
        Return pixel kernels.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        kernels : (n, band, ky, kx) `~numpy.ndarray`
            The image of a star, with the response of the pixel in it; odd
            sizes, centred, each summing to 1.
        """

    @abstractmethod
    def __getitem__(self, rows):
        """Return the PSF of some rows."""


# What two simulators must agree about in a paired design, where it is known at all.
_OF_A_SYSTEM = ('theta_e', 'lens_q', 'lens_phi', 'lens_x', 'lens_y', 'shear_1', 'shear_2',
                'source_x', 'source_y')


class InjectionSimulator(Plugin):
    """
    Draw lens systems for hosts and render their lensed sources, noiseless.

    The house adds host light and shot noise, once.
    """

    #: Relative error of the rendered flux that the simulator promises.
    flux_tolerance = 0.01

    @abstractmethod
    def draw(self, hosts, *, seeds):
        """
        Draw one system per host.

        Parameters
        ----------
        hosts : `~astropy.table.QTable`
            One row per host.
        seeds : (n,) array_like of uint64
            A row depends on nothing but its host and its seed.

        Returns
        -------
        systems : (n,) `~astropy.table.QTable`
            Parameters of the systems, with ``seed``, ``magnification`` and
            ``source_flux_<band>``, the unlensed flux in nanomaggies.
        """

    @abstractmethod
    def render(self, systems, *, bands, psf, shape, pixel_scale):
        """
        Render lensed sources, without host light and without noise.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them.
        bands : sequence of str
            Bands to render.
        psf : `PSF`
            Point spread function of each row and band.
        shape : tuple of int
            Height and width in pixels.
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            Flux per pixel in nanomaggies.
        """

    def adopt(self, systems, hosts, *, seeds):
        """
        Return the systems of another simulator as this one renders them, for paired designs.

        What both know is kept; what this one alone knows, such as the galaxy whose
        image is lensed, is drawn.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            Those of the other one.
        hosts : (n,) `~astropy.table.QTable`
            Their hosts.
        seeds : (n,) array_like of uint64
            Their seeds.

        Returns
        -------
        adopted : (n,) `~astropy.table.QTable`
            As `render` takes them; with their magnification, where `magnification` gives it.

        Raises
        ------
        ConfigError
            If the two name lens, position and flux of the source differently.
        """
        drawn = self.draw(hosts, seeds=seeds)
        strange = [name for name in _OF_A_SYSTEM
                   if name in systems.colnames and name not in drawn.colnames]
        if strange:
            raise ConfigError(f'{type(self).__name__} does not know {strange} of the systems of '
                              'the run, and cannot be paired; its own method adopt could tell how')
        for name in systems.colnames:
            drawn[name] = systems[name]
        try:
            drawn['magnification'] = self.magnification(drawn)
        except NotImplementedError:
            pass
        return drawn

    def magnification(self, systems):
        """Return the (n,) magnifications of systems; optional, needed where priors change them."""
        raise NotImplementedError(f'{type(self).__name__} has no method magnification(systems)')


class Engine(Plugin):
    """
    Run a function over partitions, on one machine or on many.

    An engine is also a context manager: between ``with`` and its end it may keep what
    is slow to start, such as the workers of a cluster of its own, for the next call.
    """

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    @abstractmethod
    def map_reduce(self, function, partitions, merge, *, progress=None):
        """
        Apply a function to every partition and merge what it returns.

        Parameters
        ----------
        function : callable
            ``function(partition) -> summary``; it can be pickled.
        partitions : sequence
            What each call works on, such as a path.
        merge : callable
            ``merge(summary, summary) -> summary``, associative. Summaries are
            merged in the order of the partitions.
        progress : callable, optional
            Called as ``progress(done, total)`` after each partition.

        Returns
        -------
        summary : object
            What is left after the last merge; `None` without partitions.
        """


def _image_stack(flux):
    flux = np.asarray(flux)
    if flux.ndim != 4 or flux.dtype.kind not in 'fiu':
        raise TableError('image stamps are a numeric array (n, band, y, x) in nanomaggies, not '
                         f'{flux.dtype} of shape {flux.shape}')
    return flux
