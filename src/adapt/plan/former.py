"""Reads what a stage left the last time, after DVC has removed it to run the stage anew: dvc.lock names it, DVC's cache holds it."""

import json
from pathlib import Path
from typing import Any

from adapt.errors import AdaptError
from adapt.plan.repro import read_lock_file
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace


def read_former(workspace: Workspace, stage: Stage, name: str) -> bytes | None:
    """The file `name` of the output folder of `stage` as dvc.lock records it; None where it was never built, or is not in this machine's cache."""
    try:
        outputs: Any = read_lock_file(workspace).get(stage.name, {}).get("outs", [])
        out = stage.out(workspace).relative_to(workspace.root).as_posix()
        listing = next(str(one["md5"]) for one in outputs if one["path"] == out)
        cache = _cache_folder(workspace)
        files = json.loads(_object(cache, listing).read_bytes())
        return _object(cache, next(str(file["md5"]) for file in files if file["relpath"] == name)).read_bytes()
    except (AdaptError, OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def _cache_folder(workspace: Workspace) -> Path:
    from dvc.config import Config

    folder: str | None = Config(dvc_dir=str(workspace.root / ".dvc"), validate=False).get("cache", {}).get("dir")
    return Path(folder) if folder else workspace.root / ".dvc" / "cache"


def _object(cache: Path, digest: str) -> Path:
    return cache / "files" / "md5" / digest[:2] / digest[2:]
