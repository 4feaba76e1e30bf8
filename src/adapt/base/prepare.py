"""Brings a pinned base model to where it can be loaded: a folder in the Hugging Face layout with safetensors and tokenizer.json.

Enters: a pinned base, the workspace, a cache folder. Leaves: the folder. What the cache holds is content-addressed, was put there in one
rename with a list of its files' digests, and is checked against that list before it is used.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from adapt.artifact.digest import digest_text
from adapt.artifact.progress import Progress
from adapt.artifact.staging import sync_folder
from adapt.base.bundled import convert, find_gguf
from adapt.base.load import quiet_loading
from adapt.base.pin import check_model_folder, file_digest, model_folder, pin
from adapt.errors import InputError, WorkspaceError
from adapt.spec.base import HubBase, PathBase, PinnedBase

COMPLETE = "complete.json"
"""List of a cached folder's files with their digests."""
DOWNLOADED = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
NOT_DOWNLOADED = ("*/*", "consolidated*.safetensors")


def prepare(base: PinnedBase, *, root: Path, cache: Path, progress: Progress) -> Path:
    """The folder of `base`: a bundled model is converted into `cache` once, a hub model downloaded into it, a model on disk used in place.

    Raises InputError when the model is not the one that was pinned or cannot be had, WorkspaceError when the disk is full.
    A second process that needs the same model waits for the first.
    """
    source = base.source
    if isinstance(source, PathBase):
        _check_pin(base, root=root)
        return model_folder(source, root=root)
    if isinstance(source, HubBase):
        label, fill = f"downloading {source.model}", _downloader(source)
    else:
        _check_pin(base, root=root)
        label, fill = "converting the bundled base model", _convert_bundled
    folder = base_folder(base, root=root, cache=cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_complete(folder):
            with progress.task(label), quiet_loading():
                _fill(folder, fill)
    return folder


def base_folder(base: PinnedBase, *, root: Path, cache: Path) -> Path:
    """Where `prepare` leaves the base, whether it did so yet or not."""
    source = base.source
    if isinstance(source, PathBase):
        return root / source.path
    return cache / "base" / (digest_text(source.model, source.revision) if isinstance(source, HubBase) else base.digest)


def _check_pin(base: PinnedBase, *, root: Path) -> None:
    found = pin(base.source, root=root).digest
    if found != base.digest:
        named = base.source.path if isinstance(base.source, PathBase) else "the bundled model"
        raise InputError(
            f"the base model {named} has changed: its files have digest {found[:12]}, the build was resolved for {base.digest[:12]}",
            hint="run `adapt build`, which resolves the specs again",
        )


def _fill(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder aside and rename it into place. What a killed download left aside is taken up again."""
    shutil.rmtree(folder, ignore_errors=True)
    staging = folder.with_name(f".{folder.name}.staging")
    staging.mkdir(exist_ok=True)
    try:
        fill(staging)
        files = sorted(path for path in staging.iterdir() if path.is_file())
        (staging / COMPLETE).write_text(json.dumps({path.name: file_digest(path) for path in files}, indent=2) + "\n", encoding="utf-8")
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
        message = f"no space left on the disk while preparing the base model in {folder.parent}"
        raise WorkspaceError(message, hint="free some space and build again") from None


def _is_complete(folder: Path) -> bool:
    try:
        files = json.loads((folder / COMPLETE).read_bytes())
        return all(file_digest(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def _convert_bundled(folder: Path) -> None:
    for remains in folder.iterdir():
        remains.unlink()
    convert(find_gguf(), folder)


def _downloader(source: HubBase) -> Callable[[Path], None]:
    def download(folder: Path) -> None:
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

        try:
            snapshot_download(
                source.model, revision=source.revision, local_dir=folder, allow_patterns=[*DOWNLOADED], ignore_patterns=[*NOT_DOWNLOADED]
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError) as error:
            raise InputError(
                f"base.model: {source.model} at {source.revision} cannot be downloaded: {str(error).strip().splitlines()[0]}",
                hint="check the name, the commit and the network; a gated model needs HF_TOKEN; `base: {kind: path, ...}` needs no network",
            ) from None
        check_model_folder(folder, shown=f"base.model: {source.model}")
        shutil.rmtree(folder / ".cache", ignore_errors=True)

    return download
