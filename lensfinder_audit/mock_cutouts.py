# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A mock survey on disk: its manifest and its cutout store, rendered by several processes."""
from functools import partial
from operator import add
from pathlib import Path

import numpy as np
from astropy.table import vstack

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.manifest import read_manifest, write_manifest
from lensfinder_audit.mock_sample import mock_sample
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['write_mock_survey']

_PART = 200  # rows that a process renders at a time
_LEFT_OUT = ('name', 'grade', 'is_lens', 'reference')


def write_mock_survey(folder, *, n_rows, seed=0, workers=None, progress=None, **options):
    """
    Render a part of the mock survey with lenses in it and write it down.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Gets ``manifest.parquet`` and the cutout store ``cutouts``.
    n_rows : int
        Rows of the catalogue; lenses with faint arcs are left out of them.
    seed : int, optional
        Seed of the survey.
    workers : int, optional
        Processes that render; as many as there are processors by default.
    progress : callable, optional
        Called with the number of rows just rendered.
    **options
        Further arguments of `~lensfinder_audit.mock_sample.mock_sample`.

    Returns
    -------
    manifest : `~astropy.table.QTable`
        Objects of the survey. They do not depend on ``workers``.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts.

    Raises
    ------
    ConfigError
        If ``n_rows`` is not positive.
    """
    if n_rows < 1:
        raise ConfigError(f'a mock survey has one row or more, not {n_rows}')
    folder = Path(folder)
    scratch = folder / 'rendered'
    scratch.mkdir(parents=True)
    work = partial(_render, folder=scratch, n_rows=n_rows, seed=seed, options=options)
    parts = LocalEngine(workers=workers).map_reduce(
        work, list(range(0, n_rows, _PART)), add, progress=_rows_done(progress, n_rows))
    tables = []
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=PIXEL_SCALE) as writer:
        for path in parts:
            tables.append(read_table(path))
            writer.add(tables[-1]['object_id'], np.load(path.with_suffix('.npy')))
            path.with_suffix('.npy').unlink()
            path.unlink()
    scratch.rmdir()
    manifest = vstack(tables, metadata_conflicts='silent')
    manifest.meta = {'simulated': True, 'seed': seed, **options}
    write_manifest(manifest, folder / 'manifest.parquet')
    return read_manifest(folder / 'manifest.parquet'), CutoutStore(folder / 'cutouts')


def _render(first, *, folder, n_rows, seed, options):
    """Write the table and the images of a part; return where."""
    table, images = mock_sample(min(_PART, n_rows - first), first_row=first, seed=seed, **options)
    table.remove_columns([name for name in _LEFT_OUT if name in table.colnames])
    path = folder / f'{first:09d}.parquet'
    table.meta = {'simulated': True}
    write_whole(table, path)
    np.save(path.with_suffix('.npy'), images)
    return [path]


def _rows_done(progress, n_rows):
    """Turn the number of parts that are done into the rows of the part just done."""
    if progress is None:
        return None
    told = [0]

    def tell(done, total):
        rows = n_rows if done == total else done * _PART
        progress(rows - told[0])
        told[0] = rows

    return tell
