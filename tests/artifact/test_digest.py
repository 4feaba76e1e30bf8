import hashlib
import json
import os
from pathlib import Path

import pytest

from adapt.artifact.digest import UNREADABLE, digest_files, digest_folder, digest_raw, digest_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/long.bin").write_bytes(bytes(range(256)) * 10_000)
    (tmp_path / "b/empty.txt").write_bytes(b"")
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("x", encoding="utf-8")
    (tmp_path / ".out.staging-7").mkdir()
    (tmp_path / ".out.staging-7/half.txt").write_text("x", encoding="utf-8")
    return tmp_path


def test_names_are_relative_and_sorted_and_what_is_no_content_is_left_out(folder: Path) -> None:
    assert list(digest_files(folder)) == ["a.txt", "b/c/long.bin", "b/empty.txt"]
    assert digest_files(folder)["a.txt"] == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    (folder / os.fsdecode(b"\xff")).write_text("x", encoding="utf-8")
    assert "\\xff" in digest_files(folder)


def test_a_folder_is_known_by_names_and_bytes(folder: Path) -> None:
    before = digest_folder(folder)
    (folder / "a.txt").rename(folder / "z.txt")
    assert digest_folder(folder) != before


def test_raw_data_are_known_by_all_their_files_even_if_one_looks_like_a_manifest_of_ours(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"schema_version": 2, "files": {}}', encoding="utf-8")
    before = digest_folder(folder), digest_raw(folder)
    (folder / "a.txt").write_text("b", encoding="utf-8")
    assert digest_folder(folder) == before[0]
    assert digest_raw(folder) != before[1]


def test_a_file_that_may_not_be_read_is_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise PermissionError(path)

    monkeypatch.setattr("adapt.artifact.digest.digest_file", refuse)
    assert set(digest_files(folder).values()) == {UNREADABLE}


def test_texts_are_digested_with_their_borders() -> None:
    digests = [digest_text("ab", "c"), digest_text("a", "bc"), digest_text("abc"), digest_text("abc", ""), digest_text("", "abc")]
    assert len(set(digests)) == 5
    assert digest_text("", "\ud800") == digest_text("", "\ud800")


def test_a_finished_output_is_known_by_its_manifest_alone(tmp_path: Path) -> None:
    fields = {"schema_version": 2, "files": {}}
    text = json.dumps(fields)
    (tmp_path / "manifest.json").write_text(text)
    for other in ("a", "b"):
        (tmp_path / "other").write_text(other)
        assert digest_folder(tmp_path) == hashlib.sha256(text.encode()).hexdigest()
    for name in fields:
        (tmp_path / "manifest.json").write_text(json.dumps({key: value for key, value in fields.items() if key != name}))
        before = digest_folder(tmp_path)
        (tmp_path / "other").write_text(name)
        assert digest_folder(tmp_path) != before, f"without {name} it is somebody else's file"
