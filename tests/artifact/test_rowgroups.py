from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.artifact.rowgroups import RowGroupWriter

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
MEASURED = pa.struct([("words", pa.int32()), ("share", pa.float64())])
SCHEMA = pa.schema([("id", pa.string()), ("kind", pa.string()), ("text", pa.string()), ("turns", pa.list_(TURN)), ("measured", MEASURED)])
OPTIONS = {"compression": "zstd", "use_dictionary": ["kind"], "write_statistics": ["id"]}


def batch(start: int, rows: int) -> pa.RecordBatch:
    numbers = range(start, start + rows)
    turns = [[{"role": "user", "content": f"turn {turn}"} for turn in range(number % 3)] for number in numbers]
    return pa.RecordBatch.from_pydict(
        {
            "id": [f"{number:08x}" for number in numbers],
            "kind": ["ab"[number % 2] for number in numbers],
            "text": [f"Words of {number}. " * (number % 7) for number in numbers],
            "turns": turns,
            "measured": [{"words": number, "share": None if number % 5 else number / 7} for number in numbers],
        },
        schema=SCHEMA,
    )


@pytest.mark.parametrize("sizes", [[], [1], [300, 5, 2000], [7] * 40])
def test_the_bytes_are_those_of_the_library_that_writes_all_at_once(tmp_path: Path, sizes: list[int]) -> None:
    batches = [batch(100 * number, size) for number, size in enumerate(sizes)]
    with RowGroupWriter(tmp_path / "a.parquet", SCHEMA, **OPTIONS) as writer:
        for each in batches:
            writer.write(writer.encode(each))
    with pq.ParquetWriter(tmp_path / "b.parquet", SCHEMA, **OPTIONS) as library:
        for each in batches:
            library.write_batch(each, row_group_size=len(each))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert len(writer) == sum(sizes)
    assert pq.read_table(tmp_path / "a.parquet") == pa.Table.from_batches(batches, SCHEMA)


def test_a_group_of_another_file_may_stand_anywhere(tmp_path: Path) -> None:
    one, two = batch(0, 50), batch(900, 70)
    with RowGroupWriter(tmp_path / "a.parquet", SCHEMA, **OPTIONS) as first:
        groups = [first.encode(one), first.encode(two)]
        for group in groups:
            first.write(group)
    with RowGroupWriter(tmp_path / "b.parquet", SCHEMA, **OPTIONS) as second:
        for group in [groups[1], groups[0], groups[1]]:
            second.write(group)
    assert pq.read_table(tmp_path / "b.parquet") == pa.Table.from_batches([two, one, two])
    metadata = pq.read_metadata(tmp_path / "b.parquet")
    assert [metadata.row_group(number).num_rows for number in range(3)] == [70, 50, 70]
