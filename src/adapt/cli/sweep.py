"""`adapt sweep`: tries settings of one spec, compares them, records them as experiments, and can write the best into the spec."""

from dataclasses import asdict

import click

from adapt.artifact.progress import progress_for_terminal
from adapt.cli.context import complete_names, json_option, open_workspace, print_json, print_table, spec_names, synced_specs
from adapt.cli.sections import spin_briefly
from adapt.errors import StageError
from adapt.plan.build import build
from adapt.plan.repro import one_build_at_a_time


@click.command("sweep")
@click.argument("spec", shell_complete=complete_names)
@click.option(
    "-S", "--set", "assignments", multiple=True, required=True, metavar="FIELD=VALUES", help="lora.r=8,16,32 or train.learning_rate=log(1e-5,1e-3)"
)
@click.option("--trials", type=click.IntRange(min=1), help="Search with so many trials (Optuna) in place of the whole grid.")
@click.option("--at-once", type=click.IntRange(min=1), default=8, show_default=True, help="Trials that are trained together.")
@click.option(
    "--fused/--interleaved", default=True, show_default=True, help="Let trials share forward passes; interleaved gives the bytes of training alone."
)
@click.option("--prune/--no-prune", default=True, show_default=True, help="In a search, give up trials that fall behind.")
@click.option("--to", type=click.Choice(["train", "evaluate"]), default="evaluate", show_default=True, help="How far each experiment goes.")
@click.option("--record/--no-record", default=True, show_default=True, help="Record each trial as a DVC experiment.")
@click.option("--write", is_flag=True, help="Write the settings of the best trial into the spec.")
@json_option
def sweep_command(  # noqa: PLR0913
    spec: str,
    assignments: tuple[str, ...],
    *,
    trials: int | None,
    at_once: int,
    fused: bool,
    prune: bool,
    to: str,
    record: bool,
    write: bool,
    as_json: bool,
) -> None:
    """Train variants of SPEC together and compare their validation losses."""
    from adapt.sweep.record import obstacle
    from adapt.sweep.record import record as record_trials
    from adapt.sweep.space import check_end, parse
    from adapt.sweep.sweep import sweep
    from adapt.sweep.trials import Trials, shown

    spin_briefly()
    workspace = open_workspace()
    specs, space = synced_specs(workspace), parse(assignments)
    check_end(space, trials)
    [name] = spec_names(workspace, [spec], specs)
    before = "step" if specs[name].steps else "dataset"
    if failed := [one.stage for one in build(workspace, {name: specs[name]}, to=before) if one.outcome in ("failed", "skipped")]:
        raise StageError(f"what trials are trained from could not be built: {', '.join(failed)}")
    progress = progress_for_terminal()
    with one_build_at_a_time(workspace):
        runner = Trials(workspace, name, fused=fused, progress=progress)
        found = sweep(runner, workspace.sweep(name), space, trials=trials, at_once=at_once, prune=prune, seed=specs[name].seed)
        experiments: list[str] = []
        if record and (reason := obstacle(workspace)):
            click.echo(f"warning: trials are not recorded as experiments: {reason}", err=True)
        elif record:
            experiments = record_trials(workspace, runner, found, to=to)
    if write:
        workspace.spec(name).write_text(runner.written(found[0].settings), encoding="utf-8")
    if as_json:
        print_json({"adapter": name, "trials": [asdict(trial) for trial in found], "experiments": experiments, "written": write})
        return
    rows = [(str(one.number), shown(one.settings), _loss(one.validation_loss), str(one.steps or "-"), one.outcome) for one in found]
    print_table(("trial", "settings", "validation loss", "steps", "outcome"), rows)
    click.echo(f"\nbest: {shown(found[0].settings)}{'; written to ' + workspace.shown(workspace.spec(name)) if write else ''}")
    click.echo(f"curves: {workspace.shown(workspace.sweep(name) / 'losses.svg')}")
    if experiments:
        click.echo("experiments: dvc exp show --only-changed; take one with dvc exp apply NAME")


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
