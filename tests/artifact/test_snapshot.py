"""Changes of files while a stage reads them. The reference is the file system: what was written, and with which times."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adapt.artifact.digest import digest_raw
from adapt.artifact.snapshot import Snapshot
from adapt.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that were written a minute ago, as far as their own times tell."""
    folder = tmp_path / "raw"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jsonl", "sub/b.jsonl"):
        (folder / name).write_text("old", encoding="utf-8")
    return folder


def edit_and_set_the_time_back(folder: Path) -> None:
    path = folder / "a.jsonl"
    before = path.stat()
    path.write_text("new", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_one_of_the_same_size_and_time(folder: Path) -> None:
    path = folder / "a.jsonl"
    before, aside = path.stat(), folder.parent / "aside"
    aside.write_text("new", encoding="utf-8")
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    aside.replace(path)


def edit_through_a_hard_link(folder: Path) -> None:
    path, other = folder / "a.jsonl", folder.parent / "other name"
    before = path.stat()
    os.link(path, other)
    with other.open("r+", encoding="utf-8") as file:
        file.write("new")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.unlink()


def edit_and_take_it_back(folder: Path) -> None:
    """What a reader saw between is not known."""
    (folder / "a.jsonl").write_text("new", encoding="utf-8")
    shutil.copyfile(folder / "sub" / "b.jsonl", folder / "a.jsonl")


CHANGES: list[Callable[[Path], None]] = [
    edit_and_set_the_time_back,
    replace_by_one_of_the_same_size_and_time,
    edit_through_a_hard_link,
    edit_and_take_it_back,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_edit_is_seen(folder: Path, change: Callable[[Path], None]) -> None:
    snapshot = Snapshot.take(folder, raw=True)
    snapshot.require_unchanged()
    change(folder)
    with pytest.raises(InputError, match=r"a\.jsonl was changed while the stage read it"):
        snapshot.require_unchanged()


def test_what_is_added_and_what_is_removed_is_seen(folder: Path) -> None:
    snapshot = Snapshot.take(folder, raw=True)
    (folder / "c.jsonl").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.jsonl was changed"):
        snapshot.require_unchanged()
    (folder / "c.jsonl").unlink()
    (folder / "sub" / "b.jsonl").unlink()
    with pytest.raises(InputError, match=r"sub/b\.jsonl was changed"):
        snapshot.require_unchanged()


def test_reading_and_linking_change_nothing(folder: Path) -> None:
    """A copy of a backup by hard links, or a checkout of DVC, is no edit."""
    snapshot = Snapshot.take(folder, raw=True)
    (folder / "a.jsonl").read_bytes()
    os.link(folder / "a.jsonl", folder.parent / "backup")
    snapshot.require_unchanged()


def test_the_digest_is_that_of_all_files_and_each_is_known_by_its_path(folder: Path) -> None:
    snapshot = Snapshot.take(folder, raw=True)
    assert snapshot.digest == digest_raw(folder)
    assert set(snapshot.files) == {str(folder / "a.jsonl"), str(folder / "sub" / "b.jsonl")}
    assert len(set(snapshot.files.values())) == 1
