"""The order of the rows of a table by its columns."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def ascending_order(table: "pa.Table") -> NDArray[np.int64]:
    """The places of the rows by the first column, then by the second and so on; equal rows as they stand. No column has gaps.

    Rows that ascend already, as those of a source that is read from its first line to its last, are compared with their neighbours and not sorted.
    """
    import pyarrow.compute as pc

    if _ascends(table):
        return np.arange(len(table))
    return np.asarray(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]).to_numpy().astype(np.int64))


def _ascends(table: "pa.Table") -> bool:
    import pyarrow.compute as pc

    tied = np.ones(max(0, len(table) - 1), dtype=bool)
    for column in table.columns:
        before, after = column.slice(0, len(tied)), column.slice(1)
        if (tied & pc.greater(before, after).to_numpy()).any():
            return False
        tied &= pc.equal(before, after).to_numpy()
        if not tied.any():
            break
    return True
