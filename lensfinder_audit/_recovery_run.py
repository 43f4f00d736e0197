# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""How a run of injections begins and ends; see `lensfinder_audit.recovery`."""
import hashlib
import sys

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack

from lensfinder_audit import __version__
from lensfinder_audit._recovery_work import BASE, Part, r_noise
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.exceptions import ConfigError, MeasurementError
from lensfinder_audit.files import read_table
from lensfinder_audit.hosts import host_columns
from lensfinder_audit.injection import check_gain, gain_from_sky, survey_gain
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.noise import pixel_noise, sky_noise
from lensfinder_audit.priors import LIGHT_COLUMNS
from lensfinder_audit.psf import psf_from_table
from lensfinder_audit.scoring import classifier_identity
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.tables import SCHEMAS, check_table, require_columns, schema_meta

#: Injections per part: what an interruption may cost.
PART_SIZE = 1024

_CHECKED = 128  # hosts whose sky is measured, to check the gain
_MEASURED = ('arc_snr', 'annulus_snr', 'annulus_color', 'score')
_GAINS = ('exptime', 'sky', 'none')


def prepare_hosts(manifest, store, *, survey=None, gain=None, priors=None, check=True):
    """Add to hosts what their injections need; return them and what is known of the gain."""
    survey = survey or LEGACY_DR10
    hosts = host_columns(manifest, store, survey=survey) if check else QTable(manifest, copy=True)
    psf_from_table(hosts, store.bands)  # refuses hosts without a width
    hosts['pixel_noise_r'] = r_noise(hosts, store)
    if priors is not None and set(priors.host_columns) & set(LIGHT_COLUMNS):
        from lensfinder_audit.host_light import add_light  # photutils takes a second to import

        hosts = add_light(hosts, store)
    if priors is not None:
        require_columns(hosts, priors.host_columns, what='the table of hosts')
    values, origin = host_gain(hosts, store, survey, gain)
    told = {'from': origin}
    if values is not None:
        for band, column in zip(store.bands, values.T, strict=True):
            hosts[f'gain_{band}'] = column * u.electron / u.nmgy
        if check:
            told |= _checked_gain(hosts, values, store, survey)
    return hosts, told


def host_gain(hosts, store, survey, given):
    """Return electrons per nanomaggy, (n, band), or `None`, and where they are from."""
    if isinstance(given, str) and given not in _GAINS:
        raise ConfigError(f'the gain is a number of electrons per nanomaggy or one of '
                          f'{list(_GAINS)}, not {given!r}')
    has = {name: all(f'{name}_{band}' in hosts.colnames for band in store.bands)
           for name in ('exptime', 'psfdepth')}
    if given is None:
        given = 'exptime' if has['exptime'] else 'sky' if has['psfdepth'] and all(
            band in survey.sky_brightness for band in store.bands) else 'none'
    if given == 'none':
        return None, 'none'
    if not isinstance(given, str):
        return np.full((len(hosts), len(store.bands)), float(given)), 'given'
    name = 'exptime' if given == 'exptime' else 'psfdepth'
    columns = [f'{name}_{band}' for band in store.bands]
    require_columns(hosts, columns, what='the table of hosts')
    unit = u.s if given == 'exptime' else u.nmgy ** -2
    values = np.stack([u.Quantity(hosts[column], unit).value for column in columns], axis=1)
    if given == 'exptime':
        return survey_gain(survey, store.bands, values * u.s).value, 'exptime'
    noise = pixel_noise(values, psf_from_table(hosts, store.bands), pixel_scale=store.pixel_scale)
    sky = [survey.sky_per_pixel(band) for band in store.bands]
    return gain_from_sky(noise, sky).value, 'sky'


def _checked_gain(hosts, values, store, survey):
    """Compare the gain with the sky of the stamps; warns where they disagree."""
    told = {'electrons_per_nmgy': _by_band(np.nanmedian(values, axis=0), store.bands)}
    if any(band not in survey.sky_brightness for band in store.bands):
        return told
    rows = np.unique(np.linspace(0, len(hosts) - 1, min(_CHECKED, len(hosts))).astype(int))
    half = min(store.shape) // 2 * store.pixel_scale
    noise = sky_noise(store.get(cutout_keys(hosts)[rows]), r_in=0.65 * half, r_out=0.9 * half,
                      pixel_scale=store.pixel_scale)
    noise = np.where(noise > 0, noise, np.nan)
    bands = [k for k in range(len(store.bands)) if np.isfinite(noise[:, k]).any()]
    if not bands or not (np.isfinite(values[rows]) & (values[rows] > 0)).all():
        return told
    names = [store.bands[k] for k in bands]
    sky = [survey.sky_per_pixel(band) for band in names]
    ratio = check_gain(values[rows][:, bands] * u.electron / u.nmgy, noise[:, bands], sky=sky,
                       bands=names)
    return told | {'ratio_to_sky': _by_band(ratio, names), 'n_hosts_checked': len(rows)}


def run_identity(work, plan, inputs, keep_images):
    """Say everything that the parts of a run depend on."""
    digest = hashlib.sha256()
    for table in (plan, work.hosts):
        for name in table.colnames:
            values = np.asarray(getattr(table[name], 'value', table[name]))
            digest.update(name.encode() + (values.tobytes() if values.dtype.kind != 'O' else
                                           repr(values.tolist()).encode()))
    first = work.cells[0]
    top = sys.modules.get(type(first).__module__.partition('.')[0])
    return {'version': __version__, 'plan_and_hosts': digest.hexdigest(),
            'store': work.store.checksum(), 'classifier': classifier_identity(work.classifier),
            'simulator_version': str(getattr(top, '__version__', '')),
            'cells': hashlib.sha256(repr(work.cells).encode()).hexdigest(),
            'priors': work.priors.checksum if work.priors else None, 'fixed': list(work.fixed),
            'arms': [arm_words(arm) for arm in work.arms], 'batch_size': work.batch_size,
            'part_size': PART_SIZE, 'inputs': inputs or {}, 'images': keep_images}


def split(plan):
    """Return the parts of a plan; they do not depend on the engine."""
    return [Part(number, plan[start:start + PART_SIZE])
            for number, start in enumerate(range(0, len(plan), PART_SIZE))]


def arm_words(arm):
    """Describe an arm in words that another one does not share."""
    normalizer = repr(arm.classifier.normalizer) if arm.classifier else None
    return {'name': arm.name, 'psf': arm.psf, 'gain': arm.gain, 'normalizer': normalizer,
            'simulator': repr(arm.simulator) if arm.simulator else None}


def assemble(work, todo, found):
    """Put the tables of all parts together, arm by arm in the order of the plan."""
    tables = found if work.parts.folder is None else [
        read_table(work.parts.path(part.number)) for part in todo]
    table = vstack(list(tables), metadata_conflicts='silent')
    names = [arm.name for arm in work.arms]
    arm = np.array([names.index(name) for name in table['arm']])
    table = table[np.lexsort((np.asarray(table['injection']), arm))]
    label = np.char.add('injection-', np.asarray(table['injection']).astype(str))
    suffix = np.where(table['arm'] == BASE, '', np.char.add('-', np.asarray(table['arm'])))
    table['object_id'], table['label'] = np.char.add(label, suffix), np.ones(len(table), bool)
    first = [name for name in SCHEMAS['injections'].columns if name in table.colnames]
    rest = [name for name in table.colnames if name not in first]
    return check_table(table[first + rest], 'injections')


def keep(work, todo, table, folder):
    """Move the images of all parts into a cutout store, part by part."""
    names = {(int(row), str(arm)): str(name) for row, arm, name in zip(
        table['injection'], table['arm'], table['object_id'], strict=True)}
    with CutoutWriter(folder, bands=work.store.bands, shape=work.store.shape, append=True,
                      pixel_scale=work.store.pixel_scale) as writer:  # a rerun adds nothing
        for part in todo:
            rows = read_table(work.parts.path(part.number))
            keys = [names[int(row), str(arm)] for row, arm in zip(
                rows['injection'], rows['arm'], strict=True)]
            writer.add(keys, work.images_of(part))


def run_meta(work, identity, *, grid, host_bins, pools, n, seed, gain, inputs, manifest, simulator):
    """Return what the table of a run says of how it was made."""
    finder = work.classifier
    return schema_meta(
        'injections', simulator=repr(simulator), classifier=repr(finder),
        score_kind=finder.score_kind, seed=seed, n_per_cell=n, n_cells=len(work.cells),
        n_pools=len(pools), n_hosts_in_pool=[len(pool) for pool in pools],
        grid=_plain_values(grid), host_bins=_plain_values(host_bins),
        arms=[arm_words(arm) for arm in work.arms], gain=gain, shot_noise=gain['from'] != 'none',
        priors={'name': work.priors.name, 'sha256': work.priors.checksum,
                'not_used': sorted(set(work.fixed) & set(work.priors.distributions)),
                'distributions': work.priors.given} if work.priors else None,
        checksums={**(inputs or {}), 'store': identity['store'],
                   'classifier': identity['classifier']['checksum']},
        simulated=bool(manifest.meta.get('simulated')))


def replay_row(work, row, number):
    """Make one row again and compare it with what is recorded."""
    plan = QTable({'injection': [int(row['injection'])], 'cell': [int(row['cell'])],
                   'host': [0], 'seed': np.array([row['seed']], dtype=np.uint64)})
    again, images = work.batch(plan)
    again = work.joined(again)
    names = [name for name in again.colnames if name in row.colnames
             and again[name].dtype.kind == 'f']
    for name in sorted(names, key=lambda name: name in _MEASURED):  # causes before effects
        now, then = (float(getattr(value, 'value', value)) for value in (again[name][0], row[name]))
        if name == 'score':
            same = work.classifier is None or np.isclose(now, then, rtol=0, atol=1e-6)
        else:  # sums depend on the batch in their last digit
            same = np.isclose(now, then, rtol=1e-9, atol=0, equal_nan=True)
        if not same:
            raise MeasurementError(f'row {number} comes out with {name} = {now!r}, recorded is '
                                   f'{then!r}: another host, simulator, prior, finder or version')
    return images, again


def _by_band(values, bands):
    return {band: round(float(value), 4) for band, value in zip(bands, values, strict=True)}


def _plain_values(values):
    return {name: np.asarray(getattr(item, 'value', item)).tolist()
            for name, item in (values or {}).items()} or None
