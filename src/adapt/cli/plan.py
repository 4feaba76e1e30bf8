"""`adapt plan`: which stages a build would run, why, and what each is forecast to take."""

import click

from adapt.advice.forecast import StageForecast, forecasts
from adapt.artifact.progress import duration
from adapt.cli.context import complete_names, json_option, look, print_json, print_table


@click.command("plan")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@json_option
def plan_command(specs: tuple[str, ...], as_json: bool) -> None:
    """Say which stages of SPECS (all by default) a build would run and why, with forecasts of their peak memory and time. Runs nothing."""
    standing = look(specs)
    to_come = list(forecasts(standing.workspace, standing.specs, standing.resolved, standing.stages))
    if as_json:
        print_json([vars(one) for one in to_come])
        return
    if not to_come:
        click.echo("all up to date")
        return
    rows = [(one.stage, one.state, _memory(one), _time(one.seconds), one.basis, "; ".join(one.reasons)) for one in to_come]
    print_table(("stage", "state", "peak MiB", "time", "forecast from", "why"), rows)
    known = [one.seconds for one in to_come if one.seconds is not None]
    unknown = len(to_come) - len(known)
    times = [*([duration(sum(known))] if known else []), *([f"{unknown} of unknown time"] if unknown else [])]
    click.echo(f"{len(to_come)} stages: {', '.join(times)}")
    for one in to_come:
        if one.fits is False:
            click.echo(f"{one.stage} does not fit the memory that is there; `adapt build` refuses it and says what would", err=True)


def _time(seconds: float | None) -> str:
    """A time as people say it; `-` where it is not known."""
    return "-" if seconds is None else duration(seconds)


def _memory(one: StageForecast) -> str:
    if one.peak_mib is None:
        return "-"
    return f"{one.peak_mib}" + (" (does not fit)" if one.fits is False else "")
