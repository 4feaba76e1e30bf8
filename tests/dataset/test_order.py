"""The order of rows is that of a stable sort by all columns, whether or not they stand in it already."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.dataset.order import ascending_order

ROWS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "ab", "b"]), st.binary(min_size=2, max_size=2)), max_size=12)


def made(rows: list[tuple[int, str, bytes]], cut: int = 3) -> pa.Table:
    """The rows in chunks of `cut`."""
    names, kinds = ("number", "text", "raw"), (pa.int32(), pa.string(), pa.binary(2))
    columns = [[row[place] for row in rows] for place in range(3)]
    chunks = [[column[at : at + cut] for at in range(0, len(rows), cut)] for column in columns]
    return pa.table({name: pa.chunked_array(parts, kind) for name, parts, kind in zip(names, chunks, kinds, strict=True)})


@settings(deadline=None)  # pyarrow.compute is imported by the first example
@given(ROWS, st.booleans())
def test_rows_are_ordered_as_a_stable_sort_orders_them(rows: list[tuple[int, str, bytes]], sort_before: bool) -> None:
    rows = sorted(rows) if sort_before else rows
    assert ascending_order(made(rows)).tolist() == sorted(range(len(rows)), key=rows.__getitem__)


def test_rows_that_ascend_are_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pc, "sort_indices", lambda *_, **__: pytest.fail("sorted"))
    rows = [(0, "b", b"zz"), (1, "a", b"aa"), (1, "a", b"aa"), (1, "ab", b"aa")]
    np.testing.assert_array_equal(ascending_order(made(rows, 2)), np.arange(4))
