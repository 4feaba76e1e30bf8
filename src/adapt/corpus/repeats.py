"""Which lines repeat in each folder, and which of those stand in each waiting piece."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.cleaning.boilerplate import LineCounts
from adapt.corpus.pieces import NO_KEY, WAITING
from adapt.corpus.spool import Spooled, read_spool
from adapt.spec.corpus import Boilerplate

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class _Lines(NamedTuple):
    """Digests of the lines of some texts of one folder."""

    folder: int
    digests: "NDArray[np.uint64]"
    texts: int


def repeated_lines(spools: Sequence[Spooled], folders: "NDArray[np.int64]", rule: Boilerplate) -> dict[int, "NDArray[np.uint64]"]:
    """Sorted digests of the repeated lines of each folder that has any; `folders` are the folders of the inputs, which are sorted by them."""
    found: dict[int, NDArray[np.uint64]] = {}
    for folder, parts in groupby(_lines(spools, folders), key=itemgetter(0)):
        counts = LineCounts()
        for part in parts:
            counts.add(part.digests, part.texts)
        again = (part.digests for part in _lines(spools, folders) if part.folder == folder)
        repeated = counts.repeated(rule, again)
        if len(repeated):
            found[folder] = repeated
    return found


def only_repeated(batch: "pa.RecordBatch", folders: "NDArray[np.int64]", repeated: Mapping[int, "NDArray[np.uint64]"]) -> "pa.RecordBatch":
    """Waiting pieces with no more in `lines` than what repeats, and in `raw` a key that covers that too; `folders` are those of the rows."""
    import numpy as np
    import pyarrow as pa

    column = batch.column("lines")
    digests, owners = column.flatten().to_numpy(), np.repeat(np.arange(len(batch)), column.value_lengths().to_numpy())
    kept = np.zeros(len(digests), bool)
    for folder in np.unique(folders).tolist():
        if folder in repeated:
            kept |= (folders[owners] == folder) & np.isin(digests, repeated[folder])
    lengths = np.bincount(owners[kept], minlength=len(batch))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lines = pa.ListArray.from_arrays(pa.array(offsets), pa.array(digests[kept], pa.uint64()))
    keys = batch.column("raw").to_pylist()
    for row in np.flatnonzero(lengths).tolist():
        if keys[row] != NO_KEY:
            keys[row] = blake2b(keys[row] + digests[kept][offsets[row] : offsets[row + 1]].tobytes(), digest_size=16).digest()
    names = batch.schema.names
    batch = batch.set_column(names.index("lines"), "lines", lines)
    return batch.set_column(names.index("raw"), "raw", pa.array(keys, pa.binary(16)))


def _lines(spools: Sequence[Spooled], folders: "NDArray[np.int64]") -> Iterator[_Lines]:
    import numpy as np

    for spool in spools:
        if not spool.waiting:
            continue
        owners = np.repeat(folders[list(spool.inputs)], spool.counts)
        start = 0
        for batch in read_spool(spool.path, spool.spans, ("state", "lines")):
            states, column = batch.column("state").to_numpy(), batch.column("lines")
            inside = owners[start : start + len(batch)]
            places = [*np.flatnonzero(np.diff(inside, prepend=-1)).tolist(), len(batch)]
            for first, last in pairwise(places):
                part = column.slice(first, last - first).flatten().to_numpy()
                yield _Lines(int(inside[first]), part, int((states[first:last] == WAITING).sum()))
            start += len(batch)
