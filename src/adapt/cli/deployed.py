"""What the commands about running servers share: keys, folders, releases, and the servers of `rollout.replicas`."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from adapt.artifact.digest import MANIFEST, digest_folder
from adapt.errors import InputError, WorkspaceError
from adapt.plan.workspace import Workspace
from adapt.serving.client import Replica
from adapt.serving.deploy import Release, Target
from adapt.serving.drift import read_models
from adapt.serving.golden import golden_prompts
from adapt.serving.keys import Keys
from adapt.serving.launch import reachable
from adapt.serving.live import Live
from adapt.serving.render import DIGEST_DIGITS
from adapt.spec.load import load_params
from adapt.spec.resolved.gate import GateSection

_ENVIRONMENT = Path(".venv-serving") / "bin" / "python"


def say(text: str) -> None:
    """Progress goes to standard error."""
    click.echo(text, err=True)


def keys_of(workspace: Workspace) -> Keys:
    """The workspace's keys."""
    return Keys(workspace.private / "keys")


def live_of(workspace: Workspace) -> Live:
    """The folder of the server that `adapt serve` starts."""
    return Live(workspace.private / "serving", workspace.serving)


def targets_of(workspace: Workspace) -> list[Target]:
    """The servers of params.yaml, or the one that `adapt serve` starts."""
    params, token = load_params(workspace.root), keys_of(workspace).token
    if not params.rollout.replicas:
        url = f"http://{reachable(params.server.host)}:{params.server.port}"
        return [Target(Replica("server", url, token), live_of(workspace))]
    return [
        Target(Replica(replica.name, replica.url, token), Live(workspace.root / Path(replica.folder), workspace.serving))
        for replica in params.rollout.replicas
    ]


def releases_of(workspace: Workspace) -> list[Release]:
    """Every adapter that is rendered for serving."""
    adapters = read_models(workspace.serving)["adapters"]
    return [_release(workspace, name, about["path"]) for name, about in sorted(adapters.items())]


def release_of(workspace: Workspace, name: str) -> Release:
    """The rendered version of adapter `name`. Raises InputError that says why there is none."""
    models = read_models(workspace.serving)
    if name in models["adapters"]:
        return _release(workspace, name, models["adapters"][name]["path"])
    reason = models["left_out"].get(name)
    known = ", ".join(models["adapters"]) or "none"
    raise InputError(f"{name!r} is left out of serving: {reason}" if reason else f"no adapter is called {name!r}; there are: {known}")


def explain_left_out(workspace: Workspace) -> dict[str, str]:
    """Of every adapter whose newest build is left out of serving: which build that is, and why."""
    models = read_models(workspace.serving)
    disabled = models.get("disabled", ())
    names = [name for name in models["left_out"] if name not in disabled]
    return {name: _explain_one(workspace, name, models["left_out"][name]) for name in names}


def _explain_one(workspace: Workspace, name: str, why: str) -> str:
    """One sentence; for missed gates with the figures, by the evaluation and the gates as they are now."""
    folder = workspace.adapter(name)
    digest = digest_folder(folder) if (folder / MANIFEST).is_file() else None
    build = f"newest build {name}@{digest[:DIGEST_DIGITS]}" if digest is not None else "its newest build"
    missed = _describe_missed_gates(workspace, name)
    return f"{build} missed its gate: {missed}" if missed else f"{build} is left out: {why}"


def _describe_missed_gates(workspace: Workspace, name: str) -> str:
    from adapt.cli.sections import read_section
    from adapt.evaluate.judge import failures
    from adapt.evaluate.metrics import read_metrics
    from adapt.plan.stages import Stage

    try:
        section = read_section(workspace, Stage("gate", name))
        gates = section.gates if isinstance(section, GateSection) else ()
        missed = failures(gates, read_metrics(workspace.evaluation(name)))
    except (InputError, WorkspaceError):
        return ""
    return "; ".join(verdict.sentence for verdict in missed)


def say_left_out(workspace: Workspace, rows: Iterable[Mapping[str, Any]]) -> None:
    """Say of each name that serves, although its newest build was left out, what serves and why."""
    reasons = explain_left_out(workspace)
    serving = dict.fromkeys((str(row["adapter"]), str(row["version"])) for row in rows)
    for name, version in serving:
        if name in reasons:
            say(f"{name}: serving version {version}; {reasons[name]}")


def read_verdicts(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """verdicts.json of the rendered configuration. Raises InputError when nothing is rendered."""
    read_models(workspace.serving)
    value: dict[str, dict[str, Any]] = json.loads((workspace.serving / "verdicts.json").read_bytes())
    return value


def find_python(workspace: Workspace) -> Path:
    """The interpreter of the serving environment, whether it is there or not: VLLM_PYTHON, or the workspace's own."""
    given = os.environ.get("VLLM_PYTHON")
    return Path(given).absolute() if given else workspace.root / _ENVIRONMENT


def _release(workspace: Workspace, name: str, path: str) -> Release:
    golden = golden_prompts(workspace.evaluation(name) / "predictions.jsonl", workspace.dataset(name) / "test.jsonl")
    return Release(name, workspace.serving / path, tuple(golden))
