"""Finds outputs of adapters and exports that no spec declares any more, and removes them.

DVC's cache keeps their contents, so that declaring the spec again restores them; `dvc gc` empties the cache.
"""

import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from adapt.artifact.manifest import PROVENANCE
from adapt.artifact.staging import lock_path
from adapt.plan.repro import read_lock_file
from adapt.plan.stages import ENTRIES, SERVING, stages_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec


def leftovers(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> list[Path]:
    """Outputs, checkpoints and run records that belong to nothing that is declared, sorted."""
    return sorted(set(_leftovers(workspace, specs)))


def remove(workspace: Workspace, specs: Mapping[str, AdapterSpec], paths: Sequence[Path]) -> None:
    """Delete `paths` with their lock files, and the entries of stages that are gone from dvc.lock."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
            lock_path(path).unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
    _forget_stages(workspace, specs)


def _leftovers(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> Iterator[Path]:
    any_name = ""
    per_adapter = [workspace.corpus(any_name), workspace.dataset(any_name), workspace.adapter(any_name), workspace.curves(any_name)]
    per_adapter += [workspace.evaluation(any_name), workspace.gates, workspace.root / "exports"]
    per_adapter += [workspace.root / "steps", workspace.root / "training-steps"]
    for folder in per_adapter:
        yield from _unnamed(folder, specs)
    yield from (path for path in _entries(workspace.root / "metrics") if path.suffix == ".json" and path.stem not in specs)
    for name, spec in specs.items():
        yield from _unnamed(workspace.root / "exports" / name, spec.export)
        for folder in (workspace.step(name, any_name), workspace.step_curves(name, any_name)):
            yield from _unnamed(folder, spec.steps)
    stages = _stage_names(specs)
    yield from (path for path in _entries(workspace.runs) if path.suffix == ".json" and path.stem not in stages)
    for kept in ("work", "increments"):
        yield from (path for path in _entries(workspace.private / kept) if path.name not in stages)


def _unnamed(folder: Path, names: Container[str]) -> Iterator[Path]:
    """Outputs in `folder`, and their provenance, that are called by none of `names`."""
    for path in _entries(folder):
        name = path.name if path.is_dir() else path.name.removesuffix(PROVENANCE)
        if name not in names and (path.is_dir() or path.name.endswith(PROVENANCE)):
            yield path


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _stage_names(specs: Mapping[str, AdapterSpec]) -> set[str]:
    return {"resolve", SERVING.name, *(stage.name for name, spec in specs.items() for stage in stages_of(name, spec))}


def _forget_stages(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> None:
    stages = read_lock_file(workspace)
    declared = _stage_names(specs)
    kept = {name: entry for name, entry in stages.items() if name in declared or name.partition("@")[0] not in ENTRIES}
    if len(kept) == len(stages):
        return
    path = workspace.root / "dvc.lock"
    aside = path.with_name(".dvc.lock.new")
    aside.write_text(yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False, allow_unicode=True), encoding="utf-8")
    aside.replace(path)
