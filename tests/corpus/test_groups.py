import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from adapt.artifact.digest import digest_text
from adapt.artifact.documents import FILE, ROWS, from_batch, read_batches, schema, to_batch
from adapt.corpus.groups import LEAST_ROWS, DocumentWriter, KeptGroups, Regrouper, row_bytes
from adapt.records import Document, Message
from tests.corpus.corpora import Corpus


def document(name: str, text: str = "") -> Document:
    return Document(id=digest_text(name), source="a", locator=name, kind="text", language="en", text=text or f"Text {name}.")


def documents(count: int) -> list[Document]:
    return [document(str(number)) for number in range(count)]


def pieces(made: list[Document]) -> pa.RecordBatch:
    """Documents with the key of what they were read from."""
    return to_batch(made).append_column("raw", pa.array([each.id.encode()[:16] for each in made], pa.binary(16)))


def written(path: Path, made: list[Document], step: int) -> list[list[Document]]:
    """The groups of a file that documents went into by `step`."""
    with DocumentWriter(path, b"", None, None) as writer:
        for start in range(0, len(made), step):
            writer.add(pieces(made[start : start + step]))
    return [from_batch(batch) for batch in read_batches(path)]


def test_documents_keep_their_order_and_their_groups_however_they_come(tmp_path: Path) -> None:
    made = documents(5 * ROWS)
    groups = written(tmp_path / "a", made, 300)
    assert [each for group in groups for each in group] == made
    assert all(LEAST_ROWS <= len(group) <= ROWS for group in groups[:-1])
    for step in (1700, 5 * ROWS):
        assert written(tmp_path / "b", made, step) == groups
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_kept_groups_are_found_however_the_documents_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    made = documents(5 * ROWS)
    (tmp_path / "kept").mkdir()
    for step, former in ((300, None), (1700, tmp_path / "kept")):
        if former:
            monkeypatch.setattr("adapt.artifact.rowgroups.RowGroupWriter.encode", never)
        with DocumentWriter(tmp_path / str(step), b"", KeptGroups(former) if former else None, None if former else tmp_path / "kept") as writer:
            for start in range(0, len(made), step):
                writer.add(pieces(made[start : start + step]))
    assert (tmp_path / "300").read_bytes() == (tmp_path / "1700").read_bytes()


def test_one_document_more_moves_few_ends(tmp_path: Path) -> None:
    made = documents(20 * ROWS)
    before = {group[0].id for group in written(tmp_path / "a", made, 4000)}
    after = [group[0].id for group in written(tmp_path / "a", [*made[:900], document("new"), *made[900:]], 4000)]
    assert len([name for name in after if name not in before]) <= 3


def test_huge_documents_make_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.groups.BYTES", 10_000)
    made = [document(str(number), "word " * 800) for number in range(7)] + [document("huge", "x" * 50_000), *documents(3)]
    groups = written(tmp_path / "a", made, 4)
    assert [len(group) for group in groups] == [2, 2, 2, 1, 1, 3]
    assert [each for group in groups for each in group] == made
    written(tmp_path / "b", made, 11)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_huge_documents_of_a_corpus_give_the_same_bytes_anew_and_again(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.groups.BYTES", 20_000)
    monkeypatch.setattr("adapt.corpus.steps.BATCH_BYTES", 30_000)
    for number in range(9):
        corpus.write(f"{number}.md", f"# Page {number}\n\n" + f"This page tells of case {number} at length. " * 250)
    corpus.build(cache=tmp_path / "cache")
    assert [batch.num_rows for batch in read_batches(corpus.out / FILE)] == [2, 2, 2, 2, 1]
    corpus.write("4.md", "# Page 4\n\nThis page is short now.")
    corpus.build(cache=tmp_path / "cache")
    corpus.build(out=tmp_path / "anew")
    assert corpus.files() == corpus.files(tmp_path / "anew")


def test_a_row_larger_than_the_bound_stands_alone() -> None:
    found: list[int] = []
    groups = Regrouper(lambda parts: found.append(sum(map(len, parts))), rows=100, size=100)
    for length in (10, 500, 10, 10, 80, 10):
        groups.add(pa.RecordBatch.from_pydict({"a": ["x" * length]}))
    groups.close()
    assert found == [1, 1, 2, 2]


def test_sizes_of_rows_are_the_same_in_a_slice() -> None:
    rng = random.Random(1)
    made = [
        each.model_copy(update={"text": "y" * rng.randrange(50), "messages": (Message(role="user", content="z" * rng.randrange(9)),) * (number % 3)})
        for number, each in enumerate(documents(40))
    ]
    batch = to_batch(made)
    assert batch.schema == schema()
    sizes = row_bytes(batch)
    assert (np.diff(sizes[:2]) != 0).all()
    assert row_bytes(batch.slice(7, 20)).tolist() == sizes[7:27].tolist()
