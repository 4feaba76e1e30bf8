"""What commands share: the workspace, its specs, and how tables and JSON are printed."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from adapt.artifact.process import BUILDER
from adapt.errors import AdaptError, WorkspaceError
from adapt.plan.workspace import Workspace, find_workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.load import load_params, load_specs
from adapt.spec.problems import nearest

if TYPE_CHECKING:
    from adapt.plan.status import StageStatus
    from adapt.spec.resolved.adapter import ResolvedAdapter

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def open_workspace() -> Workspace:
    """The workspace that the current directory lies in."""
    return find_workspace(Path.cwd())


def all_specs(workspace: Workspace) -> dict[str, AdapterSpec]:
    """Every spec of the workspace, validated."""
    return load_specs(workspace.root, workspace.spec_paths())


def synced_specs(workspace: Workspace) -> dict[str, AdapterSpec]:
    """Every spec of the workspace, validated, with the index that DVC reads up to date; says so when it was not."""
    from adapt.plan.index import write_index

    specs = all_specs(workspace)
    if changes := write_index(workspace, specs):
        click.echo(f"{workspace.shown(workspace.index)} was written anew: {', '.join(changes)}", err=True)
    return specs


def spec_names(workspace: Workspace, given: Sequence[str], specs: dict[str, AdapterSpec]) -> list[str]:
    """The adapter names that arguments mean: names, or paths of specs in this workspace."""
    names = []
    for argument in given:
        name = Path(argument).stem if argument.endswith((".yaml", ".yml")) else argument
        is_path = name != argument
        elsewhere = (
            is_path
            and Path(argument).resolve() != workspace.spec(name).resolve()
            and (workspace.root / argument).resolve() != workspace.spec(name).resolve()
        )
        if elsewhere:
            raise WorkspaceError(f"{argument} is not a spec of this workspace", hint=f"specs lie in {workspace.specs}")
        if name not in specs:
            guess = nearest(name, specs)
            known = ", ".join(specs) or "none"
            hint = f"did you mean '{guess}'?" if guess else f"name one that is there, or write specs/{name}.yaml"
            raise WorkspaceError(f"no spec is called '{name}'; there are: {known}", hint=hint)
        names.append(name)
    return list(dict.fromkeys(names))


class Standing(NamedTuple):
    """How a workspace stands."""

    workspace: Workspace
    specs: dict[str, AdapterSpec]
    """All of them, by name."""
    resolved: "dict[str, ResolvedAdapter]"
    stages: "list[StageStatus]"
    """Those of the adapters that were asked for, and serving."""


def look(given: Sequence[str]) -> Standing:
    """How the stages of the adapters `given` stand, of all where none is named. Runs nothing."""
    from adapt.plan.resolve import resolve
    from adapt.plan.status import status

    workspace = open_workspace()
    specs = synced_specs(workspace)
    names = spec_names(workspace, given, specs) if given else list(specs)
    warn_of_idle_defaults(workspace, names)
    resolved, serving = resolve(workspace, specs, load_params(workspace.root))
    return Standing(workspace, specs, resolved, list(status(workspace, {name: specs[name] for name in names}, resolved, serving)))


def judge_stages(workspace: Workspace, specs: dict[str, AdapterSpec], names: Sequence[str]) -> "list[StageStatus]":
    """How the stages of the adapters `names` stand, for figures to be marked by; where that cannot be told, says why and gives none."""
    from adapt.plan.resolve import resolve
    from adapt.plan.status import status

    try:
        resolved, serving = resolve(workspace, specs, load_params(workspace.root))
        return list(status(workspace, {name: specs[name] for name in names}, resolved, serving))
    except AdaptError as error:
        click.echo(f"warning: which figures are stale cannot be told: {error}", err=True)
        return []


def warn_of_idle_defaults(workspace: Workspace, names: Sequence[str]) -> None:
    """Say which changed defaults of params.yaml have no effect on the specs `names`."""
    from adapt.plan.defaults import idle_defaults

    for sentence in idle_defaults(workspace, names):
        click.echo(f"warning: {sentence}", err=True)


def inside_build() -> bool:
    """Whether `adapt build` started this process; what it has said is not said again."""
    return BUILDER in os.environ


def say_outside_builds(text: str) -> None:
    """Tell a person, or DVC's log; `adapt build` has a summary of its own."""
    if not inside_build():
        click.echo(text)


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Spec names for shell completion."""
    try:
        names = [path.stem for path in open_workspace().spec_paths()]
    except WorkspaceError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def print_json(value: Any) -> None:
    """Print a value for scripts."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their content; text to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]
    numeric = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(headers))]
    for row in (headers, *rows):
        cells = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric, strict=True))
        click.echo("  ".join(cells).rstrip())


def _is_number(cell: str) -> bool:
    return not cell or cell == "-" or cell[0].isdigit()
