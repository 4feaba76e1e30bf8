"""specs/_index.yaml: the list of adapters and exports that dvc.yaml loops over, since DVC cannot list a folder itself.

Written by `adapt sync`, committed with the specs.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from adapt.errors import WorkspaceError
from adapt.plan.workspace import Workspace
from adapt.records import TEST, TRAIN, VALIDATION
from adapt.spec.adapter import AdapterSpec
from adapt.spec.steps import rewarding_step
from adapt.spec.train import TrainSpec

_HEADER = "# Written by `adapt sync`; do not edit.\n"


def index_of(specs: Mapping[str, AdapterSpec]) -> dict[str, Any]:
    """The index's content: every adapter with its raw corpus and the steps that it reads, every export and every step with its adapter."""
    return {
        "adapters": {name: _adapter(name, spec) for name, spec in sorted(specs.items())},
        "exports": {
            f"{name}-{export}": {"adapter": name, "export": export} for name, spec in sorted(specs.items()) for export in sorted(spec.export)
        },
        "steps": {
            f"{name}-{step}": {"adapter": name, "step": step, **_read_steps(name, each.train)}
            for name, spec in sorted(specs.items())
            for step, each in sorted(spec.steps.items())
        },
    }


def _adapter(name: str, spec: AdapterSpec) -> dict[str, str]:
    return {
        "raw": spec.corpus.path or f"data/raw/{name}",
        **_read_steps(name, spec.train),
        "rewarded_by": _step(name, rewarding_step(spec.train), TEST),
    }


def _read_steps(name: str, train: TrainSpec) -> dict[str, str]:
    """Folders of the steps that a training starts from and is rewarded by."""
    return {"start": _step(name, train.start_from, TRAIN), "reward": _step(name, rewarding_step(train), VALIDATION)}


def _step(name: str, step: str | None, otherwise: str) -> str:
    """Folder of a step. DVC knows no optional dependency, so without a step a split stands that the stage reads in any case."""
    return f"data/dataset/{name}/{otherwise}" if step is None else f"steps/{name}/{step}"


def index_text(specs: Mapping[str, AdapterSpec]) -> str:
    """The index as it stands in its file."""
    return _HEADER + yaml.safe_dump(index_of(specs), sort_keys=True, allow_unicode=True, width=1000)


def write_index(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> bool:
    """Bring the index up to date; says whether it changed."""
    text = index_text(specs)
    if _read(workspace) == text:
        return False
    workspace.index.write_text(text, encoding="utf-8")
    return True


def check_index(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> None:
    """Raises WorkspaceError that names what the index lacks or has too much."""
    written = _read(workspace)
    if written == index_text(specs):
        return
    hint = "run `adapt sync`"
    if written is None:
        raise WorkspaceError("specs/_index.yaml does not exist", hint=hint)
    raise WorkspaceError(f"specs/_index.yaml is out of date: {_difference(written, index_of(specs))}", hint=hint)


def _read(workspace: Workspace) -> str | None:
    try:
        return workspace.index.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _difference(written: str, wanted: Mapping[str, Mapping[str, Any]]) -> str:
    try:
        found = yaml.safe_load(written)
        parts = []
        for group, entries in wanted.items():
            there = found[group] or {}
            parts += [f"{group} lacks '{name}'" for name in entries if name not in there]
            parts += [f"{group} has '{name}', which no spec declares" for name in there if name not in entries]
            parts += [f"{group} '{name}' has changed" for name in entries if name in there and there[name] != entries[name]]
        return "; ".join(parts) or "its text differs"
    except (yaml.YAMLError, KeyError, TypeError):
        return "it cannot be read"
