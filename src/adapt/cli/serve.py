"""`adapt serve`: starts the server of the workspace with every adapter that passed, and waits until it answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapt.cli.context import open_workspace
from adapt.errors import InputError, WorkspaceError
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_params
from adapt.spec.serving import ServerSpec

if TYPE_CHECKING:
    from adapt.export.onnx import Precision
    from adapt.serving.keys import Keys
    from adapt.serving.live import Live
    from adapt.serving.local import Speaker

_REFUSED = {
    "--host": "is an option of `adapt serve`; write it out",
    "--middleware": "is the middleware of the server, and serve.yaml names it",
    "--config": "is serve.yaml of the configuration",
    "--lora-modules": "would load adapters whose signature nobody looked at; `adapt deploy` brings them in",
    "--dtype": "is server.dtype of params.yaml, which adapters are checked against",
    "--lora-dtype": "is server.dtype of params.yaml, which adapters are checked against",
}
"""Options of vLLM that would go around the middleware or the check of the address."""


@click.command("serve", context_settings={"ignore_unknown_options": True})
@click.option("--engine", type=click.Choice(["vllm", "onnxruntime", "transformers"]), default="vllm", show_default=True, help="What answers.")
@click.option("--prepare", "only_prepare", is_flag=True, help="Sign and publish adapters, make keys, and start nothing.")
@click.option("--wait", default=600.0, show_default=True, type=click.FloatRange(1), help="Longest start, in seconds.")
@click.option("--host", help="Address to bind to, instead of server.host.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, instead of server.port.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve_command(engine: str, only_prepare: bool, wait: float, host: str | None, port: int | None, arguments: tuple[str, ...]) -> int:
    """Start the server with every adapter that passed its gates; further ARGUMENTS go to vLLM.

    On a machine without vLLM, `--engine onnxruntime` and `--engine transformers` answer on the same routes, one request at a time.
    An adapter that serves already keeps its version: `adapt deploy` replaces it. The interpreter is VLLM_PYTHON, or .venv-serving/bin/python of the
    workspace.
    """
    from adapt.cli.deployed import keys_of, live_of, releases_of, say
    from adapt.serving.client import Replica
    from adapt.serving.keys import read_access
    from adapt.serving.launch import is_loopback, reachable
    from adapt.serving.start import prepare, run_server

    _check_arguments(arguments)
    workspace = open_workspace()
    server = load_params(workspace.root).server
    keys, live = keys_of(workspace), live_of(workspace)
    if only_prepare:
        _prepare_all(workspace, keys)
        return 0
    prepare(live, keys, releases_of(workspace), **_read_left_out(workspace), say=say)
    address, at = host or server.host, port or server.port
    if not is_loopback(address) and read_access(live.folder)["open"]:
        where = f"--host is {address}" if host else f"server.host is {address}"
        raise WorkspaceError(f"{where}, and there is no API key: anyone on the network could ask", hint="make one with `adapt keys client NAME`")
    replica = Replica("server", f"http://{reachable(address)}:{at}", keys.token)
    if replica.is_ready():
        raise WorkspaceError(f"something answers at {replica.url} already", hint="stop it, or choose another port with --port")
    if engine != "vllm":
        if arguments:
            raise click.UsageError("further arguments are vLLM's")
        _run_locally(workspace, live, server, engine=engine, host=address, port=at)
        return 0
    python = _python(workspace)
    return run_server(live, replica, python=python, arguments=["--host", address, "--port", str(at), *arguments], seconds=wait, say=say)


def _read_left_out(workspace: Workspace) -> dict[str, Any]:
    """What `prepare` asks of adapters that are not built for serving."""
    from adapt.cli.deployed import explain_left_out
    from adapt.serving.drift import read_models

    disabled = read_models(workspace.serving).get("disabled", ())
    return {"left_out": explain_left_out(workspace), "disabled": disabled}


def _check_arguments(arguments: tuple[str, ...]) -> None:
    """Refuse arguments that would go around the middleware. vLLM also takes an option by its beginning, and with underscores."""
    for argument in arguments:
        given = argument.partition("=")[0].replace("_", "-")
        if not given.startswith("--") or given == "--":
            continue
        if given.startswith("--ssl"):
            raise InputError(f"{given}: the server speaks plain HTTP", hint="put a proxy with TLS in front; docs/how-to/serve.md shows one")
        for option, why in _REFUSED.items():
            if option.startswith(given):
                raise InputError(f"{given} cannot be passed on: {option} {why}")


def _prepare_all(workspace: Workspace, keys: "Keys") -> None:
    """Prepare the folder of this machine's server, and those of rollout.replicas."""
    from adapt.cli.deployed import live_of, releases_of, say, targets_of
    from adapt.serving.start import prepare

    own, releases = live_of(workspace), releases_of(workspace)
    keys.make()
    others = [target.live for target in targets_of(workspace)]
    folders = {live.folder.resolve(): live for live in (own, *others)}
    for live in folders.values():
        prepare(live, keys, releases, **_read_left_out(workspace), say=say)
        say(f"{live.folder}: ready for start.sh and `adapt deploy`")


def _run_locally(workspace: Workspace, live: "Live", server: ServerSpec, *, engine: str, host: str, port: int) -> None:
    """Serve in this process until a signal ends it."""
    from adapt.cli.deployed import say
    from adapt.serving.launch import reachable
    from adapt.serving.local import LocalServer, run_server
    from adapt.serving.plugin.gate import Gate
    from adapt.serving.plugin.places import CONFIGURATION, LIVE

    speaker = _speaker(workspace, live, server, engine)
    places = {LIVE: str(live.folder), CONFIGURATION: str(live.configuration)}
    gate = Gate(LocalServer(speaker, max_model_len=server.max_model_len, engine=engine), places)
    say(f"ready at http://{reachable(host)}:{port}/v1; Ctrl-C ends the server")
    run_server(gate, host=host, port=port)


def _speaker(workspace: Workspace, live: "Live", server: ServerSpec, engine: str) -> "Speaker":
    from adapt.artifact.progress import progress_for_terminal
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare
    from adapt.cli.encoder import Encoder

    progress = progress_for_terminal()
    pinned = pin(load_params(workspace.root).base, root=workspace.root)
    base = prepare(pinned, root=workspace.root, cache=workspace.cache, progress=progress)
    encoder = Encoder(base, live.configuration)
    if engine == "onnxruntime":
        from adapt.cli.onnx_speaker import OnnxSpeaker, cached_graph

        precision: Precision = "fp32" if server.dtype == "float32" else "int4"
        graph = cached_graph(base, pinned.digest, precision=precision, cache=workspace.cache, progress=progress)
        return OnnxSpeaker(base, graph, encoder, live.loading_store())
    from adapt.base.calibration import calibrate
    from adapt.base.load import resolve_device
    from adapt.base.numerics import choose_dtype, multiplies_bfloat16, numeric_class
    from adapt.cli.deployed import say
    from adapt.cli.speaker import TransformersSpeaker

    device = resolve_device("auto")
    if server.dtype == "bfloat16" and not multiplies_bfloat16(device):
        slowdown = calibrate("cpu", workspace.calibration).slowdown
        say(f"server.dtype is bfloat16, whose products take this CPU {slowdown:.1f} times as long as those of float32; `auto` takes float32 here")
    numerics = numeric_class(choose_dtype(server.dtype, device), device)
    say(f"answers are computed in {numerics}")
    return TransformersSpeaker(base, encoder, live.loading_store(), dtype=numerics.dtype)


def _python(workspace: Workspace) -> Path:
    from adapt.cli.deployed import find_python

    python = find_python(workspace)
    if not python.is_file():
        raise WorkspaceError(
            f"the serving environment is not there: {python} does not exist",
            hint="make it with `adapt env serving`, or set VLLM_PYTHON; `adapt serve --engine onnxruntime` needs none",
        )
    return python
