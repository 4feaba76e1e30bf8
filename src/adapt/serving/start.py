"""Starts the server of a workspace, and waits until it answers.

Enters: the rendered configuration, the live folder, the interpreter of the serving environment. Leaves: a running server with every adapter
loaded that has a stable name; or an error that says what is missing.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from adapt.errors import StageError, WorkspaceError
from adapt.serving.atomic import write_whole
from adapt.serving.client import Replica
from adapt.serving.deploy import Release
from adapt.serving.journal import NameState
from adapt.serving.keys import Keys, open_access
from adapt.serving.live import Live
from adapt.serving.options import LEGAL_RANKS, legal_rank
from adapt.serving.plugin.places import LIVE

_POLL_SECONDS = 0.5
_DISABLED = "serving.enabled is false in its spec"
Say = Callable[[str], None]


def prepare(
    live: Live,
    keys: Keys,
    releases: Sequence[Release],
    *,
    left_out: Mapping[str, str] | None = None,
    disabled: Collection[str] = (),
    say: Say,
) -> None:
    """Sign and publish what has no stable name yet, and give it one; `releases` are all that were built for
    serving.

    A version that serves is replaced here only when the configuration would refuse it, for otherwise that
    is `deploy`; a version that failed before is not given a name. A name whose newest build was left out
    (`left_out` says why) keeps the version that it has; only one that is `disabled` leads nowhere from now
    on. Raises InputError when what was built would be refused too.
    """
    keys.make()
    with live.locked():
        open_access(keys, live.folder)
        live.places.adapters.mkdir(parents=True, exist_ok=True)
        for sentence in live.recover():
            say(sentence)
        built = {release.name: release for release in releases}
        states = live.journal.states()
        enabled = {name: state.good for name, state in states.items() if name not in disabled}
        stay = {name: good for name, good in enabled.items() if good is not None}
        _make_room([good for name, good in stay.items() if name not in built], {*stay, *built}, live)
        for release in releases:
            _give_name(live, keys, release, states.get(release.name, NameState()), say)
        for name, state in sorted(states.items()):
            if name in built or state.good is None:
                continue
            if name in disabled:
                live.journal.change(name, NameState.retire, action="retire", reason=_DISABLED)
                say(f"{name} is not served any more: {_DISABLED}")
            else:
                _say_that_it_stays(live, name, state.good, (left_out or {}).get(name), say)


def _make_room(incumbents: Sequence[str], names: Collection[str], live: Live) -> None:
    """Write down the slots that the server needs beyond its configuration, for versions that only live
    here; nothing for none."""
    facts = live.rendered_facts()
    loras, rank = int(facts.get("max_loras", 0)), int(facts["max_lora_rank"])
    wanted = min(max((_rank(live, version) for version in incumbents), default=0), LEGAL_RANKS[-1])
    if not incumbents or (wanted <= rank and len(names) < loras):
        live.places.slots.unlink(missing_ok=True)
        return
    slots = {"max_loras": max(loras, len(names) + 1), "max_lora_rank": max(rank, legal_rank(wanted))}
    write_whole(live.places.slots, (json.dumps(slots) + "\n").encode())


def _rank(live: Live, version: str) -> int:
    """Rank of a version in the folder; 0 where it cannot be read, which the server then says."""
    try:
        return int(json.loads((live.places.adapters / version / "adapter.json").read_bytes())["rank"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _give_name(live: Live, keys: Keys, release: Release, state: NameState, say: Say) -> None:
    """Lead the stable name to the built version, unless one that the server would load has it, or the
    built one failed before."""
    name, version, good = release.name, release.version, state.good
    refusal = live.reason_against(good) if good is not None else None
    if good is not None and refusal is None:
        if good != version:
            say(f"{name} is served as {good}; built is {version}: `adapt deploy {name}`")
        return
    if version != good and version in state.failed:
        stays = f"stays on {good}, which this configuration refuses: {refusal}"
        failed = f"{version} was built and failed before ({state.failed[version]})"
        serves = f"{name} {'is not served' if good is None else stays}"
        say(f"{serves}; {failed}: `adapt deploy {name}` tries it again")
        return
    live.publish(release.source, key=keys.signing, golden=release.golden)
    reason = f"{good}: {refusal}" if good is not None else ""
    live.journal.change(name, lambda current: current.start(version), action="start", reason=reason)
    if good is not None and good != version:
        say(f"{name} is served as {version}, since this configuration would refuse {reason}")


def _say_that_it_stays(live: Live, name: str, good: str, why: str | None, say: Say) -> None:
    newest = why or f"no spec builds it any more; `adapt retire {name}` takes the name away"
    say(f"{name}: serving version {good}; {newest}")
    if refusal := live.reason_against(good):
        say(f"{name}: {good} would not be served: {refusal}")


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
