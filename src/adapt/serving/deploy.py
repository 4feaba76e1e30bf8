"""Rolls a version out on running servers, and back: sign, copy, load, probe, shift, watch, drain, unload, forget.

Enters: a rendered version, the servers, and the bounds of `rollout`. Leaves: each server's alias on the version, or where it was: whatever fails,
or is interrupted, puts the alias back before the error goes on. Servers are changed one after the other, and the first failure ends it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import GateError, InputError, WorkspaceError
from adapt.serving.client import Replica
from adapt.serving.golden import agreement
from adapt.serving.keys import Keys, open_access
from adapt.serving.live import Live, Shares
from adapt.serving.options import BASE_NAME
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.retention import forget_versions, led_to
from adapt.serving.watch import Window, in_flight
from adapt.spec.serving import RolloutSpec

_PROBE_TOKENS = 32
_POLL_SECONDS = 0.5
Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A running server and its folder."""

    replica: Replica
    live: Live


@dataclass(frozen=True)
class Release:
    """A version that is to serve under a stable name."""

    name: str
    source: Path
    """Its folder in the rendered configuration; the folder's name is the version."""
    golden: tuple[dict[str, Any], ...]

    @property
    def version(self) -> str:
        """What it is called, digest included."""
        return self.source.name


def deploy(release: Release, targets: list[Target], *, keys: Keys, rollout: RolloutSpec, canary: float | None, say: Say) -> list[dict[str, Any]]:
    """Bring `release` to every target; what was done on each. Raises GateError when it answers worse than `rollout` allows, and is rolled back."""
    done: list[dict[str, Any]] = []
    for target in targets:
        try:
            with target.live.locked():
                done.append(_roll_out(release, target, keys=keys, rollout=rollout, canary=canary, say=say))
        except (GateError, InputError, WorkspaceError) as error:
            changed = ", ".join(str(entry["replica"]) for entry in done)
            rest = f"; {changed} already serve it: `adapt rollback {release.name}` takes it back" if done else ""
            raise type(error)(error.message, hint=f"{error.hint or 'mend it and deploy again'}{rest}") from None
    return done


def rollback(name: str, targets: list[Target], *, say: Say) -> list[dict[str, Any]]:
    """Lead `name` back to the version before, on every target. Raises InputError when there is none that would be served."""
    plans = [(target, _version_before(name, target)) for target in targets]
    done = []
    for target, version in plans:
        with target.live.locked():
            target.live.shift(name, {version: 1.0}, action="rollback")
            say(f"{target.replica.name}: {name} answers with {version}")
            done.append({"replica": target.replica.name, "adapter": name, "version": version, "answers": target.replica.is_ready()})
    return done


def _roll_out(release: Release, target: Target, *, keys: Keys, rollout: RolloutSpec, canary: float | None, say: Say) -> dict[str, Any]:
    replica, live, version = target.replica, target.live, release.version
    before = live.aliases().get(release.name)
    if before == {version: 1.0}:
        say(f"{replica.name}: {version} is live already")
        return {"replica": replica.name, "version": version, "changed": False}
    open_access(keys, live.folder)  # a new server's folder does not know its administrator yet
    replica.state()  # a server that does not answer, or reads another folder, before anything that is served is changed
    live.publish(release.source, key=keys.signing, golden=release.golden)
    try:
        agreed = _probe(release, target, rollout, say)
        for share in [canary, 1.0] if canary and before else [1.0]:
            window = Window(replica, version, before or {}, rollout)
            live.shift(release.name, _mixed(before, version, share or 0.0), action="deploy")
            say(f"{replica.name}: {version} answers {share or 0.0:.0%} of the requests")
            window.watch(say)
    except BaseException as error:
        _take_back(release, target, before, error, say)
        raise
    try:
        _drain(replica, before or {}, version, rollout.drain_seconds, say)
    except WorkspaceError as error:  # the new version serves, which is what was asked for
        say(f"{replica.name}: {', '.join(before or {})} may still be loaded: {error.message}")
    _forget(release.name, target, rollout.keep_versions, say)
    return {"replica": replica.name, "version": version, "changed": True, "before": before, "agreement": round(agreed, 3)}


def _probe(release: Release, target: Target, rollout: RolloutSpec, say: Say) -> float:
    """Ask the golden prompts of base and version; how far the version's answers are the expected ones. Loads the version, and serves nobody yet."""
    golden = target.live.golden(release.version)
    if not golden:
        raise InputError(
            f"{release.version} has no golden prompts: the evaluation generated no answers in which base and adapter differ",
            hint="set evaluate.generate_records to 8 or more and build again",
        )
    pairs = [
        (
            target.replica.ask(release.version, entry["messages"], max_tokens=_PROBE_TOKENS),
            target.replica.ask(BASE_NAME, entry["messages"], max_tokens=_PROBE_TOKENS),
        )
        for entry in golden
    ]
    if all(answer.text == base.text for answer, base in pairs):
        raise GateError(f"{target.replica.name}: {release.version} answers every golden prompt as the base does, so it is not in effect")
    agreed = agreement([entry["adapter"] for entry in golden], [answer for answer, _ in pairs])
    say(f"{target.replica.name}: {len(golden)} golden prompts, {agreed:.0%} of the expected answers' beginnings came back")
    if agreed < rollout.min_agreement:
        raise GateError(
            f"{target.replica.name}: {release.version} brings back {agreed:.0%} of the expected answers, and {rollout.min_agreement:.0%} are needed",
            hint="compare with `adapt chat`; rollout.min_agreement sets the bound",
        )
    return agreed


def _take_back(release: Release, target: Target, before: Shares | None, error: BaseException, say: Say) -> None:
    """Put the alias where it was, whatever state the server is in, and have it drop the version if it can."""
    reason = error.message if isinstance(error, GateError | InputError | WorkspaceError) else type(error).__name__
    target.live.shift(release.name, before, action="failed", reason=reason)
    say(f"{target.replica.name}: rolled back to {', '.join(before) if before else 'nothing'}")
    try:
        target.replica.unload(release.version)
    except WorkspaceError:
        say(f"{target.replica.name}: does not answer, so {release.version} may still be loaded")


def _drain(replica: Replica, before: Shares, version: str, seconds: float, say: Say) -> None:
    """Wait for requests of the versions before to finish, then have the server forget them. Late ones keep their version loaded."""
    end = time.monotonic() + seconds
    for old in before.keys() - {version}:
        while in_flight(replica, old) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        if left := in_flight(replica, old):
            say(f"{replica.name}: {left:.0f} requests of {old} still run, so it stays loaded")
        else:
            replica.unload(old)


def _forget(name: str, target: Target, keep: int, say: Say) -> None:
    """Remove old versions from the disk; that this fails takes nothing from what serves."""
    try:
        for version in forget_versions(name, target.live, keep=keep):
            say(f"{target.replica.name}: {version} is removed; the {keep} versions that served last stay")
    except OSError as error:
        say(f"{target.replica.name}: old versions could not be removed: {error}")


def _mixed(before: Shares | None, version: str, share: float) -> Shares:
    """The new version's share, and what is left for the others in their own proportion."""
    others = {name: weight for name, weight in (before or {}).items() if name != version and weight > 0}
    if share >= 1 or not others:
        return {version: 1.0}
    total = sum(others.values())
    return {name: weight / total * (1 - share) for name, weight in others.items()} | {version: share}


def _version_before(name: str, target: Target) -> str:
    live, store = target.live, target.live.store()
    current = live.aliases().get(name)
    if current is None:
        raise InputError(f"{target.replica.name}: {name!r} is not live; there are: {', '.join(sorted(live.aliases())) or 'none'}")
    reasons = {}
    for version in reversed(led_to(live.history(name))):
        if current == {version: 1.0}:
            continue
        try:
            store.check(version)
        except RefusedError as refusal:
            reasons[version] = str(refusal)
            continue
        return version
    tried = "; ".join(f"{version}: {reason}" for version, reason in reasons.items())
    raise InputError(f"{target.replica.name}: there is no version of {name!r} to go back to" + (f" ({tried})" if tried else ""))
