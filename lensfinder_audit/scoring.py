# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Score the objects of a manifest with a classifier, batch by batch.

Cutouts are read in the order of their store, so that a score does not depend on
the order of the manifest and memory holds one batch. With a folder for parts, a
run that was interrupted goes on where it stopped.
"""
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from astropy.table import QTable

from lensfinder_audit._cutout_writer import locked
from lensfinder_audit.exceptions import ConfigError, OutputExistsError
from lensfinder_audit.files import whole_file
from lensfinder_audit.manifest import check_cutouts, cutout_keys
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['PART_SIZE', 'score_manifest', 'classifier_identity']

#: Objects per part, at least; what an interruption may cost.
PART_SIZE = 2048

# Columns of the index of the store that say what is missing in a cutout.
_QUALITY = ('nan_fraction', 'n_central_nan', 'zero_fraction', 'missing_bands', 'constant_bands')
_LEFT_OUT = ('cutout', 'sha256')


def score_manifest(classifier, manifest, store, *, name='finder', batch_size=64, parts=None,
                   inputs=None, verify=True, progress=None):
    """
    Score every object of a manifest.

    Parameters
    ----------
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.
    manifest : (n,) `~astropy.table.QTable`
        As `~lensfinder_audit.manifest.read_manifest` returns it.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Where the cutouts are.
    name : str, optional
        Name of the finder in the table.
    batch_size : int, optional
        Cutouts read and scored at a time.
    parts : str or `~pathlib.Path`, optional
        Folder for what is scored so far; made where it is not there. Parts of
        another classifier, manifest, store or batch size are not used.
    inputs : dict of str to str, optional
        Checksums of inputs, to be recorded; another one starts anew.
    verify : bool, optional
        Whether each cutout is compared with its checksum.
    progress : callable, optional
        Called with the number of objects that were just scored.

    Returns
    -------
    scores : (n,) `~astropy.table.QTable`
        ``object_id``, ``classifier``, ``score``, ``score_kind``, the columns of
        the manifest and what is missing in the cutout, in the order of the manifest.

    Raises
    ------
    TableError
        If an object has no cutout, or the stamps do not fit the classifier.
    InputFileError
        If a cutout is damaged.
    OutputExistsError
        If another process uses the folder for parts.
    """
    if batch_size < 1:
        raise ConfigError(f'a batch has at least one cutout, not {batch_size}')
    check_cutouts(manifest, store)
    keys = cutout_keys(manifest)
    positions = store.locate(keys)
    order = np.argsort(positions, kind='stable')
    identity = {'classifier': classifier_identity(classifier), 'store': store.checksum(),
                'keys': hashlib.sha256('\n'.join(keys).encode()).hexdigest(),
                'batch_size': batch_size, 'inputs': inputs or {}}
    size = batch_size * -(-PART_SIZE // batch_size)
    scores = np.empty(len(keys))
    with _Parts(parts, identity) as saved:
        for number, start in enumerate(range(0, len(keys), size)):
            rows = order[start:start + size]
            found = saved.load(number, len(rows))
            if found is None:
                found = _score(classifier, store, keys[rows], batch_size, verify, progress)
                saved.save(number, found)
            elif progress:
                progress(len(rows))
            scores[rows] = found
    table = _assemble(manifest, scores, name, classifier.score_kind)
    _add_quality(table, store, positions)
    table.meta = {**manifest.meta, **schema_meta(
        'scores', classifier=repr(classifier), score_kind=classifier.score_kind,
        checksums={**(inputs or {}), 'store': identity['store'],
                   'classifier': getattr(classifier, 'checksum', None)})}
    return check_table(table, 'scores') if 'label' in table.colnames else table


def classifier_identity(classifier):
    """
    Describe a classifier, so that another one is told apart.

    Parameters
    ----------
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.

    Returns
    -------
    identity : dict of str to str
        Its class, the version of the package of that, its parameters and the
        checksum of its file, where it has one.
    """
    cls = type(classifier)
    top = sys.modules.get(cls.__module__.partition('.')[0])
    return {'class': f'{cls.__module__}.{cls.__qualname__}', 'parameters': repr(classifier),
            'normalizer': repr(classifier.normalizer),
            'version': str(getattr(top, '__version__', '')),
            'checksum': str(getattr(classifier, 'checksum', ''))}


def _score(classifier, store, keys, batch_size, verify, progress):
    scores = []
    for batch, flux in store.batches(keys, batch_size, verify=verify):
        scores.append(classifier(flux, bands=store.bands, pixel_scale=store.pixel_scale))
        if progress:
            progress(len(batch))
    return np.concatenate(scores)


def _assemble(manifest, scores, name, kind):
    table = QTable({'object_id': manifest['object_id'], 'classifier': np.full(len(scores), name),
                    'score': scores, 'score_kind': np.full(len(scores), kind)})
    table['score'].info.description = f'score of the finder, a {kind}'
    for column in manifest.colnames:
        if column not in (*table.colnames, *_LEFT_OUT):
            table[column] = manifest[column]
    return table


def _add_quality(table, store, positions):
    index = store.index()
    for name in _QUALITY:
        if name in index.colnames and name not in table.colnames:
            table[name] = index[name][positions]


class _Parts:
    """Scores of finished parts in a folder; without a folder, nothing is kept."""

    def __init__(self, folder, identity):
        self._folder = None if folder is None else Path(folder)
        self._identity = json.dumps(identity, indent=1, sort_keys=True)

    def __enter__(self):
        if self._folder is None:
            return self
        if self._folder.exists() and not self._folder.is_dir():
            raise OutputExistsError(f'{self._folder} is a file; give the name of a folder')
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self._folder / 'lock', self._folder)
        plan = self._folder / 'plan.json'
        if not plan.exists() or plan.read_text() != self._identity:
            self._clear()
            with whole_file(plan, overwrite=True) as temporary:
                temporary.write_text(self._identity)
        return self

    def __exit__(self, *error):
        if self._folder is not None:
            self._lock.close()

    def load(self, number, n):
        """Return the scores of a part, or `None` where it is not whole."""
        if self._folder is None or not self._path(number).exists():
            return None
        try:
            scores = np.load(self._path(number), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # a crash of the machine
            return None
        return scores if scores.shape == (n,) and scores.dtype == float else None

    def save(self, number, scores):
        if self._folder is not None:
            with whole_file(self._path(number), overwrite=True) as temporary:
                np.save(temporary, scores)

    def _path(self, number):
        return self._folder / f'part-{number:06d}.npy'

    def _clear(self):
        """Remove the parts of other inputs; what else is in the folder is not ours."""
        for path in self._folder.glob('part-*.npy'):
            path.unlink()
        for path in self._folder.glob('.part-*'):  # left by a kill
            shutil.rmtree(path, ignore_errors=True)
