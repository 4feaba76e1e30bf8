"""Builds an output folder aside and puts it in place in one step.

Enters: where the output goes and what it is made from. Leaves: the folder, with `manifest.json` written last, or nothing:
a build that is killed leaves only a staging folder beside the output, which the next build of that output clears away.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from adapt.artifact.digest import MANIFEST
from adapt.artifact.manifest import provenance_path, write_manifest, write_provenance
from adapt.artifact.snapshot import Snapshot
from adapt.errors import InputError, WorkspaceError
from adapt.spec.resolved.stage import StageSection

_checks: ContextVar[tuple[Callable[[], None], ...]] = ContextVar("checks", default=())


def lock_path(out: Path) -> Path:
    """The file that keeps two builds from writing the folder `out` at once."""
    return out.with_name(f".{out.name}.lock")


@contextmanager
def staged(out: Path, *, section: StageSection, inputs: Mapping[str, Path | Snapshot], seed: int | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; on success it becomes `out` (replacing an older one), on failure it is removed.

    `inputs` are the files and folders that the output is made from, by label: paths, or snapshots of what was read
    already. Their digests go into `<out>.provenance.json`, with the section's; `manifest.json` in the folder is
    written last. Raises InputError for a missing input and for one that was changed meanwhile, WorkspaceError when
    another process builds the same output or the disk is full, and what checks of `checked_before_placing` raise.
    """
    for label, path in inputs.items():
        if isinstance(path, Path) and not path.exists():
            raise InputError(f"{label}: {path} does not exist", hint="build the stage before this one, or run `adapt build`")
    with locked(out):
        _clear_remains(out)
        staging = out.with_name(f".{out.name}.staging-{os.getpid()}")
        provenance = staging.with_name(f"{staging.name}.json")
        try:
            staging.mkdir(parents=True)
            snapshots = {label: each if isinstance(each, Snapshot) else Snapshot.take(each) for label, each in inputs.items()}
            for snapshot in snapshots.values():
                snapshot.require_whole()
            yield staging
            digests = {label: snapshot.digest for label, snapshot in snapshots.items()}
            write_manifest(staging)
            write_provenance(provenance, staging, section=section, inputs=digests, seed=seed)
            _sync(staging)
            _sync_file(provenance)
            for snapshot in snapshots.values():
                snapshot.require_unchanged()
            for check in _checks.get():
                check()
            _put_in_place(staging, out)
            provenance.replace(provenance_path(out))
            sync_folder(out.parent)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise WorkspaceError(f"no space left on the disk while writing {out}", hint="free some space and build again; nothing was lost") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            provenance.unlink(missing_ok=True)


@contextmanager
def checked_before_placing(check: Callable[[], None]) -> Iterator[None]:
    """In the body, call `check` before each output is put in place; what it raises keeps the output from appearing."""
    token = _checks.set((*_checks.get(), check))
    try:
        yield
    finally:
        _checks.reset(token)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the lock of output `out`; raises WorkspaceError at once when another process holds it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_path(out))
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
        if remains.is_dir():
            shutil.rmtree(remains, ignore_errors=True)
        else:
            remains.unlink(missing_ok=True)
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
    for path in sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == MANIFEST):
        _sync_file(path)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_folder(path)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
