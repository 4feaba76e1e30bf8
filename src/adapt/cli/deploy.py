"""`adapt deploy`, `rollback`, `retire`, `deployments`, `drift`, `verdicts` and `keys`: what servers can
and do answer with, and who may ask."""

import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from adapt.cli.context import complete_names, json_option, open_workspace, print_json, print_table
from adapt.errors import InputError
from adapt.spec.load import load_params


class _Share(click.ParamType[float]):
    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`10%` or `0.1`, between 0 and 1."""
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 < share < 1:
            self.fail(f"{text!r} is not a share of the requests, such as 10% or 0.1", param, ctx)
        return share


@click.command("deploy")
@click.argument("name", shell_complete=complete_names)
@click.option("--canary", type=_Share(), help="Share of the requests to shift first, such as 10%; the rest follows when all went well.")
@click.option("--watch", type=click.FloatRange(0), help="Seconds to watch after each shift, instead of rollout.watch_seconds.")
@json_option
def deploy_command(name: str, canary: float | None, watch: float | None, as_json: bool) -> None:
    """Bring the built version of adapter NAME to the running servers, without a failed request.

    Signs, copies, loads, asks the golden prompts, shifts the stable name, watches errors and latency, drains and unloads. Any failure rolls back
    by itself.
    """
    from adapt.cli.deployed import keys_of, release_of, say, targets_of
    from adapt.serving.deploy import deploy

    workspace = open_workspace()
    rollout = load_params(workspace.root).rollout
    if watch is not None:
        rollout = rollout.model_copy(update={"watch_seconds": watch})
    release = release_of(workspace, name)
    with _interrupted_by_sigterm():
        done = deploy(release, targets_of(workspace), keys=keys_of(workspace), rollout=rollout, canary=canary, say=say)
    if as_json:
        print_json(done)
    else:
        print_table(("server", "version", "changed"), [(entry["replica"], entry["version"], "yes" if entry["changed"] else "no") for entry in done])


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let a service manager's signal roll back as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


@click.command("rollback")
@click.argument("name", shell_complete=complete_names)
@json_option
def rollback_command(name: str, as_json: bool) -> None:
    """Lead adapter NAME back to the version that served before.

    A roll-out of NAME that is under way ends with it.
    """
    from adapt.cli.deployed import say, targets_of
    from adapt.serving.deploy import rollback

    done = rollback(name, targets_of(open_workspace()), say=say)
    if as_json:
        print_json(done)
    else:
        print_table(("server", "version"), [(entry["replica"], entry["version"]) for entry in done])


@click.command("retire")
@click.argument("name")
def retire_command(name: str) -> None:
    """Take the stable name NAME away from the servers; `adapt rollback NAME` brings the last good version
    back.

    For an adapter whose spec is gone. One that has a spec is disabled there: serving.enabled.
    """
    from adapt.cli.deployed import say, targets_of
    from adapt.serving.deploy import retire

    retire(name, targets_of(open_workspace()), say=say)


@click.command("deployments")
@json_option
def deployments_command(as_json: bool) -> None:
    """Say what is live: version, share of the requests, since when, from which spec and data."""
    from adapt.cli.deployed import say, say_left_out, targets_of
    from adapt.serving.deploy import recover
    from adapt.serving.drift import deployments

    workspace = open_workspace()
    targets = targets_of(workspace)
    recover(targets, say=say)
    rows = [row for target in targets for row in deployments(target)]
    say_left_out(workspace, rows)
    if as_json:
        print_json(rows)
        return
    shown = [
        (
            row["replica"],
            row["version"],
            f"{row['share']:.0%}",
            row["since"] or "-",
            row["spec"],
            (row["settings"] or "-")[:12],
            (row["data"] or "-")[:12],
        )
        for row in rows
    ]
    print_table(("server", "version", "share", "since", "spec", "settings", "data"), shown)


@click.command("drift")
@json_option
def drift_command(as_json: bool) -> int:
    """Hold the running servers against what was built and signed. Exit code 1 when something differs."""
    from adapt.cli.deployed import explain_left_out, say, targets_of
    from adapt.serving.deploy import recover
    from adapt.serving.drift import drift

    workspace = open_workspace()
    targets, newest = targets_of(workspace), explain_left_out(workspace)
    recover(targets, say=say)
    findings = [finding for target in targets for finding in drift(target, newest)]
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    elif findings:
        print_table(("server", "what", "expected", "found"), [dataclasses.astuple(finding) for finding in findings])
    else:
        click.echo("no drift")
    return 1 if findings else 0


@click.command("verdicts")
@json_option
def verdicts_command(as_json: bool) -> None:
    """Say for each adapter which engines serve it, in which form, and why the others do not.

    Where the serving environment is made, vLLM itself is asked too: its argument parser, its checks of adapters, its loader.
    """
    from adapt.cli.deployed import find_python, read_verdicts
    from adapt.serving.verdicts import rehearse

    workspace = open_workspace()
    found, python = read_verdicts(workspace), find_python(workspace)
    asked = rehearse(workspace.serving, python=python) if python.is_file() else None
    if as_json:
        print_json({"verdicts": found, "vllm": asked})
        return
    rows = [
        (name, engine, "yes" if verdict["servable"] else "no", verdict["form"] or "-", verdict["why"])
        for name, engines in found.items()
        for engine, verdict in engines.items()
    ]
    print_table(("adapter", "engine", "serves it", "as", "why"), rows)
    if asked is None:
        click.echo("vLLM itself was not asked: the serving environment is not there", err=True)
        return
    click.echo()
    print_table(("asked of vLLM itself", "taken", "why not"), [(name, "no" if why else "yes", why or "") for name, why in asked.items()])


@click.group("keys")
def keys_command() -> None:
    """Make the keys that sign adapters and that clients ask with."""


@keys_command.command("make")
def keys_make_command() -> None:
    """Make the pair of keys that signs adapters, and the administrator's token, unless they are there."""
    from adapt.cli.deployed import keys_of, live_of
    from adapt.serving.keys import open_access

    workspace = open_workspace()
    keys = keys_of(workspace)
    made = keys.make()
    live = live_of(workspace)
    with live.locked():
        open_access(keys, live.folder)
    click.echo(f"{workspace.shown(keys.folder)}: {'made' if made else 'already there'}")


@keys_command.command("client")
@click.argument("client")
@click.option("--remove", is_flag=True, help="Take the client's key away.")
@click.option("--replace", is_flag=True, help="End the key that the client has, and make another.")
def keys_client_command(client: str, remove: bool, replace: bool) -> None:
    """Make an API key for CLIENT and print it, once; servers keep only its digest.

    From the first key on, requests need one. A client that has a key gets another with --replace alone.
    """
    if remove and replace:
        raise click.UsageError("--remove and --replace exclude each other")
    from adapt.cli.deployed import targets_of
    from adapt.serving.keys import add_client, check_client_name, read_access, remove_client, share_client

    if not remove:
        check_client_name(client)
    first, *others = (target.live for target in targets_of(open_workspace()))
    if remove:
        holders = [live for live in (first, *others) if client in read_access(live.folder)["clients"]]
        for live in holders or [first]:  # an earlier attempt may have reached some of them
            with live.locked():
                remove_client(live.folder, client)
        return
    # an earlier attempt may have reached some servers only, so each one is asked
    exists = any(client in read_access(live.folder)["clients"] for live in others)
    if exists and not replace:
        raise InputError(
            f"client {client!r} has a key already at another server, and a new one would end it",
            hint=f"`adapt keys client {client} --replace` makes one key for every server",
        )
    with first.locked():
        key = add_client(first.folder, client, replace=replace)
    for live in others:
        with live.locked():
            share_client(first.folder, live.folder, client)
    click.echo(key)
