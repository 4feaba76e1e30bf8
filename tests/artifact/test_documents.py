from pathlib import Path

import pytest

from adapt.artifact import documents as arrow
from adapt.artifact.digest import digest_text
from adapt.artifact.documents import from_batch, read_batches, read_some
from adapt.records import Document, Message, Signals
from tests.artifact.written import write_documents


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    monkeypatch.setattr(arrow, "ROWS", 10)
    turns = (Message(role="user", content="问"), Message(role="assistant", content="答"))
    made = [
        Document(id=digest_text(str(number)), source="a", locator=str(number), kind="chat", language="zh", messages=turns * (1 + number % 3))
        for number in range(35)
    ]
    write_documents(tmp_path / "d.parquet", made)
    return made


def test_documents_survive_the_file_in_their_order(tmp_path: Path, made: list[Document]) -> None:
    batches = list(read_batches(tmp_path / "d.parquet"))
    assert [len(batch) for batch in batches] == [10, 10, 10, 5]
    assert [document for batch in batches for document in from_batch(batch)] == made


def test_some_documents_are_found_by_id(tmp_path: Path, made: list[Document]) -> None:
    wanted = [made[3], made[4], made[31]]
    found = read_some(tmp_path / "d.parquet", {"of nobody", *(document.id for document in wanted)})
    assert [document for batch in found for document in from_batch(batch)] == wanted
    assert list(read_some(tmp_path / "d.parquet", {"of nobody"})) == []


def test_columns_are_the_fields_of_a_document_with_whole_numbers_as_such() -> None:
    import pyarrow as pa

    schema = arrow.schema()
    assert schema.names[:-2] == [name for name in Document.model_fields if name not in ("messages", "signals")]
    assert {field.type for field in schema if field.name not in ("messages", "signals")} == {pa.string()}
    kinds = {int: pa.int32(), float: pa.float64()}
    for field in schema.field("signals").type:
        annotation = Signals.model_fields[field.name].annotation
        assert field.type == kinds.get(annotation, pa.float64()), field.name


def test_only_ids_have_statistics_which_readers_of_row_groups_need(tmp_path: Path, made: list[Document]) -> None:
    import pyarrow.parquet as pq

    group = pq.ParquetFile(tmp_path / "d.parquet").metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert [column.path_in_schema for column in columns if column.is_stats_set] == ["id"]
    statistics = next(column.statistics for column in columns if column.is_stats_set)
    assert (statistics.min, statistics.max) == (min(each.id for each in made[:10]), max(each.id for each in made[:10]))
