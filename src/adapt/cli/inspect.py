"""Commands that only look: status and show."""

from collections import Counter

import click

from adapt.cli.account import account_of, print_account
from adapt.cli.context import complete_names, json_option, judge_stages, look, open_workspace, print_json, print_table, spec_names, synced_specs
from adapt.plan.status import StageStatus


@click.command("status")
@click.argument("specs", nargs=-1, shell_complete=complete_names)
@json_option
def status_command(specs: tuple[str, ...], as_json: bool) -> None:
    """Say which stages of SPECS (all by default) are up to date, and why the others are not. Runs nothing."""
    found = look(specs).stages
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
    loaded = synced_specs(workspace)
    name = spec_names(workspace, [name], loaded)[0]
    account = account_of(workspace, name, loaded[name], judge_stages(workspace, loaded, [name]))
    if as_json:
        print_json(account)
    else:
        print_account(account)
