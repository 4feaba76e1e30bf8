"""Folders of the cache: filled once, put there in one rename with a list of their files' digests, and held against that list before use."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from filelock import FileLock

from adapt.artifact.digest import remembered_digest
from adapt.artifact.progress import Progress
from adapt.artifact.staging import sync_folder
from adapt.errors import WorkspaceError

COMPLETE = "complete.json"
"""List of a cached folder's files with their digests."""


def fill_once(folder: Path, fill: Callable[[Path], None], *, label: str, progress: Progress) -> None:
    """Have `fill` write into `folder`, unless it is there and whole. What a killed one left is given to the next, which may take it up.

    A second process that needs the same folder waits for the first. Raises WorkspaceError when the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_complete(folder):
            progress.say(f"{label}, once for this cache: {folder.parent}")
            with progress.task(label) as task:
                task.note(partial(_show_size, _staging(folder)))
                _fill(folder, fill, label)


def _fill(folder: Path, fill: Callable[[Path], None], label: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    staging = _staging(folder)
    staging.mkdir(exist_ok=True)
    try:
        fill(staging)
        files = sorted(path for path in staging.iterdir() if path.is_file())
        (staging / COMPLETE).write_text(json.dumps({path.name: remembered_digest(path) for path in files}, indent=2) + "\n", encoding="utf-8")
        for path in (*files, staging / COMPLETE):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(staging)
        staging.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.rmtree(staging, ignore_errors=True)
        raise WorkspaceError(f"no space left on the disk while {label} in {folder.parent}", hint="free some space and try again") from None


def _staging(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.staging")


def _show_size(folder: Path) -> str:
    """How much lies in a folder that is being written."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # renamed since it was listed
            size += path.stat().st_size if path.is_file() else 0
    return f"{size / (1 << 20):,.0f} MiB written"


def _is_complete(folder: Path) -> bool:
    try:
        files = json.loads((folder / COMPLETE).read_bytes())
        return all(remembered_digest(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False
