"""Folders of the cache: filled once, and used only as they were filled."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapt.artifact.cached import COMPLETE, fill_once
from adapt.artifact.progress import QuietProgress, Task
from adapt.errors import WorkspaceError


class Filler:
    """Writes two files, and remembers what lay there when it began."""

    def __init__(self) -> None:
        self.began_with: list[list[str]] = []
        self.error: OSError | None = None

    def __call__(self, folder: Path) -> None:
        self.began_with.append(sorted(path.name for path in folder.iterdir()))
        (folder / "a.txt").write_text("a")
        if self.error is not None:
            raise self.error
        (folder / "b.bin").write_bytes(bytes(1000))


def fill(folder: Path, filler: Filler) -> None:
    fill_once(folder, filler, label="converting", progress=QuietProgress())


def test_a_folder_is_filled_once_and_lists_its_files(tmp_path: Path) -> None:
    folder, filler = tmp_path / "deep" / "cache" / "base", Filler()
    fill(folder, filler)
    fill(folder, filler)
    assert filler.began_with == [[]]
    content = {"a.txt": b"a", "b.bin": bytes(1000)}
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != COMPLETE} == content
    assert json.loads((folder / COMPLETE).read_text()) == {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert sorted(path.name for path in folder.parent.iterdir()) == [".base.lock", "base"]


@pytest.mark.parametrize("damage", ["a byte", "a file", "the list", "the list's form", "no list"])
def test_a_damaged_folder_is_filled_anew(damage: str, tmp_path: Path) -> None:
    folder, filler = tmp_path / "base", Filler()
    fill(folder, filler)
    if damage == "a byte":
        (folder / "b.bin").write_bytes(bytes(999) + b"1")
    elif damage == "a file":
        (folder / "a.txt").unlink()
    elif damage == "no list":
        (folder / COMPLETE).unlink()
    else:
        (folder / COMPLETE).write_text("{" if damage == "the list" else "[]")
    fill(folder, filler)
    assert len(filler.began_with) == 2
    assert (folder / "b.bin").read_bytes() == bytes(1000)
    assert set(json.loads((folder / COMPLETE).read_text())) == {"a.txt", "b.bin"}


def test_what_a_failed_filling_left_is_given_to_the_next(tmp_path: Path) -> None:
    folder, filler = tmp_path / "base", Filler()
    filler.error = OSError(errno.EIO, "a broken disk")
    with pytest.raises(OSError, match="a broken disk"):
        fill(folder, filler)
    assert not folder.exists()
    filler.error = None
    fill(folder, filler)
    assert filler.began_with == [[], ["a.txt"]]
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.bin", COMPLETE]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_given_back(number: int, tmp_path: Path) -> None:
    folder, filler = tmp_path / "base", Filler()
    filler.error = OSError(number, os.strerror(number))
    with pytest.raises(WorkspaceError) as caught:
        fill(folder, filler)
    assert str(caught.value) == f"no space left on the disk while converting in {tmp_path}\nhint: free some space and try again"
    assert [path.name for path in tmp_path.iterdir()] == [".base.lock"]


def test_the_work_is_shown_by_its_label_only_when_it_is_done(tmp_path: Path) -> None:
    shown: list[str] = []

    class Shown(QuietProgress):
        @contextmanager
        def task(self, label: str, total: int | None = None) -> Iterator[Task]:
            shown.append(label)
            with super().task(label, total) as task:
                yield task

    for _ in range(2):
        fill_once(tmp_path / "base", Filler(), label="converting", progress=Shown())
    assert shown == ["converting"]


def test_two_processes_fill_one_folder_once(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom adapt.artifact.cached import fill_once\n"
        "from adapt.artifact.progress import QuietProgress, Task\n"
        "def fill(folder):\n    time.sleep(0.5)\n    (folder / 'a').write_text('a')\n    print('filled')\n"
        "fill_once(Path(sys.argv[1]), fill, label='x', progress=QuietProgress())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "base")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=60)[0] for process in both) == ["", "filled\n"]
    assert [process.returncode for process in both] == [0, 0]
