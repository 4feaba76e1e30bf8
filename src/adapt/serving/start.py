"""Starts the server of a workspace, and waits until it answers.

Enters: the rendered configuration, the live folder, the interpreter of the serving environment. Leaves: a running server with every adapter
loaded that has a stable name; or an error that says what is missing.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from adapt.errors import StageError, WorkspaceError
from adapt.serving.client import Replica
from adapt.serving.deploy import Release
from adapt.serving.keys import Keys, open_access
from adapt.serving.live import Live, Shares
from adapt.serving.plugin.places import LIVE

_POLL_SECONDS = 0.5
Say = Callable[[str], None]


def prepare(live: Live, keys: Keys, releases: Sequence[Release], *, say: Say) -> None:
    """Sign and publish what has no stable name yet, and give it one; `releases` are all that were built.

    A version that serves is replaced here only when the configuration would refuse it, for otherwise that is `deploy`; a name that was not built,
    since it is disabled, failed its gates or is gone, leads nowhere from now on. Raises InputError when what was built would be refused too.
    """
    keys.make()
    with live.locked():
        open_access(keys, live.folder)
        if not live.places.aliases.exists():
            live.places.adapters.mkdir(exist_ok=True)
        aliases = live.aliases()
        for release in releases:
            _give_name(live, keys, release, aliases.get(release.name, {}), say)
        for name in sorted(aliases.keys() - {release.name for release in releases}):
            live.shift(name, None, action="removed", reason="it was not built for serving")
            say(f"{name} is not served any more: models.json of the configuration does not have it, or says under left_out why it is not served")


def _give_name(live: Live, keys: Keys, release: Release, shares: Shares, say: Say) -> None:
    """Lead the stable name to the built version, unless versions that the server would load have it."""
    refused = {version: reason for version in shares if (reason := live.reason_against(version)) is not None}
    if not shares or refused:
        live.publish(release.source, key=keys.signing, golden=release.golden)
    reasons = "; ".join(f"{version}: {reason}" for version, reason in refused.items())
    if not shares:
        live.shift(release.name, {release.version: 1.0}, action="start")
    elif refused and shares != {release.version: 1.0}:
        live.shift(release.name, {release.version: 1.0}, action="start", reason=reasons)
        say(f"{release.name} is served as {release.version}, since this configuration would refuse {reasons}")
    elif shares != {release.version: 1.0}:
        say(f"{release.name} is served as {', '.join(shares)}; built is {release.version}: `adapt deploy {release.name}`")


def run_server(live: Live, replica: Replica, *, python: Path, arguments: Sequence[str], seconds: float, say: Say) -> int:
    """Run the server until it ends; its exit status. Signals that end this process end the server. Raises WorkspaceError when it does not start."""
    script = live.configuration / "start.sh"
    environment = os.environ | {"VLLM_PYTHON": str(python), LIVE: str(live.folder)}
    process = subprocess.Popen([str(script), *arguments], env=environment)

    def end(number: int, frame: FrameType | None) -> None:
        process.send_signal(signal.SIGTERM)

    usual = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _wait(process, replica, seconds)
        warm(live, replica, say=say)
        say(f"ready at {replica.url}/v1; Ctrl-C ends the server")
        return process.wait()
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.terminate()
            process.wait()


def warm(live: Live, replica: Replica, *, say: Say) -> dict[str, Any]:
    """Have the server load every version that has a stable name, so that no client waits for it; the error of each that it does not answer with."""
    found: dict[str, Any] = {}
    for name, shares in sorted(live.aliases().items()):
        for version in shares:
            try:
                replica.ask(version, [{"role": "user", "content": "ping"}], max_tokens=1)
                found[version] = None
                say(f"{name}: {version}")
            except WorkspaceError as error:
                found[version] = error.message
                say(f"{name}: {version} is not served: {error.message}")
    return found


def _wait(process: "subprocess.Popen[bytes]", replica: Replica, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not replica.is_ready():
        if process.poll() is not None:
            raise StageError(f"the server ended with status {process.poll()} before it was ready; what it said stands above")
        if time.monotonic() > end:
            raise WorkspaceError(f"the server did not answer within {seconds:.0f} seconds", hint="give it more with --wait")
        time.sleep(_POLL_SECONDS)
