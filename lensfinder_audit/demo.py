# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The whole chain on the mock survey: catalogue, cutouts, scores, injections, audit.

It needs no network and shows how the parts fit. What it cannot show is how any
finder does on the sky, and the report says so.
"""
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit.audit import audit
from lensfinder_audit.audit_extras import recovery_tables
from lensfinder_audit.classifiers.demo_network import DemoNetwork, model_card
from lensfinder_audit.config import InputFile
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import whole_folder, write_whole
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.mock_cutouts import write_mock_survey
from lensfinder_audit.mock_sample import ARC_SNR_LIMIT
from lensfinder_audit.output import MARKER, fill_folder
from lensfinder_audit.plotting.galleries import injection_gallery
from lensfinder_audit.plotting.store_galleries import nearest_injections, object_galleries
from lensfinder_audit.realism_gate import gate_meta, gate_table, sampled_images
from lensfinder_audit.recovery import inject, injected_images
from lensfinder_audit.scoring import score_manifest
from lensfinder_audit.simulators.sie_sersic import SieSersic

__all__ = ['run_demo', 'AUDIT_OPTIONS', 'RECOVERY_AXES', 'THETA_E']

_NAME = 'demo_network'
_SEEING = (0.7, 1.1, 1.2, 1.3, 1.4, 1.5, 2.5)

#: How the demo is audited; the prevalence is that of Euclid Q1 among random galaxies.
AUDIT_OPTIONS = {
    'fprs': [0.01, 0.001], 'by': ['psfsize_r', 'theta_e', 'nobs_z', 'type', 'psfsize_r,theta_e'],
    'prevalence': 5e-4, 'group': 'brick', 'n_resamples': 4000, 'possible': {'nobs_z': [3, np.inf]},
    'bins': {'psfsize_r': list(_SEEING), 'theta_e': [1.0, 1.25, 1.5, 1.75, 2.0, 2.6]},
    'title': 'Demo: audit of a small network on a mock survey'}

#: Einstein radii of the injection grid, in arcsec.
THETA_E = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)

_MIDDLES = tuple((one + other) / 2 for one, other in pairwise(THETA_E))
_AROUND_THETA_E = Axis('theta_e', unit='arcsec', edges=(
    2 * THETA_E[0] - _MIDDLES[0], *_MIDDLES, 2 * THETA_E[-1] - _MIDDLES[-1]))

#: Axes of injection and recovery.
RECOVERY_AXES = (
    (), (Axis('arc_snr', edges=(0, 2, 5, 10, 15, 20, ARC_SNR_LIMIT, 40, np.inf)),),
    (_AROUND_THETA_E,),
    (Axis('source_mag_r', edges=(23, 23.5, 24, 24.5, 25, 25.5, 26), unit='mag(AB)'),),
    (_AROUND_THETA_E, Axis('psfsize_r', edges=_SEEING, unit='arcsec')))


def run_demo(folder, *, n_rows=8000, n_injections=150, seed=11, workers=None, overwrite=False,
             keep_cutouts=False, progress=None, command=''):
    """
    Render a mock survey, score it, inject into it, audit the finder and write it all.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Appears complete or not at all.
    n_rows : int, optional
        Rows of the mock catalogue.
    n_injections : int, optional
        Injections at each Einstein radius of `THETA_E`.
    seed : int, optional
        Seed of survey and injections; those that the network was trained and
        selected on are refused.
    workers : int, optional
        Processes that render; as many as there are processors by default.
    overwrite : bool, optional
        Whether an earlier demo or audit there may be replaced.
    keep_cutouts : bool, optional
        Whether the cutouts stay (some 120 KB each), for the commands "score" and "inject".
    progress : callable, optional
        Called as ``progress(step, n, total)``: ``n`` more of ``total`` are done.
    command : str, optional
        The command line that was given, for the report.

    Returns
    -------
    result : `~lensfinder_audit.audit.AuditResult`
        With the tables of injection and recovery among its tables.

    Raises
    ------
    ConfigError
        If the seed is one that the network knows.
    OutputExistsError
        If the folder is there and may not be replaced.
    """
    known = model_card()['seeds']
    if seed in known.values():
        raise ConfigError(f'the network was trained and selected on the mock surveys of the seeds '
                          f'{sorted(known.values())}; another seed than {seed} is an audit')
    folder, tell = Path(folder), progress or (lambda step, n, total: None)
    with whole_folder(folder, overwrite=overwrite, marker=MARKER) as temporary:
        place = temporary / 'survey'
        manifest, store = write_mock_survey(
            place, n_rows=n_rows, seed=seed, workers=workers,
            progress=lambda n: tell('render the survey', n, n_rows))
        result, injections = _measured(manifest, store, temporary, n_injections, seed, tell)
        _tell_where(result, temporary, folder)
        result.summary['command'] = command
        tell('tables, figures, report', 0, 1)
        result.galleries = _galleries(result, manifest, injections, store, seed)
        write_whole(injections, temporary / 'injections.parquet')
        fill_folder(result, temporary, folder)
        if not keep_cutouts:
            shutil.rmtree(place / 'cutouts')
        tell('tables, figures, report', 1, 1)
    return result


def _measured(manifest, store, folder, n_injections, seed, tell):
    """Score the survey and the injections; return the audit and the injections."""
    finder = DemoNetwork()
    scores = score_manifest(finder, manifest, store, name=_NAME, verify=False,
                            progress=lambda n: tell('score the survey', n, len(manifest)))
    scores['in_training'] = np.full(len(scores), 'no')  # other seeds than those of the training
    write_whole(scores, folder / 'scores.parquet')
    total = n_injections * len(THETA_E)
    injections = inject(_hosts(manifest), store, finder, SieSersic(), n=n_injections, seed=seed,
                        grid={'theta_e': THETA_E * u.arcsec},
                        progress=lambda n: tell('inject and score', n, total))
    tell('audit', 0, 1)
    gate, told = _gate(manifest, injections, store, finder, seed)
    result = audit(folder / 'scores.parquet', gate=gate, **AUDIT_OPTIONS)
    points = result.tables['operating_points']
    result.tables |= recovery_tables(injections, points, axes=RECOVERY_AXES,
                                     n_resamples=AUDIT_OPTIONS['n_resamples'],
                                     realism=told)
    result.summary['remarks'] = _remarks(scores, injections)
    tell('audit', 1, 1)
    return result, injections


def _gate(manifest, injections, store, finder, seed, *, most=200):
    """Compare injections with the lenses of the survey; return the table and its summary."""
    rows, images = sampled_images(injections, manifest, store, SieSersic(),
                                  grid={'theta_e': THETA_E * u.arcsec}, most=most, seed=seed)
    rng, label = np.random.default_rng([seed, 0x6a]), np.asarray(manifest['label']).astype(bool)
    keys, hosts = cutout_keys(manifest), np.asarray(injections['host'])[rows].astype(str)
    place = {str(name): row for row, name in enumerate(manifest['object_id'])}
    chosen = {role: np.sort(rng.permutation(np.flatnonzero(side))[:most])
              for role, side in (('lenses', label), ('negatives', ~label))}
    samples = {role: (store.get(keys[which]), None) for role, which in chosen.items()}
    samples |= {'injections': (images, hosts),
                'hosts': (store.get(keys[[place[name] for name in hosts]]), hosts)}
    table = gate_table(samples, classifier=finder, bands=store.bands, seed=seed)
    return table, gate_meta(table, injections=injections[rows], lenses=manifest[chosen['lenses']],
                            note='lenses and injections are both simulated')


def _hosts(manifest):
    """Early-type galaxies without an arc and with all their pixels near the center."""
    chosen = (np.asarray(manifest['morphology']) == 'early') & ~np.asarray(manifest['label'])
    return manifest[chosen & (np.asarray(manifest['confuser_class']).astype(str) == '')]


def _remarks(scores, injections):
    """Say what a mock survey can and cannot show."""
    measured = model_card()['validation']
    lenses = np.asarray(scores['arc_snr'])[np.asarray(scores['label'])]
    faint = float(np.mean(injections['arc_snr'] < ARC_SNR_LIMIT))
    return [
        'What this can show: that the chain runs from a catalogue to a verdict, what each table '
        'and figure looks like, and how this one network responds to seeing, exposures, Einstein '
        'radius and confusers of a survey whose every object is known.',
        'What this cannot show: how any finder does on the sky. Galaxies, confusers, artefacts and '
        'noise are drawn from stated distributions, simpler than nature; the network was trained '
        'on the same distributions (with other seeds), so it is better here than it would be '
        'anywhere else. Confusers are made more common than in nature, so false-positive rates of '
        'all negatives together are not those of a survey.',
        f'The mock lenses are drawn as known ones are: every arc has a signal to noise of '
        f'{ARC_SNR_LIMIT:g} or more (median {np.median(lenses):.0f}), as a person would see. Of '
        f'the injections, {100 * faint:.0f} % are fainter (median '
        f'{np.median(injections["arc_snr"]):.0f}): completeness on known lenses says nothing of '
        'them, recovery of injections does. The injected sources follow published priors, with a '
        'mean g - r of 1.15, where those of the mock lenses are blue, with 0.5: at the same signal '
        'to noise a finder that knows blue arcs recovers fewer of them.',
        f'On its own validation sample the network reached an AUC of {measured["AUC"]}; its card, '
        'with its limitations, is in the documentation.']


def _tell_where(result, temporary, folder):
    """Name the scores by the place where they will stand."""
    read, = result.inputs['scores']
    result.inputs['scores'] = [InputFile(folder / read.path.relative_to(temporary), read.sha256)]
    result.summary['inputs'][0]['path'] = str(result.inputs['scores'][0].path)


def _galleries(result, manifest, injections, store, seed):
    """Draw the galleries while there is a store; most demos do not keep it."""
    result.store = store
    try:
        found = object_galleries(result)
    finally:
        result.store = None
    keys = cutout_keys(result.sample)
    return found + _injections_beside_lenses(result.sample, manifest, injections, store,
                                             lambda rows: store.get(keys[rows]), seed)


def _injections_beside_lenses(sample, manifest, injections, store, images_of, seed, *, n=7):
    lenses = np.flatnonzero(np.asarray(sample['label']).astype(bool))
    lenses = np.random.default_rng(seed).choice(lenses, min(n, len(lenses)), replace=False)
    near = nearest_injections(sample[lenses], injections)
    row_of = {str(key): row for row, key in enumerate(manifest['object_id'])}
    images = []
    for row in injections[near]:
        host = manifest[[row_of[str(row['host'])]]]
        simulator = SieSersic(theta_e=row['theta_e'])
        images.append(injected_images(host, [row['seed']], store, simulator)[0][0])
    return injection_gallery(sample[lenses], injections[near], images_of(lenses), np.array(images),
                             simulated=True)
