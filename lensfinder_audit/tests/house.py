# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The floors of the package: which module may import which."""
import pkgutil

import lensfinder_audit

#: Number of each floor, its title and one sentence on it.
FLOORS = {
    0: ('words and contracts', 'What every other module, and every plugin, is written against.'),
    1: ('the data chain', 'Catalogues, samples and cutouts; each step is one function on tables.'),
    2: ('pixels to scores', 'Noise, normalisers, finders, injections.'),
    3: ('measurements', 'Pure functions from table to table. They read no file and need no image.'),
    4: ('the audit', 'Composes the measurements, collects the findings, writes the report.'),
    5: ('the command line', 'Files, progress and exit codes.'),
}

# The first part of a module's name below the package decides its floor.
_PARTS = {
    0: ('exceptions', 'survey', 'tables', 'files', 'interfaces', 'plugins', 'testing',
        'vocabulary', 'preset_files', '_readers', '_scratch', '_fits', 'psf',
        'psf_models', 'psfex', '_compiled', '_convolution', '_convolution_kernel',
        '_convolution_numpy'),
    1: ('surveys', 'sources', 'crossmatch', 'strata', 'negatives', 'splits', 'manifest',
        'cutouts', '_cutout_writer', '_cutout_draft', '_cutout_kernel', '_cutout_layout',
        '_cutout_packing', '_cutout_shards', 'stamps', 'exposures', 'engines',
        'scoretable', 'parts',
        'condition_maps', 'expressions', 'sky_index', '_split_sample', 'split_check',
        'sample_rules', 'row_tests', 'vote_rules', 'contaminants', 'contaminant_sets',
        'survey_files', 'sampling', '_pool_keys', '_sample_passes', '_pool_piece', 'positives',
        'catalog_build', 'manifest_build', 'cleaning', 'frozen', 'bricks', 'brick_images',
        'coadds', 'cutout_services', 'fetch_plan', 'cutout_fetch', '_fetch_part', 'remote',
        '_politeness'),
    2: ('noise', 'lensing', 'raytrace', 'normalizers', 'classifiers', 'simulators',
        '_shot_noise', '_shot_noise_kernel', 'injection', 'source_stamps', 'recovery',
        '_recovery_work',
        '_recovery_arms', '_recovery_run', 'injection_plan', 'hosts', 'host_light', 'priors',
        '_distributions', 'image_features', 'near_duplicates', '_copies_kernel', '_copies_numpy',
        '_copy_search', 'response', 'store_quality',
        'mock_sample', 'mock_cutouts', 'scoring', 'training',
        'combiners', 'combine'),
    3: ('measure',),
    4: ('audit', 'audit_inputs', 'audit_injections', 'audit_ensemble',
        'audit_extras', 'realism_gate', 'sensitivity', 'composition',
        'config',
        'findings', 'output', 'plotting', 'report', 'validation',
        'selection_file',
        'ensemble', 'example', 'demo', 'paired_samples', 'checks', 'verdict'),
    5: ('cli',),
}


# What the modules of one package share: their names serve each other, not users,
# and a docstring of one line is enough.
_SHARED = ('cli.', 'checks.', 'plotting.', 'report.', 'measure.calibration_fit',
           'measure.multinomial', 'measure.probability', 'measure.ranked')


def is_shared(name):
    """Return whether a module serves its siblings rather than users."""
    return name.removeprefix('lensfinder_audit.').startswith(_SHARED)


def floor_of(name):
    """Return the floor of a module, or `None` where nobody has given it one."""
    part = name.removeprefix('lensfinder_audit').lstrip('.').partition('.')[0]
    found = [floor for floor, parts in _PARTS.items() if part in parts]
    return found[0] if found else 0 if not part or part == '_version' else None


def public_modules():
    """Return the names of the modules outside tests, without importing them."""
    found = []
    _collect(lensfinder_audit.__path__, 'lensfinder_audit', found)
    return sorted(found)


def _collect(path, parent, found):
    for item in pkgutil.iter_modules(path):
        if item.name in ('tests', 'conftest') or item.name.startswith('_'):
            continue
        name = f'{parent}.{item.name}'
        found.append(name)
        if item.ispkg:
            _collect([f'{folder}/{item.name}' for folder in path], name, found)
