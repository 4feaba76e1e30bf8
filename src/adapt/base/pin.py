"""Pins a base model: says which bytes it is, without loading it.

Enters: where the model comes from. Leaves: the same with a digest of the files that shape the model and its tokenizer. No torch, and
nothing is downloaded: a hub model's commit is its digest.
"""

import json
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_text, digest_value, remembered_digest
from adapt.base.bundled import CONVERSION, find_gguf
from adapt.errors import InputError
from adapt.spec.base import BaseSpec, BundledBase, HubBase, PathBase, PinnedBase
from adapt.spec.problems import nearest

CONTENT = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")
"""The files of a model folder that are read, and so are hashed; licences, READMEs and other frameworks' weights are not."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def pin(source: BaseSpec, *, root: Path) -> PinnedBase:
    """The base model `source` with the digest of its files; relative paths are under `root`.

    Raises InputError when the model is not there, carries no safetensors weights, or wants to run code of its own.
    """
    if isinstance(source, HubBase):
        return PinnedBase(source=source, digest=source.revision)
    if isinstance(source, BundledBase):
        return PinnedBase(source=source, digest=digest_text("bundled", CONVERSION, remembered_digest(find_gguf())))
    return PinnedBase(source=source, digest=_folder_digest(model_folder(source, root=root)))


def model_folder(source: PathBase, *, root: Path) -> Path:
    """The checked folder of a base model on disk. Raises InputError as `pin` does."""
    folder = root / source.path
    if not folder.is_dir():
        beside = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
        guess = nearest(folder.name, beside)
        hint = f"did you mean '{guess}'?" if guess else "the path is absolute or relative to the workspace"
        raise InputError(f"base.path: {source.path} is not a folder", hint=hint)
    check_model_folder(folder, shown=f"base.path: {source.path}")
    return folder


def check_model_folder(folder: Path, *, shown: str) -> None:
    """Refuse what cannot or must not be loaded; `shown` is how errors name the folder."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{shown} has no config.json, so it is not a model in the Hugging Face layout")
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in _read_json(folder / name, shown=shown):
            raise InputError(
                f"{shown}: {name} has an `auto_map`: the model would run code that it brings along, which is never allowed",
                hint="choose a model that transformers knows by itself",
            )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        found = f"only {', '.join(pickles[:3])}: pickles are never loaded" if pickles else "no weights at all"
        raise InputError(f"{shown} has no *.safetensors weights, {found}", hint="save the model with `save_pretrained(folder)` of transformers 5")
    if not (folder / "tokenizer.json").is_file():
        hint = "save it with `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`"
        raise InputError(f"{shown} has no tokenizer.json", hint=hint)
    _check_shards(folder, shown=shown)


def _check_shards(folder: Path, *, shown: str) -> None:
    index = _read_json(folder / "model.safetensors.index.json", shown=shown)
    missing = sorted({name for name in index.get("weight_map", {}).values() if not (folder / name).is_file()})
    if missing:
        raise InputError(f"{shown} lacks weights that its index names: {', '.join(missing[:3])}", hint="copy or download the model again")


def _read_json(path: Path, *, shown: str) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{shown}: {path.name} is not JSON: {error}", hint="copy or download the model again") from None
    return value if isinstance(value, dict) else {}


def _folder_digest(folder: Path) -> str:
    paths = sorted({path for pattern in CONTENT for path in folder.glob(pattern) if path.is_file()})
    return digest_value({path.name: remembered_digest(path) for path in paths})
