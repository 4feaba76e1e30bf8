import random
from pathlib import Path

import pytest

from adapt.artifact.digest import digest_text
from adapt.artifact.documents import ROWS, from_batch, to_batch
from adapt.corpus.sorting import DocumentSorter
from adapt.records import Document


def documents(count: int) -> list[Document]:
    made = [
        Document(id=digest_text(str(number)), source="a", locator="", kind="text", language="en", text=f"Text {number}.") for number in range(count)
    ]
    random.Random(1).shuffle(made)
    return made


@pytest.mark.parametrize(("run", "bytes_of_a_range"), [(1 << 26, 1 << 24), (1 << 18, 1 << 16), (1, 1 << 18)])
def test_documents_come_by_id_in_full_batches_whatever_the_runs_and_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: int, bytes_of_a_range: int
) -> None:
    monkeypatch.setattr("adapt.corpus.sorting._RUN_BYTES", run)
    monkeypatch.setattr("adapt.corpus.sorting._RANGE_BYTES", bytes_of_a_range)
    made = documents(ROWS + 500)
    batches = [to_batch(made[start : start + 300]) for start in range(0, len(made), 300)]
    with DocumentSorter(tmp_path / "sorting", sum(batch.nbytes for batch in batches)) as sorter:
        for batch in batches:
            sorter.add(batch)
        sorted_batches = list(sorter.sorted())
    assert [len(batch) for batch in sorted_batches] == [ROWS, 500]
    assert [document for batch in sorted_batches for document in from_batch(batch)] == sorted(made, key=lambda document: document.id)


def test_ids_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    made = [document.model_copy(update={"id": "0" * 30 + document.id[30:]}) for document in documents(50)]
    with DocumentSorter(tmp_path / "sorting", 1) as sorter:
        sorter.add(to_batch(made))
        (batch,) = sorter.sorted()
    assert from_batch(batch) == sorted(made, key=lambda document: document.id)


def test_no_document_is_no_batch(tmp_path: Path) -> None:
    with DocumentSorter(tmp_path / "sorting", 0) as sorter:
        assert list(sorter.sorted()) == []
