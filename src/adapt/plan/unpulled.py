"""Outputs that somebody else built and pushed, and nobody pulled here: a build would make them anew."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapt.errors import WorkspaceError
from adapt.plan.former import cache_folder, cached_object
from adapt.plan.repro import environment, read_lock_file
from adapt.plan.stages import SERVING, stages_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec


def find_unpulled(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> list[str]:
    """Stages of `specs`, and serving, whose outputs dvc.lock records and neither the workspace nor DVC's cache has.

    None where no remote is configured that could hold them. What is listed may be stale as well; `adapt status` says so.
    """
    try:
        recorded = read_lock_file(workspace)
    except WorkspaceError:  # a build says so, and sets it aside
        return []
    names = [stage.name for name, spec in specs.items() for stage in stages_of(name, spec)]
    missing = {name: _missing(workspace, recorded[name]) for name in (*names, SERVING.name) if name in recorded}
    if not any(missing.values()) or not _has_remote(workspace):
        return []
    cache = cache_folder(workspace)
    return [name for name, digests in missing.items() if any(not cached_object(cache, digest).exists() for digest in digests)]


def unpulled_message(stages: Sequence[str]) -> str:
    """One line for a person, about stages that `find_unpulled` gave."""
    shown = ", ".join(stages[:3]) + (f" and {len(stages) - 3} more" if len(stages) > 3 else "")
    return (
        f"outputs of {shown} are recorded in dvc.lock and not here: `adapt build --pull` fetches them (as `dvc pull` does), "
        "a build without it makes them anew"
    )


def pull(workspace: Workspace, stages: Sequence[str]) -> None:
    """Fetch the outputs of `stages` from DVC's remote. Raises WorkspaceError when that does not give them all."""
    command = [sys.executable, "-P", "-m", "dvc", "pull", *stages]
    done = subprocess.run(command, cwd=workspace.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        lines = [line.partition("ERROR: ")[2] for line in done.stdout.splitlines() if line.startswith("ERROR: ")]
        reason = lines[0] if lines else f"DVC exited with {done.returncode}"
        raise WorkspaceError(
            f"the outputs of {len(stages)} stages could not be pulled: {reason}", hint="`dvc pull -v` says more; without --pull they are made anew"
        )


def _missing(workspace: Workspace, entry: Mapping[str, Any]) -> list[str]:
    """Digests of the outputs that are not there. Metrics are for git to keep, and in no cache."""
    outs = [out for out in entry.get("outs", []) if not (workspace.root / out["path"]).exists()]
    return [out["md5"] for out in outs if Path(out["path"]).parts[0] != workspace.metrics("").parent.name]


def _has_remote(workspace: Workspace) -> bool:
    from dvc.config import Config

    return bool(Config(dvc_dir=str(workspace.root / ".dvc"), validate=False).get("remote"))
