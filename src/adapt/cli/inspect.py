"""Commands that only look: status and show."""

from collections import Counter
from typing import Any

import click

from adapt.cli.context import all_specs, complete_names, json_option, open_workspace, print_json, print_table, spec_names
from adapt.plan.index import check_index
from adapt.plan.resolve import resolve
from adapt.plan.status import StageStatus, status
from adapt.plan.summary import summarize
from adapt.spec.load import load_params


@click.command("status")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@json_option
def status_command(specs: tuple[str, ...], as_json: bool) -> None:
    """Say which stages of SPECS (all by default) are up to date, and why the others are not. Runs nothing."""
    workspace = open_workspace()
    loaded = all_specs(workspace)
    check_index(workspace, loaded)
    names = spec_names(workspace, specs, loaded) if specs else list(loaded)
    adapters, serving = resolve(workspace, loaded, load_params(workspace.root))
    found = list(status(workspace, {name: loaded[name] for name in names}, adapters, serving))
    if as_json:
        print_json([{"stage": one.stage, "state": one.state, "reasons": one.reasons} for one in found])
        return
    print_table(("stage", "state", "why"), [(one.stage, one.state, "; ".join(one.reasons)) for one in found])
    click.echo(_tally(found))


def _tally(found: list[StageStatus]) -> str:
    counts = Counter(one.state for one in found)
    if set(counts) == {"up to date"}:
        return "all up to date"
    return ", ".join(f"{count} {state}" for state, count in counts.items()) + "; `adapt build` brings them up to date"


@click.command("show")
@click.argument("name", shell_complete=complete_names)
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Show adapter NAME at a glance: its spec, data, training, metrics, gates, exports and place in serving."""
    workspace = open_workspace()
    loaded = all_specs(workspace)
    name = spec_names(workspace, [name], loaded)[0]
    account = summarize(workspace, name, loaded[name])
    if as_json:
        print_json(account)
        return
    click.echo(f"{name}: {account['description']}" if account["description"] else name)
    for title, lines in _sections(account):
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(f"  {line}")


def _sections(account: dict[str, Any]) -> list[tuple[str, list[str]]]:
    base = account["base"]
    spec = [f"base {base.get('model') or base.get('path') or base['kind']}, method {account['method']}"]
    return [
        ("spec", spec),
        ("data", _data(account)),
        ("training", _plain(account.get("training"))),
        ("metrics on the test split", _metrics(account.get("metrics"))),
        ("gates", _gates(account)),
        ("exports", _exports(account["exports"])),
        ("serving", _serving(account)),
    ]


_ABSENT = ["not built"]


def _data(account: dict[str, Any]) -> list[str]:
    lines = []
    for stage in ("corpus", "dataset"):
        report = account.get(stage)
        lines += [f"{stage}: {key.replace('_', ' ')} {value}" for key, value in (report or {}).items() if isinstance(value, (int, float, str))]
        lines += [f"{stage}: {key.replace('_', ' ')} {_counts(value)}" for key, value in (report or {}).items() if _is_counts(value)]
    return lines or _ABSENT


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(count, (int, float)) for count in value.values())


def _counts(value: dict[str, Any]) -> str:
    return ", ".join(f"{key} {count}" for key, count in value.items())


def _plain(report: dict[str, Any] | None) -> list[str]:
    if report is None:
        return _ABSENT
    return [f"{key.replace('_', ' ')} {value}" for key, value in report.items() if isinstance(value, (int, float, str))]


def _metrics(metrics: dict[str, Any] | None) -> list[str]:
    if metrics is None:
        return _ABSENT
    base, adapter = metrics["base"], metrics["adapter"]
    return [f"{name:<14} base {base.get(name, '-'):>10}   adapter {value:>10}" for name, value in adapter.items() if isinstance(value, (int, float))]


def _gates(account: dict[str, Any]) -> list[str]:
    verdict = account.get("gates")
    if verdict is None:
        return ["failed or not judged; see `adapt status`"] if "metrics" in account else _ABSENT
    return [str(gate) if not isinstance(gate, dict) else _counts_text(gate) for gate in verdict.get("gates", [])] or ["passed"]


def _counts_text(gate: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in gate.items() if value is not None)


def _exports(exports: dict[str, Any]) -> list[str]:
    if not exports:
        return ["none declared"]
    lines = []
    for name, about in exports.items():
        if about is None:
            lines.append(f"{name}: not built")
            continue
        figures = {**about, **(about.get("parity") or {})}
        shown = {key: value for key, value in figures.items() if isinstance(value, (int, float, str))}
        lines.append(f"{name}: {_counts(shown)}")
    return lines


def _serving(account: dict[str, Any]) -> list[str]:
    if served := account.get("serving"):
        return [_counts_text(served) if isinstance(served, dict) else str(served)]
    if reason := account.get("not_served_because"):
        return [f"left out: {reason}"]
    return _ABSENT
