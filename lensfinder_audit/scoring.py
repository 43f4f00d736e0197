# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Score the objects of a manifest with a classifier, batch by batch.

Cutouts are read in the order of their store, so that a score does not depend on
the order of the manifest and memory holds one batch. Batches are cut from parts of
fixed size, so that neither the engine nor the number of its workers matters. With a
folder for parts, a run that was interrupted goes on where it stopped.
"""
import hashlib
import itertools
import sys
from functools import partial
from operator import add

import numpy as np
from astropy.table import QTable

from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import ConfigError, PartitionError, TableError
from lensfinder_audit.manifest import check_cutouts, cutout_keys
from lensfinder_audit.parts import Parts
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['PART_SIZE', 'score_manifest', 'score_rows', 'classifier_identity']

#: Objects per part, at least; what an interruption may cost.
PART_SIZE = 2048

# Columns of the index of the store that say what is missing in a cutout.
_QUALITY = ('nan_fraction', 'n_central_nan', 'zero_fraction', 'missing_bands', 'constant_bands')
_LEFT_OUT = ('cutout', 'sha256')

# Arguments of finders that change no score.
_HOW_IT_RUNS = ('threads',)


def score_manifest(classifier, manifest, store, *, name='finder', batch_size=64, parts=None,
                   inputs=None, verify=True, progress=None, engine=None):
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
    engine : `~lensfinder_audit.interfaces.Engine`, optional
        Where parts are scored; this process by default. The classifier is loaded once
        in each worker.

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
    PartitionError
        If a part fails on an engine; it names the part.
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
    with Parts(parts, identity) as saved:
        work = _ScorePart(classifier, store, batch_size, verify, saved)
        todo = [_Rows(number, positions[order[start:start + size]])
                for number, start in enumerate(range(0, len(keys), size))]
        scores[order] = np.concatenate(_map(work, todo, engine, progress)) if todo else []
    table = _assemble(manifest, scores, name, classifier.score_kind)
    _add_quality(table, store, positions)
    table.meta = {**manifest.meta, **schema_meta(
        'scores', classifier=repr(classifier), score_kind=classifier.score_kind,
        limitations=getattr(classifier, 'limitations', None),
        checksums={**(inputs or {}), 'store': identity['store'],
                   'classifier': getattr(classifier, 'checksum', None)})}
    return check_table(table, 'scores') if 'label' in table.colnames else table


def score_rows(finder, manifest, *, name='finder', inputs=None):
    """
    Score the objects of a manifest with a finder that needs no pixels.

    Parameters
    ----------
    finder : `~lensfinder_audit.interfaces.CatalogFinder`
        The finder.
    manifest : (n,) `~astropy.table.QTable`
        As `~lensfinder_audit.manifest.read_manifest` returns it.
    name : str, optional
        Name of the finder in the table.
    inputs : dict of str to str, optional
        Checksums of inputs, to be recorded.

    Returns
    -------
    scores : `~astropy.table.QTable`
        As of `score_manifest`, without the objects that the finder has no score of;
        ``n_left_out`` in its ``meta`` counts them.

    Raises
    ------
    TableError
        If no object has a score, or a column is missing.
    """
    found = finder(manifest)
    known = np.isfinite(found)
    if not known.any():
        raise TableError(f'{finder!r} has no score of any of the {len(manifest)} objects')
    table = _assemble(manifest[known], found[known], name, finder.score_kind)
    table.meta = {**manifest.meta, **schema_meta(
        'scores', classifier=repr(finder), score_kind=finder.score_kind,
        n_left_out=int((~known).sum()),
        checksums={**(inputs or {}), 'classifier': getattr(finder, 'checksum', None)})}
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
    parameters = {name: value for name, value in classifier.parameters().items()
                  if name not in _HOW_IT_RUNS}
    return {'class': f'{cls.__module__}.{cls.__qualname__}', 'parameters': repr(parameters),
            'normalizer': repr(classifier.normalizer),
            'version': str(getattr(top, '__version__', '')),
            'checksum': str(getattr(classifier, 'checksum', ''))}


def _whole(scores, n):
    """Return the scores of a part, or `None` where it is not whole."""
    whole = scores is not None and scores.shape == (n,) and scores.dtype == float
    return scores if whole else None


class _Rows:
    """Some cutouts of a store, by their positions."""

    def __init__(self, number, positions):
        self.number, self.positions = number, positions

    def __len__(self):
        return len(self.positions)

    def __repr__(self):
        return f'cutouts {self.positions[0]} to {self.positions[-1]} of the store'


class _ScorePart:
    """Score one part; sent to workers."""

    def __init__(self, classifier, store, batch_size, verify, parts):
        self.classifier, self.store, self.parts = classifier, store, parts
        self.batch_size, self.verify, self.progress = batch_size, verify, None

    def __getstate__(self):
        return {**self.__dict__, 'progress': None}

    def __call__(self, rows):
        """Return a list of the scores of a part."""
        found = _whole(self.parts.load(rows.number, np.load), len(rows))
        if found is None:
            found = np.concatenate(list(self._batches(self.store.keys[rows.positions])))
            self.parts.save(rows.number, partial(np.save, arr=found))
        elif self.progress:
            self.progress(len(rows))
        return [found]

    def _batches(self, keys):
        store = self.store
        for batch, flux in store.batches(keys, self.batch_size, verify=self.verify):
            yield self.classifier(flux, bands=store.bands, pixel_scale=store.pixel_scale)
            if self.progress:
                self.progress(len(batch))


def _map(work, todo, engine, progress):
    """Score all parts; without an engine errors come through as they are."""
    if engine is None:
        work.progress = progress
        try:
            return LocalEngine(workers=1).map_reduce(work, todo, add)
        except PartitionError as error:
            raise error.__cause__ from None
    ends = itertools.pairwise(itertools.accumulate(map(len, todo), initial=0))

    def tell(*ignored):
        first, last = next(ends)
        progress(last - first)

    return engine.map_reduce(work, todo, add, progress=tell if progress else None)


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
