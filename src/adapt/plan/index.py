"""specs/_index.yaml: the list of adapters and exports that dvc.yaml loops over, since DVC cannot list a folder itself.

Written by `adapt sync`, and by every command that needs it; committed with the specs.
"""

import os
from collections.abc import Mapping
from typing import Any

import yaml

from adapt.errors import WorkspaceError
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.steps import rewarding_step
from adapt.spec.train import TrainSpec

_HEADER = "# Written by `adapt sync`; do not edit.\n"


def index_of(specs: Mapping[str, AdapterSpec]) -> dict[str, Any]:
    """The index's content: every adapter with its raw corpus and the steps that it reads, every export and every step with its adapter."""
    return {
        "adapters": {name: {"raw": spec.corpus.path or f"data/raw/{name}", **_read_steps(name, spec.train)} for name, spec in sorted(specs.items())},
        "exports": {
            f"{name}-{export}": {"adapter": name, "export": export} for name, spec in sorted(specs.items()) for export in sorted(spec.export)
        },
        "steps": {
            f"{name}-{step}": {"adapter": name, "step": step, **_read_steps(name, each.train)}
            for name, spec in sorted(specs.items())
            for step, each in sorted(spec.steps.items())
        },
    }


def _read_steps(name: str, train: TrainSpec) -> dict[str, str]:
    """Folders of the steps that a training starts from and is rewarded by. DVC knows no optional dependency, so where there is no step a file stands
    that the training reads in any case."""
    rewarded = rewarding_step(train)
    return {
        "start": f"steps/{name}/{train.start_from}" if train.start_from is not None else f"data/dataset/{name}/train.jsonl",
        "reward": f"steps/{name}/{rewarded}" if rewarded is not None else f"data/dataset/{name}/validation.jsonl",
    }


def index_text(specs: Mapping[str, AdapterSpec]) -> str:
    """The index as it stands in its file."""
    return _HEADER + yaml.safe_dump(index_of(specs), sort_keys=True, allow_unicode=True, width=1000)


def write_index(workspace: Workspace, specs: Mapping[str, AdapterSpec]) -> list[str]:
    """Bring the index up to date; what changed in it, such as `+ support`, empty where nothing did.

    Raises WorkspaceError when it cannot be written.
    """
    text, former = index_text(specs), _read(workspace)
    if former == text:
        return []
    aside = workspace.index.with_name(f".{workspace.index.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(workspace.index)  # in one step: a build may be reading it
    except OSError as error:
        hint = "make the folder writable, or run `adapt sync` where it is and commit the index"
        raise WorkspaceError(f"{workspace.shown(workspace.index)} cannot be written: {error.strerror}", hint=hint) from None
    return _changes(former, index_of(specs))


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


def _changes(former: str | None, wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Entries that came (+), went (-) and changed (~); those of exports and steps under their kind."""
    try:
        old = {group: yaml.safe_load(former or "{}").get(group) or {} for group in wanted}
        changes = []
        for group, entries in wanted.items():
            kind = "" if group == "adapters" else f"{group.removesuffix('s')} "
            changes += [f"+ {kind}{name}" for name in entries if name not in old[group]]
            changes += [f"- {kind}{name}" for name in old[group] if name not in entries]
            changes += [f"~ {kind}{name}" for name in entries if name in old[group] and old[group][name] != entries[name]]
    except (yaml.YAMLError, AttributeError, TypeError):
        return ["it could not be read"]
    return changes or ["its text alone"]


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
