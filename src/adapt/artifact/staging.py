"""Builds an output folder aside and puts it in place in one step.

Enters: where the output goes and what it is made from. Leaves: the folder, with `manifest.json` written last, or nothing:
a build that is killed leaves only a staging folder beside the output, which the next build of that output clears away.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from adapt.artifact.digest import digest_folder
from adapt.artifact.manifest import MANIFEST, write_manifest
from adapt.errors import InputError, WorkspaceError
from adapt.spec.resolved.stage import StageSection


@contextmanager
def staged(out: Path, *, section: StageSection, inputs: Mapping[str, Path | str], seed: int | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; on success it becomes `out` (replacing an older one), on failure it is removed.

    `inputs` are the folders that the output is made from, by label, or the digest of one that is known already; they go into the manifest as digests,
    with the section's. Raises InputError for a missing input, WorkspaceError when another process builds the same output or the disk is full.
    """
    for label, path in inputs.items():
        if isinstance(path, Path) and not path.exists():
            raise InputError(f"{label}: {path} does not exist", hint="build the stage before this one, or run `adapt build`")
    with locked(out):
        _clear_remains(out)
        staging = out.with_name(f".{out.name}.staging-{os.getpid()}")
        try:
            staging.mkdir(parents=True)
            digests = {label: digest_folder(path) if isinstance(path, Path) else path for label, path in inputs.items()}
            yield staging
            write_manifest(staging, section=section, inputs=digests, seed=seed)
            _sync(staging)
            _put_in_place(staging, out)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise WorkspaceError(f"no space left on the disk while writing {out}", hint="free some space and build again; nothing was lost") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the lock of output `out`; raises WorkspaceError at once when another process holds it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkspaceError(f"{out} is being built by another process", hint="wait for it to finish, then build again") from None
    try:
        yield
    finally:
        lock.release()


def _clear_remains(out: Path) -> None:
    for remains in out.parent.glob(f".{out.name}.staging-*"):
        shutil.rmtree(remains, ignore_errors=True)
    for remains in out.parent.glob(f".{out.name}.replaced-*"):
        shutil.rmtree(remains, ignore_errors=True)


def _put_in_place(staging: Path, out: Path) -> None:
    replaced = out.with_name(f".{out.name}.replaced-{os.getpid()}")
    if out.exists():
        out.rename(replaced)
    staging.rename(out)
    sync_folder(out.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Bring every file, the manifest last, and every folder to the disk before the rename makes them visible."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == MANIFEST)
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_folder(path)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
