# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What is done with one part of an injection run; see `lensfinder_audit.recovery`.

`Work` is sent to wherever parts are computed: it draws, renders, adds, scores and
drops the images of the rows of a plan, and knows nothing of other parts.
"""
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from astropy import units as u
from astropy.table import QTable, hstack, vstack

from lensfinder_audit.exceptions import ConformanceError, LensfinderAuditError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.injection import add_sources, annulus_excess, arc_snr
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.noise import pixel_noise
from lensfinder_audit.parts import Parts
from lensfinder_audit.psf import psf_from_table

__all__ = ['Arm', 'Part', 'Work', 'BASE', 'KEPT']

#: Name of the arm that the others are compared with.
BASE = 'base'

#: Columns of hosts that go into the table of injections, by the first part of their name.
KEPT = ('psfsize', 'psfdepth', 'depth', 'nobs', 'ebv', 'type', 'brick', 'flux', 'mag', 'ra', 'dec',
        'healpix', 'stratum', 'weight', 'z', 'light', 'nan', 'n', 'zero', 'missing',
        'constant')

_IMAGES = '.images.npy'


@dataclass(frozen=True)
class Arm:
    """One way to make and score the images; `None` stands for that of the run."""

    name: str = BASE
    simulator: object = None
    classifier: object = None
    psf: dict = field(default_factory=dict)
    gain: object = None  # electrons per nanomaggy, or 'none'

    def same_images(self, other):
        """Whether the images are those of another arm."""
        return (self.simulator, self.psf, self.gain) == (other.simulator, other.psf, other.gain)


@dataclass(frozen=True)
class Part:
    """Some rows of a plan."""

    number: int
    rows: QTable

    def __repr__(self):
        first = self.rows['injection'][0]
        return f'injections {first} to {self.rows["injection"][-1]}'


class Work:
    """Make and score the injections of one part; gives rows, or writes them."""

    def __init__(self, hosts, store, classifier, cells, *, priors=None, fixed=(), arms=(Arm(),),
                 batch_size=64, parts=None, keep_images=False):
        self.hosts, self.store, self.classifier, self.cells = hosts, store, classifier, cells
        self.priors, self.fixed, self.arms, self.batch_size = priors, fixed, arms, batch_size
        self.parts, self.keep_images = parts or Parts(None, {}), keep_images
        self.progress = None

    def __getstate__(self):
        return {**self.__dict__, 'progress': None}

    def __call__(self, part):
        """Return a list of tables, or of `None` where the rows are among the parts."""
        if self.is_done(part):
            self._tell(len(part.rows))
            return [None]
        tables, kept = [], []
        for rows in self._batches(part.rows):
            table, images = self.batch(part.rows[rows])
            tables.append(table)
            kept += [images] if self.keep_images else []
        table = self.joined(vstack(tables, metadata_conflicts='silent'))
        if self.parts.folder is None:
            return [table]
        if self.keep_images:
            self.parts.save(part.number, partial(np.save, arr=np.concatenate(kept)), suffix=_IMAGES)
        self.parts.save(part.number, partial(write_whole, table))
        return [None]

    def is_done(self, part):
        """Whether the rows of a part, and the images that are to be kept, are there."""
        if self.keep_images and not self.parts.has(part.number, suffix=_IMAGES):
            return False
        found = self.parts.load(part.number, read_table)
        return found is not None and len(found) == len(part.rows) * len(self.arms)

    def images_of(self, part):
        """Read the images of a part that is done; they follow the rows of its table."""
        return self.parts.load(part.number, np.load, suffix=_IMAGES)

    def batch(self, rows):
        """Return the table of some rows of one cell in all arms, and their images."""
        hosts, simulator = self.hosts[rows['host']], self.cells[int(rows['cell'][0])]
        try:
            found = self._together(rows, hosts, simulator)
        except ConformanceError:
            raise
        except LensfinderAuditError as error:
            found = self._one_by_one(rows, hosts, simulator, error)
        self._tell(len(rows))
        return found

    def joined(self, table):
        """Return rows of `batch` with the conditions of their hosts."""
        kept = [name for name in self.hosts.colnames if name.split('_')[0] in KEPT
                and name not in table.colnames]
        hosts = self.hosts[kept][np.asarray(table['host_row'])]
        table.remove_column('host_row')
        return hstack([table, hosts], metadata_conflicts='silent')

    def draw(self, hosts, seeds, simulator):
        """Draw systems from the simulator and the priors."""
        if self.priors is None:
            return simulator.draw(hosts, seeds=seeds)
        return self.priors.draw(simulator, hosts, seeds=seeds, fixed=self.fixed)

    def _batches(self, rows):
        """Rows of one cell at a time, so that one simulator makes them."""
        edges = np.flatnonzero(np.diff(rows['cell'])) + 1
        for piece in np.split(np.arange(len(rows)), edges):
            yield from np.split(piece, np.arange(self.batch_size, len(piece), self.batch_size))

    def _together(self, rows, hosts, simulator):
        systems = self.draw(hosts, np.asarray(rows['seed']), simulator)
        light, tables, images, before = self.store.get(cutout_keys(hosts)), [], [], None
        for arm in self.arms:
            if before is None or not arm.same_images(before):
                own = self._of_arm(arm, systems, hosts, np.asarray(rows['seed']))
                arcs = self.arcs(arm, hosts, own, simulator)
                made, good = self.images(arm, hosts, light, arcs, np.asarray(rows['seed']))
            tables.append(self._table(arm, rows, hosts, own, simulator, arcs, made, good))
            images.append(made)
            before = arm
        if len(tables) == 1:
            return tables[0], images[0]
        return stacked(tables), np.concatenate(images)

    def _of_arm(self, arm, systems, hosts, seeds):
        """Return the systems as the simulator of an arm renders them."""
        if arm.simulator is None:
            return systems
        adopted = arm.simulator.adopt(systems, hosts, seeds=seeds)
        for name in adopted.colnames:
            band = name.removeprefix('lensed_mag_')
            if band != name and f'source_mag_{band}' in adopted.colnames:
                gained = 2.5 * np.log10(np.asarray(adopted['magnification'])) * u.mag
                adopted[name] = adopted[f'source_mag_{band}'] - gained
        return adopted

    def arcs(self, arm, hosts, systems, simulator):
        """Render the lensed sources of an arm."""
        bands, shape = self.store.bands, self.store.shape
        made = arm.simulator or simulator
        arcs = np.asarray(made.render(systems, bands=bands, psf=psf_of(hosts, bands, arm.psf),
                                      shape=shape, pixel_scale=self.store.pixel_scale))
        if arcs.shape != (len(hosts), len(bands), *shape):
            raise ConformanceError(f'{made!r} rendered an array of shape {arcs.shape} for '
                                   f'{len(hosts)} systems in {len(bands)} bands of {shape} pixels; '
                                   'it must be (n, band, y, x)')
        return arcs

    def images(self, arm, hosts, light, arcs, seeds):
        """Add arcs to the light of hosts; say which of them are finite."""
        good = np.isfinite(arcs).all(axis=(1, 2, 3))
        gain = _gain(hosts, self.store.bands, arm.gain)
        if not good.all():
            arcs = np.where(good[:, None, None, None], arcs, 0)
        made = add_sources(light, arcs, seeds=seeds, shot_noise=gain is not None,
                           gain=1 * u.electron / u.nmgy if gain is None else gain)
        return made, good

    def _table(self, arm, rows, hosts, systems, simulator, arcs, images, good):
        scores = np.full(len(rows), np.nan)
        finder = arm.classifier or self.classifier
        if good.any() and finder is not None:
            scores[good] = finder(
                images[good], bands=self.store.bands, pixel_scale=self.store.pixel_scale)
        table = systems.copy(copy_data=False)
        told = {name: rows[name] for name in ('injection', 'cell')}
        told |= describe(hosts, simulator if arm.simulator is None else arm.simulator)
        told |= light_in_annulus(hosts, arcs, images, self.store)
        told |= {'score': scores, 'arm': np.full(len(rows), arm.name), 'host_row': rows['host'],
                 'problem': np.where(good, '', 'the simulator gave pixels that are not finite')}
        for name, values in told.items():
            table[name] = np.asarray(values)
        return table

    def _one_by_one(self, rows, hosts, simulator, error):
        """Flag the rows that cannot be made; raise where none can."""
        if len(rows) == 1:
            raise error
        found, bad = [], {}
        for i in range(len(rows)):
            one = slice(i, i + 1)
            try:
                found.append(self._together(rows[one], hosts[one], simulator))
            except ConformanceError:
                raise
            except LensfinderAuditError as reason:
                found.append(None)
                bad[i] = f'{reason}'
        if len(bad) == len(rows):
            raise error
        example = next(item for item in found if item is not None)
        found = [self._flagged(rows[i:i + 1], hosts[i:i + 1], example, bad[i]) if item is None
                 else item for i, item in enumerate(found)]
        tables, images = zip(*found, strict=True)
        return vstack(list(tables), metadata_conflicts='silent'), np.concatenate(images)

    def _flagged(self, rows, hosts, example, problem):
        """Return a row for each arm with what the plan and the host say, and no other number."""
        table, images = example[0].copy(), np.full_like(example[1], np.nan)
        known = {**{name: rows[name] for name in ('injection', 'cell', 'seed')},
                 'host_row': rows['host'], **describe(hosts, self.cells[int(rows['cell'][0])])}
        for name in table.colnames:
            if name in known:
                table[name] = np.repeat(np.asarray(known[name]), len(table))
            elif table[name].dtype.kind == 'f':
                table[name][:] = np.nan
        table['problem'] = np.full(len(table), problem)
        return table, images

    def _tell(self, n):
        if self.progress:
            self.progress(n)


def stacked(tables):
    """Stack the tables of arms; what one of them has not is NaN or empty."""
    names = list(dict.fromkeys(name for table in tables for name in table.colnames))
    example = {name: next(table[name] for table in tables if name in table.colnames)
               for name in names}
    for table in tables:
        for name in names:
            if name not in table.colnames:
                table[name] = _nothing(example[name], len(table))
    return vstack([table[names] for table in tables], metadata_conflicts='silent')


def _nothing(column, n):
    kind = column.dtype.kind
    if kind not in 'fUSb':
        raise ConformanceError(f'a column of type {column.dtype} cannot be left empty where a '
                               'paired simulator lacks it; make it one of numbers with a fraction')
    empty = np.full(n, np.nan if kind == 'f' else '' if kind in 'US' else False, column.dtype)
    unit = getattr(column, 'unit', None)
    return empty if unit is None else type(column)(empty, unit)


def psf_of(hosts, bands, options):
    """Make the PSF of hosts; ``width`` scales what the catalogue says."""
    options = dict(options)
    width = options.pop('width', 1.0)
    psf = psf_from_table(hosts, bands, **options)
    return psf if width == 1.0 else type(psf)(psf.fwhm * width, **{
        name: value for name, value in options.items() if name != 'profile'})


def describe(hosts, simulator):
    """Return what a row says of its host and simulator."""
    names = np.asarray(hosts['object_id']).astype(str)
    group = np.asarray(hosts['group']).astype(str) if 'group' in hosts.colnames else names
    return {'host': names, 'group': group,
            'simulator': np.full(len(hosts), type(simulator).__name__)}


def light_in_annulus(hosts, arcs, images, store):
    """Return signal to noise of the arcs alone, and of what stands out in the whole image."""
    r = store.bands.index('r') if 'r' in store.bands else 0
    noise = r_noise(hosts, store)
    scale = {'pixel_scale': store.pixel_scale}
    found = {'arc_snr': arc_snr(arcs[:, r], noise, **scale)}
    excess, color = annulus_excess(images, noise, band=r, **scale)
    return found | {'annulus_snr': excess, 'annulus_color': color}


def r_noise(hosts, store):
    """Return the noise of a pixel in r from depth and PSF; NaN where it is not known."""
    band = 'r' if 'r' in store.bands else store.bands[0]
    if f'pixel_noise_{band}' in hosts.colnames:
        return np.asarray(hosts[f'pixel_noise_{band}'], dtype=float)
    if f'psfdepth_{band}' not in hosts.colnames:
        return np.full(len(hosts), np.nan)
    depth = u.Quantity(hosts[f'psfdepth_{band}'], u.nmgy**-2)[:, None]
    return pixel_noise(depth, psf_from_table(hosts, (band,)), pixel_scale=store.pixel_scale)[:, 0]


def _gain(hosts, bands, given):
    """Return electrons per nanomaggy, (n, band), or `None` for no shot noise."""
    if given == 'none' or (given is None and f'gain_{bands[0]}' not in hosts.colnames):
        return None
    if given is not None:
        return given * u.electron / u.nmgy
    return np.stack([np.asarray(getattr(hosts[f'gain_{band}'], 'value', hosts[f'gain_{band}']))
                     for band in bands], axis=1) * u.electron / u.nmgy
