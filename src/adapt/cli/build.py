"""`adapt build`: brings adapters up to date and says what ran, what was restored, and what came out."""

from typing import Any

import click

from adapt.cli.context import all_specs, complete_names, json_option, open_workspace, print_json, print_table, spec_names
from adapt.dataset.rules import remedy
from adapt.errors import StageError
from adapt.plan.build import Built, build
from adapt.plan.index import check_index
from adapt.plan.stages import ORDER
from adapt.plan.summary import summarize
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

GREAT_LOSS = 0.25
"""Share of the records made by which one rule stands out."""


@click.command("build")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Build every spec of the workspace.")
@click.option("--to", type=click.Choice(ORDER), default=ORDER[-1], help="Stop after stages of this kind: `dataset` trains nothing.")
@click.option("--at-once", type=click.IntRange(min=1), default=8, show_default=True, help="Stale adapters on one base that are trained together.")
@click.option("--force", is_flag=True, help="Train even what is forecast not to fit the memory that is there.")
@json_option
def build_command(specs: tuple[str, ...], everything: bool, to: str, at_once: int, force: bool, as_json: bool) -> None:
    """Build the adapters of SPECS (names or spec files): every stage that is stale, and no other.

    Then the server's configuration is rendered from all adapters that stand and passed their gates.
    """
    if bool(specs) == everything:
        raise click.UsageError("name the specs to build, or give --all")
    workspace = open_workspace()
    loaded = all_specs(workspace)
    check_index(workspace, loaded)
    names = list(loaded) if everything else spec_names(workspace, specs, loaded)
    if ORDER.index(to) >= ORDER.index("step"):
        _check_trainings(workspace, names, loaded, at_once, force=force or to == "step")
    built = build(workspace, {name: loaded[name] for name in names}, to=to, at_once=at_once)
    accounts = [summarize(workspace, name, loaded[name]) for name in names]
    if as_json:
        print_json({"stages": [_plain(workspace, one) for one in built], "adapters": accounts})
    else:
        _print_summary(workspace, built, accounts, loaded)
    if failed := [one.stage for one in built if one.outcome == "failed"]:
        raise StageError(f"{len(failed)} of {len(built)} stages failed: {', '.join(failed)}")


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


def _plain(workspace: Workspace, one: Built) -> dict[str, Any]:
    return {**vars(one), "out": one.out.relative_to(workspace.root).as_posix()}


def _print_summary(workspace: Workspace, built: list[Built], accounts: list[dict[str, Any]], specs: dict[str, AdapterSpec]) -> None:
    if all(one.outcome == "unchanged" for one in built):
        click.echo("all up to date")
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


def account_lines(account: dict[str, Any]) -> list[str]:
    """What came of one adapter, a line each: its data set, metrics, exports, and whether it is served."""
    said = [_dataset_line(account["dataset"]), *_great_losses(account["dataset"])] if "dataset" in account else []
    lines = [f"{account['name']}: {line}" for line in said]
    if metrics := account.get("metrics"):
        base, adapter = metrics["base"], metrics["adapter"]
        figures = ", ".join(f"{name} {base[name]} -> {adapter[name]}" for name in adapter if name in base)
        lines.append(f"{account['name']}: base -> adapter: {figures}")
    for name, export in account["exports"].items():
        if export and (parity := export.get("parity")):
            lines.append(f"{account['name']}: export {name}: top-1 agreement {parity.get('top1_agreement')}, mean KL {parity.get('mean_kl')} nats")
    served = account.get("serving")
    if isinstance(served, dict):
        lines.append(f"{account['name']}: served as {served.get('served_name')}; `adapt serve` starts the server")
    elif reason := account.get("not_served_because"):
        lines.append(f"{account['name']}: not served: {reason}")
    return lines
