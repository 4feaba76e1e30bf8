"""Rolls a version out on running servers, and back: sign, copy, load, probe, shift, watch, drain, unload, forget.

Enters: a rendered version, the servers, and the bounds of `rollout`. Leaves: each server's name on the
version, or on the last good one: whatever fails, or is interrupted, leads it there before the error goes
on, and what is killed is led there by the next command. Servers are changed one after the other, and the
first failure ends it.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adapt.errors import GateError, InputError, WorkspaceError
from adapt.serving.client import Replica
from adapt.serving.golden import agreement
from adapt.serving.journal import Journal, NameState, SupersededError
from adapt.serving.keys import Keys, open_access
from adapt.serving.live import Live
from adapt.serving.options import BASE_NAME
from adapt.serving.retention import forget_versions
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
    """Bring `release` to every target; what was done on each.

    Raises GateError when it answers worse than `rollout` allows and is rolled back, WorkspaceError when
    another command took it back.
    """
    done: list[dict[str, Any]] = []
    for target in targets:
        try:
            with target.live.locked():
                done.append(_roll_out(release, target, keys=keys, rollout=rollout, canary=canary, say=say))
        except (GateError, InputError, WorkspaceError) as error:
            changed = ", ".join(str(entry["replica"]) for entry in done)
            rest = f"; {changed} already serve it: `adapt rollback {release.name}` takes it back" if done else ""
            kind = WorkspaceError if isinstance(error, SupersededError) else type(error)
            raise kind(error.message, hint=f"{error.hint or 'mend it and deploy again'}{rest}") from None
    return done


def rollback(name: str, targets: list[Target], *, say: Say) -> list[dict[str, Any]]:
    """Lead `name` back to the version before, on every target.

    Waits for nobody: a roll-out under way ends with it.

    A target that a roll-out did not reach yet stays where it is. Raises InputError when there is no version
    before.
    """
    for target in targets:
        for sentence in _say_what_ends(target, name):
            say(sentence)
    behind = {version for target in targets for version in target.live.journal.state(name).earlier}
    ahead = [target for target in targets if not _is_behind(target, name, behind)] or targets
    plans = [(target, _version_before(name, target, say)) for target in ahead]
    done = []
    for target, version in plans:
        target.live.journal.change(name, partial(_step_back, version=version), action="rollback")
        say(f"{target.replica.name}: {name} answers with {version or 'nothing'}")
        done.append(_describe_target(name, target, version))
    for target in targets:
        if target not in ahead:
            version = target.live.journal.state(name).good
            unchanged = f"{name} answers with {version} as before: the roll-out did not reach it"
            say(f"{target.replica.name}: {unchanged}")
            done.append(_describe_target(name, target, version))
    return done


def _describe_target(name: str, target: Target, version: str | None) -> dict[str, Any]:
    replica = target.replica
    return {"replica": replica.name, "adapter": name, "version": version, "answers": replica.is_ready()}


def retire(name: str, targets: list[Target], *, say: Say) -> None:
    """Lead `name` nowhere on every target; a roll-out of it ends.

    Raises InputError where no target has it.
    """
    states = [target.live.journal.state(name) for target in targets]
    holders = [target for target, state in zip(targets, states, strict=True) if state.good or state.attempt]
    if not holders:
        raise InputError(f"{name!r} is not live", hint="`adapt deployments` lists what is")
    for target in holders:
        target.live.journal.change(name, NameState.retire, action="retire")
        say(f"{target.replica.name}: {name} is not served any more")


def recover(targets: list[Target], *, say: Say) -> None:
    """Bring what killed commands left on `targets` to the last good state, but where another command is
    at work."""
    for target in targets:
        if not target.live.folder.is_dir():
            continue
        try:
            with target.live.locked():
                sentences = target.live.recover()
        except (WorkspaceError, PermissionError):
            continue
        for sentence in sentences:
            say(f"{target.replica.name}: {sentence}")


def _say_what_ends(target: Target, name: str) -> list[str]:
    attempt = target.live.journal.state(name).attempt
    return [f"{target.replica.name}: the roll-out of {attempt.version} ends"] if attempt is not None else []


def _is_behind(target: Target, name: str, earlier: set[str]) -> bool:
    """Whether others moved on from what this target serves: a roll-out ended before it was reached."""
    state = target.live.journal.state(name)
    return state.attempt is None and state.good in earlier - set(state.earlier)


def _step_back(state: NameState, *, version: str | None) -> NameState:
    """Drops the roll-out under way, and leads to `version` where that is not what serves then."""
    state = state.cancel("it was rolled back")
    if version is None:
        return state.retire()
    return state if state.good == version else state.roll_back(version)


def _roll_out(
    release: Release,
    target: Target,
    *,
    keys: Keys,
    rollout: RolloutSpec,
    canary: float | None,
    say: Say,
) -> dict[str, Any]:
    replica, live, version = target.replica, target.live, release.version
    for sentence in live.recover():
        say(f"{replica.name}: {sentence}")
    before = live.journal.state(release.name).good
    if before == version:
        say(f"{replica.name}: {version} is live already")
        return {"replica": replica.name, "version": version, "changed": False}
    open_access(keys, live.folder)  # a new server's folder does not know its administrator yet
    # A server that does not answer, or reads another folder, ends it here, where nothing has changed yet.
    attributed = replica.state().get("attributes_faults") is True
    attempt = _Roll(release.name, version, uuid.uuid4().hex, live.journal)
    attempt.begin()
    try:
        since = replica.metrics()
        live.publish(release.source, key=keys.signing, golden=release.golden)
        agreed = _probe(release, target, rollout, attempt.check, say)
        for share in [canary, 1.0] if canary and before else [1.0]:
            # With all requests on the new version the one before gets none, so it is counted from earlier on.
            alone = None if share < 1 else since
            window = Window(replica, version, before, rollout, since=alone, attributed=attributed)
            attempt.shift(share)
            say(f"{replica.name}: {version} answers {share:.0%} of the requests")
            window.watch(say, attempt.check)
        attempt.promote()
    except SupersededError as error:
        _unload(release, target, say)
        serves = live.journal.state(release.name).good or "nothing"
        what = f"{replica.name}: the roll-out of {version} was taken back by another command; {serves} serves"
        raise SupersededError(what, hint=error.hint) from None
    except BaseException as error:
        _take_back(release, target, attempt, error, say)
        raise
    try:
        _drain(replica, attempt, before, rollout.drain_seconds, say)
    except WorkspaceError as error:  # the new version serves, which is what was asked for
        say(f"{replica.name}: {before} may still be loaded: {error.message}")
    _forget(release.name, target, rollout.keep_versions, say)
    report = {"replica": replica.name, "version": version, "changed": True}
    return report | {"before": {before: 1.0} if before is not None else None, "agreement": round(agreed, 3)}


@dataclass(frozen=True)
class _Roll:
    """One roll-out of one name on one server, as its journal knows it."""

    name: str
    version: str
    id: str
    journal: Journal

    def begin(self) -> None:
        self.journal.change(self.name, lambda state: state.begin(self.version, self.id), action="begin")

    def shift(self, share: float) -> None:
        self.journal.change(self.name, lambda state: state.shift(self.id, share), action="shift")

    def promote(self) -> None:
        self.journal.change(self.name, lambda state: state.promote(self.id), action="promote")

    def fail(self, reason: str) -> NameState:
        step = partial(NameState.fail, identity=self.id, reason=reason)
        return self.journal.change(self.name, step, action="failed", reason=reason)

    def check(self) -> None:
        """Raise SupersededError when the roll-out was taken back."""
        state = self.journal.state(self.name)
        state.shift(self.id, 0.0)

    def serves(self) -> bool:
        """Whether it came through, and nobody rolled it back since."""
        return self.journal.state(self.name).good == self.version


def _probe(
    release: Release,
    target: Target,
    rollout: RolloutSpec,
    check: Callable[[], None],
    say: Say,
) -> float:
    """Ask the golden prompts of base and version; how far the version's answers are the expected ones.

    Loads the version, and serves nobody yet. `check` raises when the roll-out is over.
    """
    golden = target.live.golden(release.version)
    if not golden:
        raise InputError(
            f"{release.version} has no golden prompts: the evaluation generated no answers in which base and adapter differ",
            hint="set evaluate.generate_records to 8 or more and build again",
        )
    pairs = []
    for entry in golden:
        check()
        answer = target.replica.ask(release.version, entry["messages"], max_tokens=_PROBE_TOKENS)
        pairs.append((answer, target.replica.ask(BASE_NAME, entry["messages"], max_tokens=_PROBE_TOKENS)))
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


def _take_back(release: Release, target: Target, attempt: _Roll, error: BaseException, say: Say) -> None:
    """Lead the name to the last good version, whatever the server does, and have it drop the version if
    it can."""
    reason = error.message if isinstance(error, GateError | InputError | WorkspaceError) else type(error).__name__
    state = attempt.fail(reason)
    say(f"{target.replica.name}: rolled back to {state.good or 'nothing'}")
    _unload(release, target, say)


def _unload(release: Release, target: Target, say: Say) -> None:
    try:
        target.replica.unload(release.version)
    except WorkspaceError:
        say(f"{target.replica.name}: does not answer, so {release.version} may still be loaded")


def _drain(replica: Replica, attempt: _Roll, before: str | None, seconds: float, say: Say) -> None:
    """Wait for requests of the version before to finish, then have the server forget it.

    Late ones keep it loaded, and so does a roll-back.
    """
    if before is None:
        return
    end = time.monotonic() + seconds
    while in_flight(replica, before) and time.monotonic() < end and attempt.serves():
        time.sleep(_POLL_SECONDS)
    if not attempt.serves():
        say(f"{replica.name}: {attempt.version} was rolled back by another command, so {before} stays loaded")
    elif left := in_flight(replica, before):
        say(f"{replica.name}: {left:.0f} requests of {before} still run, so it stays loaded")
    else:
        replica.unload(before)


def _forget(name: str, target: Target, keep: int, say: Say) -> None:
    """Remove old versions from the disk; that this fails takes nothing from what serves."""
    try:
        for version in forget_versions(name, target.live, keep=keep):
            say(f"{target.replica.name}: {version} is removed; the {keep} versions that served last stay")
    except OSError as error:
        say(f"{target.replica.name}: old versions could not be removed: {error}")


def _version_before(name: str, target: Target, say: Say) -> str | None:
    """Where a roll-back leads: to the version before the last good one.

    Where a roll-out is under way it leads to the last good one; None where there is none.
    """
    live, replica = target.live, target.replica
    state = live.journal.state(name)
    if state.attempt is not None:
        return state.good
    if state.good is None and not state.earlier:
        names = [known for known, other in live.journal.states().items() if other.good is not None]
        found = f"{replica.name}: {name!r} is not live; there are: {', '.join(names) or 'none'}"
        raise InputError(found, hint="`adapt deployments` lists what is live, `adapt deploy` brings a version in")
    versions = [version for version in dict.fromkeys(reversed(state.earlier)) if version != state.good]
    reasons = _reasons_against(versions, target, say)
    if version := next((version for version in versions if reasons[version] is None), None):
        return version
    tried = "; ".join(f"{version}: {reason}" for version, reason in reasons.items())
    what = f"{replica.name}: there is no version of {name!r} to go back to"
    raise InputError(f"{what} ({tried})" if tried else what)


def _reasons_against(versions: list[str], target: Target, say: Say) -> dict[str, str | None]:
    """Why each version would not be served, None where it would: by the server that runs, whatever was
    built since.

    Where no server says, a version that is what was signed is taken: it served before.
    """
    if not versions:
        return {}
    try:
        judged: dict[str, str | None] = target.replica.state(check=versions)["versions"]
        verdicts = {version: judged[version] for version in versions if version in judged}
    except WorkspaceError as error:
        say(f"{target.replica.name}: {error.message}; going by what is signed")
        verdicts = {}
    for version in versions:
        if version not in verdicts:
            verdicts[version] = target.live.reason_against(version, integrity_alone=True)
    return verdicts
