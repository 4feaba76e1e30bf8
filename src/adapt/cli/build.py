"""`adapt build`: brings adapters up to date and says what ran, what was restored, and what came out."""

import os
from typing import Any

import click

from adapt.artifact.losses import GREAT_LOSS, Loss
from adapt.cli.account import account_of, gate_lines, staleness
from adapt.cli.context import (
    check_inputs,
    complete_names,
    json_option,
    judge_stages,
    open_workspace,
    print_json,
    print_table,
    spec_names,
    synced_specs,
    warn_of_idle_defaults,
    warn_of_unpulled,
)
from adapt.dataset.characters import DocumentLosses
from adapt.dataset.rules import remedy
from adapt.errors import StageError, WorkspaceError
from adapt.plan.build import Built, build
from adapt.plan.stages import ORDER, SERVING, Stage
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

_TOLD = 3
"""Losses of sources that an error names."""


@click.command("build")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Build every spec of the workspace, as without SPECS.")
@click.option("--to", type=click.Choice(ORDER), default=ORDER[-1], help="Stop after stages of this kind: `dataset` trains nothing.")
@click.option("--at-once", type=click.IntRange(min=1), default=8, show_default=True, help="Stale adapters on one base that are trained together.")
@click.option("--force", is_flag=True, help="Train even what is forecast not to fit the memory that is there.")
@click.option("--pull", is_flag=True, help="Fetch from DVC's remote what dvc.lock records and is not here.")
@json_option
def build_command(specs: tuple[str, ...], everything: bool, to: str, at_once: int, force: bool, pull: bool, as_json: bool) -> None:
    """Build the adapters of SPECS (names or spec files; all by default): every stage that is stale, and no
    other.

    Then the server's configuration is rendered from all adapters that stand and passed their gates.
    """
    if specs and everything:
        raise click.UsageError("--all builds every spec: leave the names out, or --all")
    workspace = open_workspace()
    loaded = synced_specs(workspace)
    if not loaded:
        raise WorkspaceError("there is no spec to build", hint="write specs/NAME.yaml; docs/how-to/add-a-task.md shows one")
    names = spec_names(workspace, specs, loaded) if specs else list(loaded)
    check_inputs(workspace, loaded, names)
    warn_of_idle_defaults(workspace, names)
    warn_of_unpulled(workspace, loaded, names, fetch=pull)
    if ORDER.index(to) >= ORDER.index("step"):
        _check_trainings(workspace, names, loaded, at_once, force=force or to == "step")
    chosen = {name: loaded[name] for name in names}
    built = build(workspace, chosen, to=to, at_once=at_once, judge=lambda: judge_stages(workspace, loaded, names))
    stages = judge_stages(workspace, loaded, names)
    accounts = [account_of(workspace, name, loaded[name], stages) for name in names]
    outcome = {"stages": [_plain(workspace, one) for one in built], "adapters": accounts}
    failed = [one.stage for one in built if one.outcome == "failed"]
    strict = [account for account in accounts if _is_strict(loaded[account["name"]])]
    lossy = [f"{account['name']}: {sentence}" for account in strict for sentence in _source_losses(account)]
    if not as_json:
        _print_summary(workspace, built, accounts, to)
    elif not failed and not lossy:
        print_json(outcome)
    if failed:
        hint = "each said why above, and `adapt status` says it again"
        raise StageError(f"{len(failed)} of {len(built)} stages failed: {', '.join(failed)}", hint=hint, details=outcome)
    if lossy:
        hint = "what was built stands; mend the sources or what the rule asks, or set strict: false in the spec"
        told = "; ".join(lossy[:_TOLD]) + (f"; and {len(lossy) - _TOLD} more" if len(lossy) > _TOLD else "")
        raise StageError(f"a quarter or more was lost to one rule: {told}", hint=hint, details=outcome)


def _check_trainings(workspace: Workspace, names: list[str], loaded: dict[str, AdapterSpec], at_once: int, *, force: bool) -> None:
    """Refuse trainings that cannot run, and unless `force`, those that cannot fit, before anything runs."""
    from adapt.advice.fitting import check_fits
    from adapt.advice.trainable import check_trainable
    from adapt.plan.resolve import resolve
    from adapt.spec.load import load_params

    adapters, _ = resolve(workspace, {name: loaded[name] for name in names}, load_params(workspace.root))
    check_trainable(workspace, adapters)
    if not force:
        check_fits(workspace, adapters, at_once=at_once)


def _is_strict(spec: AdapterSpec) -> bool:
    return spec.strict if spec.strict is not None else os.environ.get("CI", "").lower() not in ("", "0", "false")


def _plain(workspace: Workspace, one: Built) -> dict[str, Any]:
    return {**vars(one), "out": one.out.relative_to(workspace.root).as_posix()}


def _print_summary(workspace: Workspace, built: list[Built], accounts: list[dict[str, Any]], to: str) -> None:
    if all(one.outcome == "unchanged" for one in built):
        kinds = ORDER[: ORDER.index(to) + 1]
        click.echo("all up to date" if kinds == ORDER else f"up to date as far as {to}; `adapt status` tells of the rest")
        return
    rows = []
    for one in built:
        seconds = f"{one.seconds:.1f}" if one.seconds is not None else "-"
        memory = str(one.peak_mib) if one.peak_mib is not None else "-"
        rows.append(
            (
                one.stage,
                one.outcome,
                seconds,
                memory,
                one.out.relative_to(workspace.root).as_posix() if one.outcome not in ("failed", "skipped") else "-",
            )
        )
    click.echo()
    print_table(("stage", "outcome", "seconds", "peak MiB", "output"), rows)
    for account in accounts:
        click.echo()
        for line in account_lines(account):
            click.echo(line)


def _dataset_line(report: dict[str, Any]) -> str:
    splits = ", ".join(f"{split['records']} {name}" for name, split in report["splits"].items())
    return f"{report['records']} of {report['candidates']} records kept ({splits})"


def _great_losses(report: dict[str, Any]) -> list[str]:
    """A rule that took so much may not suit the data, which the counts alone would not tell."""
    great = [(rule, count) for rule, count in report["dropped"].items() if count >= GREAT_LOSS * report["candidates"] > 0]
    return [f"{count} of them went as {rule}; to keep more: {remedy(rule)}" for rule, count in great]


def _source_losses(account: dict[str, Any]) -> list[str]:
    """Sources of which one rule took much: in the corpus, then in the data set."""
    lines = []
    for kind in ("corpus", "dataset"):
        report = account.get(kind) or {}
        lines += [Loss.model_validate(loss).sentence for loss in report.get("losses", ())]
        if beyond := report.get("losses_beyond"):
            lines.append(f"{beyond} more losses of sources are not listed")
    return lines


def account_lines(account: dict[str, Any]) -> list[str]:
    """What came of one adapter, a line each: its data set, metrics, bounds, exports, and whether it is
    served; stale figures are marked."""
    name = account["name"]
    lines = _source_losses(account)
    if "dataset" in account:
        lines += [DocumentLosses.model_validate(loss).sentence for loss in account["dataset"].get("document_losses", ())]
        lines += [_dataset_line(account["dataset"]) + staleness(account, f"dataset@{name}"), *_great_losses(account["dataset"])]
    if metrics := account.get("metrics"):
        base, adapter = metrics["base"], metrics["adapter"]
        figures = ", ".join(f"{metric} {base[metric]} -> {adapter[metric]}" for metric in adapter if metric in base)
        mark = staleness(account, f"evaluate@{name}")
        lines.append(f"base -> adapter: {figures}{mark}")
        lines += [f"gate: {line}{mark}" for line in gate_lines(account) if line.endswith("FAILED")]
    for export, about in account["exports"].items():
        if about and (parity := about.get("parity")):
            agreement = f"top-1 agreement {parity.get('top1_agreement')}, mean KL {parity.get('mean_kl')} nats"
            lines.append(f"export {export}: {agreement}{staleness(account, Stage('export', name, export).name)}")
    served = account.get("serving")
    if isinstance(served, dict):
        lines.append(f"served as {served.get('served_name')}; `adapt serve` starts the server{staleness(account, SERVING.name)}")
    elif reason := account.get("not_served_because"):
        lines.append(f"not served: {reason}")
    return [f"{name}: {line}" for line in lines]
