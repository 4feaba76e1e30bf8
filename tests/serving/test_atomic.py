"""Files that a running server reads: whoever reads while they are replaced sees the old content or the new, whole."""

import json
import os
import resource
import signal
import stat
import threading
from pathlib import Path

import pytest

from adapt.serving.atomic import write_whole
from adapt.serving.live import Live
from adapt.serving.plugin.aliases import parse_aliases

OLD, NEW = "finance@aaaaaaaaaaaa", "finance@bbbbbbbbbbbb"


def live_folder(tmp_path: Path) -> Live:
    live = Live(tmp_path / "live", tmp_path / "configuration")
    live.folder.mkdir()
    live.shift("finance", {OLD: 1.0}, action="deploy")
    return live


def test_a_reader_that_holds_the_old_alias_file_still_reads_it_whole(tmp_path: Path) -> None:
    live = live_folder(tmp_path)
    before = live.places.aliases.read_bytes()
    inode = live.places.aliases.stat().st_ino
    with live.places.aliases.open("rb", buffering=0) as reader:
        start = reader.read(5)
        live.shift("finance", {NEW: 1.0}, action="deploy")
        assert start + reader.read() == before
        assert os.fstat(reader.fileno()).st_nlink == 0  # that file is no longer the one in place
        assert live.places.aliases.stat().st_ino != inode
    assert live.aliases() == {"finance": {NEW: 1.0}}


def test_a_full_disk_while_aliases_are_written_leaves_the_old_file(tmp_path: Path) -> None:
    """A real failure after three bytes: the process may write no larger files."""
    live = live_folder(tmp_path)
    before = live.places.aliases.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            live.shift("finance", {NEW: 1.0}, action="deploy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    check_untouched(live, before)


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "replace")])
def test_a_crash_before_the_rename_leaves_the_old_alias_file(owner: object, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = live_folder(tmp_path)
    before = live.places.aliases.read_bytes()

    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr(owner, call, crash)
        with pytest.raises(KeyboardInterrupt):
            live.shift("finance", {NEW: 1.0}, action="deploy")
    check_untouched(live, before)


def check_untouched(live: Live, before: bytes) -> None:
    assert live.places.aliases.read_bytes() == before
    assert list(live.folder.glob(".aliases*")) == []
    assert [line["action"] for line in live.history("finance")] == ["deploy"]  # what was not done is not in the history


def test_readers_during_many_shifts_never_see_a_part(tmp_path: Path) -> None:
    live = live_folder(tmp_path)
    names = [f"name-{number}" for number in range(200)]  # a file of several pages
    write_whole(live.places.aliases, json.dumps({name: {f"{name}@{'a' * 12}": 1.0} for name in names}).encode())
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                if len(parse_aliases(live.places.aliases.read_bytes())) != len(names):
                    faults.append("names are missing")
            except (OSError, ValueError) as error:
                faults.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        live.shift("name-7", {f"name-7@{number:012x}": 1.0}, action="deploy")
    done.set()
    reader.join()
    assert faults == []


def test_content_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    synced, replaced = os.fsync, Path.replace

    def sync(handle: int) -> None:
        status = os.fstat(handle)
        events.append("folder" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes")
        synced(handle)

    def replace(path: Path, target: Path) -> Path:
        events.append("name")
        return replaced(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_whole(tmp_path / "deep" / "er" / "aliases.json", b"12345")
    assert events == ["5 bytes", "name", "folder"]


def test_secrets_are_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_whole(path, b"secret", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    write_whole(path, b"another", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
