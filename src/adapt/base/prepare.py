"""Brings a pinned base model to where it can be loaded: a folder in the Hugging Face layout with safetensors and tokenizer.json.

Enters: a pinned base, the workspace, a cache folder. Leaves: the folder. What the cache holds is content-addressed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from adapt.artifact.cached import fill_once
from adapt.artifact.digest import digest_text
from adapt.artifact.progress import Progress
from adapt.base.bundled import convert, find_gguf
from adapt.base.load import quiet_loading
from adapt.base.pin import check_model_folder, model_folder, pin
from adapt.errors import InputError
from adapt.spec.base import HubBase, PathBase, PinnedBase

DOWNLOADED = (
    "*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt", "README.md", "LICEN[SC]E*", "NOTICE*",
    "USE_POLICY*",
)  # fmt: skip
"""What is loaded, and what says under which licence it may be used."""
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
    fill_once(folder, fill, label=label, progress=progress)
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


def _convert_bundled(folder: Path) -> None:
    for remains in folder.iterdir():
        remains.unlink()
    with quiet_loading():
        convert(find_gguf(), folder)


def _downloader(source: HubBase) -> Callable[[Path], None]:
    def download(folder: Path) -> None:
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

        try:
            with quiet_loading():
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
