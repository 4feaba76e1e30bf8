"""Everything known of one adapter, gathered from its outputs: spec, data, training, metrics, gates, exports, serving."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_folder
from adapt.plan.runs import read_run
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec


def summarize(workspace: Workspace, name: str, spec: AdapterSpec) -> dict[str, Any]:
    """A JSON-like account of adapter `name`; parts that are not built are absent."""
    adapter = workspace.adapter(name)
    served = _read(workspace.serving / "models.json")
    account = {
        "name": name,
        "description": spec.description,
        "base": spec.base.model_dump(mode="json"),
        "method": spec.train.method,
        "corpus": _read(workspace.corpus(name) / "report.json"),
        "dataset": _read(workspace.dataset(name) / "report.json"),
        "steps": {step: _read(workspace.step(name, step) / "training.json") for step in spec.steps} or None,
        "training": _read(adapter / "training.json"),
        "adapter": digest_folder(adapter) if (adapter / "manifest.json").is_file() else None,
        "metrics": _read(workspace.metrics(name)),
        "gates": _read(workspace.gate(name) / "verdict.json"),
        "exports": {export: _export(workspace, Stage("export", name, export)) for export in sorted(spec.export)},
        "serving": served.get("adapters", {}).get(name) if served else None,
        "not_served_because": served.get("left_out", {}).get(name) if served else None,
    }
    return {key: value for key, value in account.items() if value is not None}


def _export(workspace: Workspace, stage: Stage) -> Mapping[str, Any] | None:
    """What an export is, how close, and how fast it was here when it was last built here."""
    folder = stage.out(workspace)
    about = _read(folder / "export.json")
    if about is None:
        return None
    figures = read_run(workspace, stage.name).get("figures") or {}
    measured = {name: figures[name] for name in ("load_seconds", "tokens_per_second") if name in figures}
    return {**about, "parity": _read(folder / "parity.json"), "measured_here": measured}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
