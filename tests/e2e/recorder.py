"""Records which files of a folder any process opens, as the kernel tells it (inotify, Linux): libraries written in other
languages and workers included."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OPENED, _OVERFLOW = 0x20, 0x4000
_EVENT = struct.Struct("iIII")

needs_inotify = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@contextmanager
def opened_files(root: Path) -> Iterator[set[str]]:
    """Yield a set that holds, after the body, every file and folder below `root` that was opened in it, by relative path.

    Only what lies in folders that are there at the beginning is seen: what a stage builds is its own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    folders = [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]
    watched = {libc.inotify_add_watch(handle, os.fsencode(folder), _OPENED): folder for folder in folders}
    assert handle >= 0
    assert -1 not in watched, os.strerror(ctypes.get_errno())
    found: set[str] = set()
    try:
        yield found
        for watch, mask, name in _events(handle):
            assert not mask & _OVERFLOW, "more was opened than the kernel remembers"
            found.add((watched[watch] / name).relative_to(root).as_posix())
    finally:
        os.close(handle)


def _events(handle: int) -> Iterator[tuple[int, int, str]]:
    while True:
        try:
            data = os.read(handle, 1 << 20)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            yield watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
