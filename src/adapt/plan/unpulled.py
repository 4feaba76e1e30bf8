"""Outputs that somebody else built and pushed, and nobody pulled here: a build would make them anew."""

from collections.abc import Collection
from typing import Any

from adapt.errors import WorkspaceError
from adapt.plan.former import cache_folder, cached_object
from adapt.plan.repro import read_lock_file
from adapt.plan.workspace import Workspace


def find_unpulled(workspace: Workspace, adapters: Collection[str]) -> list[str]:
    """Stages of `adapters` that dvc.lock has, whose outputs are neither in the workspace nor in DVC's cache.

    None where no remote is configured that could hold them. What is listed may be stale as well; `adapt status` says so.
    """
    missing: dict[str, list[Any]] = {}
    try:
        recorded = read_lock_file(workspace)
    except WorkspaceError:  # cut off, or a merge conflict: the build mends the one and tells of the other
        return []
    for stage, entry in recorded.items():
        outs: Any = entry.get("outs", [])
        gone = [out for out in outs if not (workspace.root / out["path"]).exists()]
        if gone and _adapter_of(stage) in adapters:
            missing[stage] = gone
    if not missing or not _has_remote(workspace):
        return []
    cache = cache_folder(workspace)
    return sorted(stage for stage, outs in missing.items() if not all(cached_object(cache, out["md5"]).exists() for out in outs))


def unpulled_message(stages: Collection[str]) -> str:
    """One line for a person, about stages that `find_unpulled` gave."""
    shown = ", ".join(list(stages)[:3]) + (f" and {len(stages) - 3} more" if len(stages) > 3 else "")
    return f"outputs of {shown} are recorded in dvc.lock and not here: `dvc pull` fetches them, a build makes them anew"


def _adapter_of(stage: str) -> str:
    return stage.partition("@")[2].partition("-")[0]


def _has_remote(workspace: Workspace) -> bool:
    from dvc.config import Config

    return bool(Config(dvc_dir=str(workspace.root / ".dvc"), validate=False).get("remote"))
