import io
import json
import os
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from adapt.corpus.sources.archives import list_members
from tests.corpus.corpora import Corpus, check, generation


def test_an_archive_without_a_change_is_not_listed_again(corpus: Corpus, tmp_path: Path, cleaned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []

    def noting(path: str, limits: Any) -> Any:
        listed.append(Path(path).name)
        return list_members(path, limits)

    monkeypatch.setattr("adapt.corpus.listings.list_members", noting)
    corpus.write("a.tar.gz", tar_of({"x.txt": b"Words of the first.", "../y.txt": b"Words that lead out.", "z.bin": b"z"}))
    corpus.write("b.tar.gz", tar_of({"x.txt": b"Words of the second."}))
    corpus.build(cache=tmp_path / "cache")
    before = corpus.files()
    listed.clear()
    cleaned.clear()
    corpus.build(cache=tmp_path / "cache")
    assert (listed, cleaned) == ([], [])
    assert corpus.files() == before
    corpus.write("b.tar.gz", tar_of({"x.txt": b"Words of the third.."}))  # as long as before
    corpus.build(cache=tmp_path / "cache")
    assert (listed, cleaned) == (["b.tar.gz"], ["b.tar.gz/x.txt:"])
    check(corpus, tmp_path)
    assert corpus.document("b.tar.gz/x.txt").text == "Words of the third.."


def test_a_member_is_read_again_when_its_bytes_change_and_nothing_else(corpus: Corpus, tmp_path: Path, cleaned: list[str]) -> None:
    path = corpus.raw / "a.zip"
    path.write_bytes(zip_of({"x.txt": b"Words of the first.", "y.txt": b"Words of another."}))
    corpus.build(cache=tmp_path / "cache")
    cleaned.clear()
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"Words of the first.", b"Words of the FIRST."))  # its checksum in the directory is the old one
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    corpus.build(cache=tmp_path / "cache")
    assert cleaned == []
    assert [document.source for document in corpus.documents()] == ["a.zip/y.txt"]
    check(corpus, tmp_path)


def test_an_archive_that_is_cut_off_is_listed_every_time(corpus: Corpus, tmp_path: Path) -> None:
    corpus.write("a.tar.gz", tar_of({"x.txt": b"Words of the first.", "y.txt": random.Random(1).randbytes(9000)})[:-2000])
    for _ in range(2):
        check(corpus, tmp_path)


def rows_of(numbers: list[int]) -> str:
    rows = ({"question": f"What is {number}?", "answer": f"It is {number}, as was said."} for number in numbers)
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def linking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions, tasks and links are small."""
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 13)
    monkeypatch.setattr("adapt.corpus.tasks._BYTES", 1 << 15)
    monkeypatch.setattr("adapt.corpus.linking.LEAST_BYTES", 1 << 12)


@pytest.mark.usefixtures("linking")
def test_files_of_pieces_without_a_change_are_linked_until_most_of_them_is_unused(corpus: Corpus, tmp_path: Path) -> None:
    numbers = list(range(6000))
    corpus.write("r.jsonl", rows_of(numbers))
    corpus.build(cache=tmp_path / "cache")
    first = {path.stat().st_ino for path in generation(tmp_path).glob("pieces-*")}
    assert len(first) > 8
    numbers[3000] = 9000
    corpus.write("r.jsonl", rows_of(numbers))
    corpus.build(cache=tmp_path / "cache")
    names = {path.name for path in generation(tmp_path).glob("pieces-*")}
    kept = {path.stat().st_ino for path in generation(tmp_path).glob("pieces-*")} & first
    assert len(kept) > len(first) // 2
    assert (generation(tmp_path) / "documents.parquet").samefile(corpus.out / "documents.parquet")
    check(corpus, tmp_path)
    for at in range(0, 6000, 40):
        numbers[at] = 10000 + at
    corpus.write("r.jsonl", rows_of(numbers))
    check(corpus, tmp_path)
    assert len({path.name for path in generation(tmp_path).glob("pieces-*")} & names) <= 2


@pytest.mark.usefixtures("linking")
@pytest.mark.parametrize("links", [True, False])
def test_many_changes_one_after_the_other_give_the_bytes_of_a_build_from_nothing(
    corpus: Corpus, tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    rng = random.Random(7)
    numbers = list(range(2500))
    for turn in range(5):
        for page in range(40):
            if turn == 0 or rng.random() < 0.1:
                corpus.write(
                    f"n/{page}.md", f"# Page {page}\n\n" + f"This page tells of turn {turn}, case {page}. " * 20 + "\n\nProvided by the Desk.\n"
                )
        corpus.write("r.jsonl", rows_of(numbers))
        check(corpus, tmp_path)
        at = rng.randrange(2000)
        numbers[at : at + rng.randrange(300)] = [rng.randrange(5000) for _ in range(rng.randrange(300))]


def tar_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()
