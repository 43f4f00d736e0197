# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The two passes over the parts of a pool; see `lensfinder_audit.sampling`.

They are sent to worker processes, whose start would take longer than their work if
this module imported more than NumPy.
"""
import numpy as np

from lensfinder_audit._pool_keys import keyed_hash

__all__ = ['CountPass', 'TakePass', 'boundary', 'bins_of']

_COUNTED, _TAKEN = 1 << 20, 1 << 18  # rows at a time


def bins_of(hashes, bits):
    """Return the leading bits of hashes."""
    return (hashes >> np.uint64(64 - bits)).astype(np.int64)


class CountPass:
    """First pass: how many objects of each group have a hash in each bin."""

    def __init__(self, groups, bits, seed):
        self.groups, self.bits, self.seed = groups, bits, seed

    def __call__(self, path):
        from pyarrow import parquet

        counts = np.zeros(self.groups << self.bits, dtype=np.int64)
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_COUNTED, columns=['_group', '_number']):
                place = bins_of(keyed_hash(batch['_number'].to_numpy(), self.seed), self.bits)
                place += batch['_group'].to_numpy().astype(np.int64) << self.bits
                counts += np.bincount(place, minlength=len(counts))
        return counts.reshape(self.groups, -1)


def boundary(counts, drawn):
    """Return the bin of each group in which the wanted number is reached, -1 for none wanted."""
    reached = np.cumsum(counts, axis=1) >= drawn[:, None]
    return np.where(drawn > 0, np.argmax(reached, axis=1), -1)


class TakePass:
    """Second pass: the rows of a part that can be in the sample, as a list of one table."""

    def __init__(self, last, bits, seed, kept):
        self.last, self.bits, self.seed, self.kept = last, bits, seed, kept

    def __call__(self, numbered):
        from pyarrow import parquet

        number, path = numbered
        found = self.kept.load(number, parquet.read_table)
        if found is None:
            found = self._take(path)
            self.kept.save(number, lambda place: parquet.write_table(found, place))
        return [found]

    def _take(self, path):
        """Texts are kept as codes until few rows are left: decoding them is half the time."""
        import pyarrow as pa
        from pyarrow import parquet

        schema = parquet.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        tables = []
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            for batch in file.iter_batches(_TAKEN):
                bins = bins_of(keyed_hash(batch['_number'].to_numpy(), self.seed), self.bits)
                keep = np.flatnonzero(bins <= self.last[batch['_group'].to_numpy()])
                table = pa.table(batch).take(pa.array(keep))
                tables.append(table.cast(schema.remove_metadata()))
        return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()
