"""The `adapt` command: finds its subcommands when they are asked for, and turns errors into one message and an exit code.

Exit codes: 0 done; 1 something that the user can mend, said in one message; 2 wrong use of the command line.
"""

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from adapt.errors import AdaptError

TRACEBACK = "--traceback"
JSON = "--json"
_COMMANDS = {
    "advise": ("adapt.cli.advise", "Which settings to train with, and why."),
    "build": ("adapt.cli.build", "Build adapters: what is stale, and nothing else."),
    "chat": ("adapt.cli.chat", "Talk to a built adapter."),
    "completion": ("adapt.cli.completion", "Print the shell's completion script."),
    "cotrain": ("adapt.cli.cotrain", "Train several adapters over one base in memory; `adapt build` calls this."),
    "data": ("adapt.cli.data", "Explain a data set: why a row is where it is, funnel, samples, differences."),
    "deploy": ("adapt.cli.deploy", "Bring an adapter's built version to the running servers."),
    "deployments": ("adapt.cli.deploy", "What is live, since when, from which spec and data."),
    "drift": ("adapt.cli.deploy", "Running servers against what was built and signed."),
    "init": ("adapt.cli.workspace", "Make a workspace."),
    "keys": ("adapt.cli.deploy", "Make keys: for signing, for the administrator, for clients."),
    "plan": ("adapt.cli.plan", "What a build would run, why, and what it is forecast to take."),
    "prune": ("adapt.cli.workspace", "Remove outputs that no spec declares any more."),
    "rollback": ("adapt.cli.deploy", "Lead an adapter back to the version that served before."),
    "schema": ("adapt.cli.workspace", "Print the JSON Schema or the reference of specs."),
    "serve": ("adapt.cli.serve", "Start the server with every adapter that passed."),
    "show": ("adapt.cli.inspect", "One adapter at a glance: data, training, metrics, exports."),
    "stage": ("adapt.cli.stage", "Run one stage; DVC calls this."),
    "status": ("adapt.cli.inspect", "Which stages are stale, and why."),
    "sweep": ("adapt.cli.sweep", "Try settings of a spec: train variants together, compare, record as experiments."),
    "sync": ("adapt.cli.workspace", "Bring specs/_index.yaml and the schemas up to date."),
    "verdicts": ("adapt.cli.deploy", "Which engines serve each adapter, and why the others do not."),
    "validate": ("adapt.cli.workspace", "Check specs and params.yaml."),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, so that help and completion answer at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise AssertionError(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None


class _Warnings(logging.StreamHandler):  # type: ignore[type-arg]
    """Shows log records as errors are shown: `warning: ...`, on standard error."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adapt-build", prog_name="adapt")
@click.option(TRACEBACK, is_flag=True, help="Show where an error came from.")
def adapt(traceback: bool) -> None:
    """Build datasets and adapters from specs, and know which of them are stale.

    Exit codes: 0 done, 1 an error that the message explains, 2 wrong use.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    arguments = [argument for argument in given if argument != TRACEBACK]  # wherever it stands
    logging.basicConfig(format="%(message)s", handlers=[_Warnings()])
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for a package that would fetch code from a hub
    try:
        code = adapt.main(args=arguments, prog_name="adapt", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a reader that is gone is met
    except click.ClickException as error:
        error.show()
        _print_json_error(arguments, {"error": error.format_message(), "hint": None})
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("aborted", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `adapt status | head -n 1`: nobody reads on
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - Python flushes it at exit
        sys.exit(1)
    except (AdaptError, OSError) as error:
        if TRACEBACK in given:
            raise
        click.echo(f"error: {_sentence(error)}", err=True)
        _print_json_error(arguments, _facts(error))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _print_json_error(arguments: list[str], facts: dict[str, Any]) -> None:
    """What a script that asked for JSON reads in place of what it asked for."""
    if JSON in arguments:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))


def _facts(error: AdaptError | OSError) -> dict[str, Any]:
    if isinstance(error, AdaptError):
        return {"error": error.message, "hint": error.hint, **error.details}
    return {"error": _sentence(error), "hint": None}


def _sentence(error: AdaptError | OSError) -> str:
    if isinstance(error, AdaptError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
