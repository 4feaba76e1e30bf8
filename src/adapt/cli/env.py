"""`adapt env`: makes the environments that serving and some exports run in."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import cast

import click

from adapt.cli.context import open_workspace
from adapt.errors import WorkspaceError
from adapt.plan.environments import ENVIRONMENTS, Kind, kind_here, make_environment

_KINDS = ("cpu", "gpu")


@click.command("env")
@click.argument("name", type=click.Choice(list(ENVIRONMENTS)))
@click.option("--kind", help="cpu or gpu; by default gpu when nvidia-smi lists one.  [env: SERVING_KIND, QUANTIZE_KIND]")
@click.option("--python", help="Interpreter to build on; by default the one that runs adapt.  [env: PYTHON]")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make it.  [env: SERVING_VENV, QUANTIZE_VENV]")
def env_command(name: str, kind: str | None, python: str | None, folder: Path | None) -> None:
    """Make the environment NAME in the workspace: vLLM for `adapt serve`, or llm-compressor for GPTQ, AWQ,
    W8A8 and FP8 exports.

    It stands apart, since its libraries exclude those of adapt. Does nothing when it is what the requirements
    say.
    """
    environment = ENVIRONMENTS[name]
    kind = kind or os.environ.get(f"{name.upper()}_KIND") or kind_here()
    if kind not in _KINDS:
        message = f"the kind of environment is '{kind}'; choose from: {', '.join(_KINDS)}"
        raise WorkspaceError(message, hint=f"--kind or {name.upper()}_KIND says it")
    python = python or os.environ.get("PYTHON") or sys.executable
    given = folder or os.environ.get(f"{name.upper()}_VENV")
    target = Path(given).absolute() if given else open_workspace().root / environment.folder
    say = partial(click.echo, err=True)
    made = make_environment(environment, target, kind=cast("Kind", kind), python=python, say=say)
    click.echo(f"{target}: {'made' if made else 'up to date'} ({kind})")
