"""Folders of the cache: filled once, put there in one rename with a list of their files' digests, and held against that list before use."""

import errno
import json
import os
import shutil
from collections.abc import Callable
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
            with progress.task(label):
                _fill(folder, fill, label)


def _fill(folder: Path, fill: Callable[[Path], None], label: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    staging = folder.with_name(f".{folder.name}.staging")
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


def _is_complete(folder: Path) -> bool:
    try:
        files = json.loads((folder / COMPLETE).read_bytes())
        return all(remembered_digest(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False
