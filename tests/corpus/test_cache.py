import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from adapt.artifact.rowgroups import RowGroup, RowGroupWriter
from adapt.corpus import recall, steps
from adapt.engine.local import Inline
from adapt.errors import InputError
from adapt.spec.corpus import Boilerplate, CorpusSpec
from adapt.spec.pii import Pii
from tests.corpus.corpora import Corpus, check, generation

CHAT = '{"messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A thing, ask a@b.com."}]}\n'


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sources of the drafts that are finished, as they are finished."""
    seen: list[str] = []
    measure = steps.measure

    def noting(drafts: Sequence[steps.Draft], corpus: object) -> object:
        seen.extend(draft.source for draft in drafts)
        return measure(drafts, corpus)

    monkeypatch.setattr(steps, "measure", noting)
    return seen


@pytest.fixture
def filled(corpus: Corpus, tmp_path: Path) -> Corpus:
    for number in range(6):
        corpus.write(f"n/{number}.md", f"# Page {number}\n\nThis page tells of case {number}, mail {number}@b.com.\n\nProvided by the Desk of it.\n")
    corpus.write("t.csv", "".join(["question,answer\n", *(f"What is {number}?,The number {number}.\n" for number in range(40))]))
    corpus.write("c.jsonl", CHAT * 3 + "{broken\n")
    corpus.write("gb.txt", "这是一个用旧编码写成的文件，里面有一些中文内容。\n".encode("gb18030"))
    corpus.build(cache=tmp_path / "cache")
    return corpus


def test_nothing_is_cleaned_again_when_nothing_changed(filled: Corpus, tmp_path: Path, cleaned: list[str], finished: list[str]) -> None:
    before = filled.files()
    filled.build(cache=tmp_path / "cache")
    assert (cleaned, finished) == ([], [])
    assert filled.files() == before
    check(filled, tmp_path)


class _Editor(Inline):
    """An engine during whose work somebody edits a raw file, and sets its time back."""

    def __init__(self, path: Path, *, before_reading: bool) -> None:
        self._path, self._before = path, before_reading

    def map(self, operator: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        for task in tasks:
            if self._before:
                self._edit()
            yield operator(task)
            self._edit()

    def _edit(self) -> None:
        before, content = self._path.stat(), self._path.read_bytes()
        self._path.write_bytes(content.replace(b"number 7", b"letter 7"))
        os.utime(self._path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("before_reading", [True, False])
def test_a_file_that_is_edited_while_it_is_read_leaves_neither_output_nor_cache(
    filled: Corpus, tmp_path: Path, before_reading: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the cache would give the new rows for the digest of the old file, or the reverse, in every later build."""
    monkeypatch.setattr("adapt.corpus.intake._SMALL", 0)  # so that the engine is asked for files as small as these
    outputs, kept = filled.files(), generation(tmp_path)
    filled.write("t.csv", (filled.raw / "t.csv").read_text().replace("number 3", "letter 3"))
    with pytest.raises(InputError, match=r"t\.csv was changed while the stage read it; nothing of this run was kept"):
        filled.build(cache=tmp_path / "cache", engine=_Editor(filled.raw / "t.csv", before_reading=before_reading))
    assert (filled.files(), generation(tmp_path)) == (outputs, kept)
    check(filled, tmp_path)
    assert "The letter 7." in {document.output for document in filled.documents()}


def test_a_changed_file_is_cleaned_alone(filled: Corpus, tmp_path: Path, cleaned: list[str], finished: list[str]) -> None:
    filled.write("n/3.md", "# Page 3\n\nThis page tells something new.\n\nProvided by the Desk of it.\n")
    filled.write("n/9.md", "A new page with its own words.\n")
    (filled.raw / "n/1.md").unlink()
    filled.build(cache=tmp_path / "cache")
    assert cleaned == ["n/3.md:", "n/9.md:"]
    assert finished == ["n/3.md", "n/9.md"]
    check(filled, tmp_path)
    assert filled.document("n/3.md").text == "# Page 3\n\nThis page tells something new."


def test_in_a_changed_table_only_changed_rows_are_cleaned_wherever_they_move(filled: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    rows = (filled.raw / "t.csv").read_text().splitlines(keepends=True)
    filled.write("t.csv", "".join([rows[0], "What is new?,This.\n", *rows[1:20], *rows[21:]]))
    filled.build(cache=tmp_path / "cache")
    assert cleaned == ["t.csv:line 2"]
    check(filled, tmp_path)
    assert [document.locator for document in filled.documents() if document.instruction == "What is 0?"] == ["line 3"]


def test_texts_are_finished_again_when_other_lines_repeat(filled: Corpus, tmp_path: Path, cleaned: list[str], finished: list[str]) -> None:
    for number in range(20):
        filled.write(f"n/new {number}.md", f"Words of the new page {number}.\n")
    filled.build(cache=tmp_path / "cache")
    assert len(cleaned) == 20  # the line of the Desk is in 6 of 26 now, and stays
    assert sorted(finished) == sorted([f"n/{number}.md" for number in range(6)] + [f"n/new {number}.md" for number in range(20)])
    check(filled, tmp_path)
    assert "Provided by the Desk" in filled.document("n/2.md").text


@pytest.mark.parametrize(
    "spec", [CorpusSpec(pii=Pii(email="allow")), CorpusSpec(boilerplate=None), CorpusSpec(boilerplate=Boilerplate(min_share=1)), CorpusSpec()]
)
def test_settings_count(filled: Corpus, tmp_path: Path, spec: CorpusSpec) -> None:
    check(filled, tmp_path, spec)
    check(filled, tmp_path)


def test_a_new_key_of_pseudonyms_counts(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CorpusSpec(pii=Pii(email="pseudonym", pseudonym_key="KEY"))
    corpus.write("c.jsonl", CHAT)
    monkeypatch.setenv("KEY", "a key of sixteen or more")
    check(corpus, tmp_path, spec)
    before = corpus.files()
    monkeypatch.setenv("KEY", "another key of sixteen")
    check(corpus, tmp_path, spec)
    assert corpus.files() != before


def test_lines_of_a_cut_file_are_known_by_themselves(corpus: Corpus, tmp_path: Path, cleaned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 14)
    lines = [json.dumps({"question": f"What is {number}?", "answer": f"It is {number}, as was said."}) + "\n" for number in range(1500)]
    lines[7] = "{broken\n"
    corpus.write("r.jsonl", "".join(lines))
    check(corpus, tmp_path)
    cleaned.clear()
    lines[900] = json.dumps({"question": "What is new?", "answer": "This."}) + "\n"
    lines.insert(1200, "\n")
    lines.insert(1201, json.dumps({"question": "What else?", "answer": "That."}) + "\n")
    corpus.write("r.jsonl", "".join(lines))
    corpus.build(cache=tmp_path / "cache")
    assert cleaned == ["r.jsonl:line 901", "r.jsonl:line 1202"]
    check(corpus, tmp_path)
    lines[0] = json.dumps({"question": "What is first?", "answer": "Me."}) + "\n"
    corpus.write("r.jsonl", "".join(lines))
    check(corpus, tmp_path)


def test_portions_without_a_change_are_known_by_one_digest_and_their_row_groups_copied(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 14)
    monkeypatch.setattr("adapt.corpus.groups.ROWS", 200)
    monkeypatch.setattr("adapt.corpus.groups.LEAST_ROWS", 50)
    asked: list[int] = []
    encoded: list[int] = []
    read_lines, encode = recall.read_lines, RowGroupWriter.encode

    def noting_lines(*arguments: Any) -> Any:
        asked.append(1)
        return read_lines(*arguments)

    def noting_groups(writer: RowGroupWriter, batch: Any) -> RowGroup:
        encoded.append(len(batch))
        return encode(writer, batch)

    monkeypatch.setattr(recall, "read_lines", noting_lines)
    monkeypatch.setattr(RowGroupWriter, "encode", noting_groups)
    lines = [json.dumps({"question": f"What is {number}?", "answer": f"It is {number}, as was said."}) + "\n" for number in range(4000)]
    corpus.write("r.jsonl", "".join(lines))
    corpus.build(cache=tmp_path / "cache")
    all_portions, all_groups = len(asked), len(encoded)
    assert all_portions > 6
    assert all_groups > 19
    asked.clear()
    encoded.clear()
    corpus.build(cache=tmp_path / "cache")
    assert (asked, encoded) == ([], [])
    for number in (2000, 2001):
        lines[number] = json.dumps({"question": f"What is new in {number}?", "answer": "Something that takes more words than before."}) + "\n"
        corpus.write("r.jsonl", "".join(lines))
        asked.clear()
        encoded.clear()
        corpus.build(cache=tmp_path / "cache")
        assert 1 <= len(asked) <= 3
        assert 1 <= len(encoded) <= 4
    check(corpus, tmp_path)


def test_lines_of_a_small_file_are_known_by_themselves_and_odd_files_as_a_whole(corpus: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    rows = [
        json.dumps({"question": f"What is {number}?", "answer": f"It is {number}, as was said, 好。"}, ensure_ascii=False) for number in range(1200)
    ]
    for name, end, codec in (("a.jsonl", "\n", "utf-8"), ("b.jsonl", "\r\n", "utf-8-sig"), ("c.jsonl", "\r", "utf-8"), ("d.jsonl", "\n", "gb18030")):
        corpus.write(name, end.join([*rows, ""]).encode(codec))
    assert corpus.build(cache=tmp_path / "cache").pieces == 4800
    cleaned.clear()
    rows[700] = json.dumps({"question": "What is new?", "answer": "This."})
    for name, end, codec in (("a.jsonl", "\n", "utf-8"), ("b.jsonl", "\r\n", "utf-8-sig"), ("c.jsonl", "\r", "utf-8"), ("d.jsonl", "\n", "gb18030")):
        corpus.write(name, end.join([*rows, ""]).encode(codec))
    corpus.build(cache=tmp_path / "cache")
    assert cleaned == [f"{name}.jsonl:line 701" for name in "abcd"]
    check(corpus, tmp_path)


@pytest.mark.parametrize("damage", ["index.json", "pieces-000000.arrow", "finished.arrow", "documents.parquet", "archives.json", "inputs.npy"])
def test_a_damaged_cache_is_ignored_and_made_anew(filled: Corpus, tmp_path: Path, damage: str, cleaned: list[str]) -> None:
    path = generation(tmp_path) / damage
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    filled.build(cache=tmp_path / "cache")
    assert len(cleaned) == 50
    cleaned.clear()
    filled.build(cache=tmp_path / "cache")
    assert cleaned == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"index": 3}', b'{"index": {"version": 99}, "digest": ""}'])
def test_a_foreign_index_is_ignored(filled: Corpus, tmp_path: Path, content: bytes) -> None:
    (generation(tmp_path) / "index.json").write_bytes(content)
    check(filled, tmp_path)


def test_a_cache_in_use_is_left_alone(filled: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    before = generation(tmp_path)
    with FileLock(tmp_path / "cache/lock"):
        filled.build(cache=tmp_path / "cache")
    assert len(cleaned) == 50
    assert generation(tmp_path) == before


def test_a_failed_build_keeps_the_former_generation(filled: Corpus, tmp_path: Path, cleaned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("adapt.corpus.groups.DocumentWriter.add", fail)
        with pytest.raises(KeyboardInterrupt):
            filled.build(cache=tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [generation(tmp_path)]
    filled.build(cache=tmp_path / "cache")
    assert cleaned == []


def test_a_moved_corpus_finds_its_cache(filled: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    shutil.move(filled.raw, tmp_path / "moved")
    filled.raw = tmp_path / "moved"
    filled.build(cache=tmp_path / "cache")
    assert cleaned == []


def test_an_output_that_was_written_to_is_no_cache_any_more(filled: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    with (filled.out / "documents.parquet").open("r+b") as file:
        file.seek(50)
        file.write(b"damage")
    check(filled, tmp_path)
