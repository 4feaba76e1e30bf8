"""The roll-out of every stable name as a state machine, and the journal that brings it through a kill.

Enters: a name, and the step to take. Leaves: `rollouts.json`, which says where each name stands;
`aliases.json`, which is derived from it and which the server reads; `history.jsonl`, a line for each step
with its time.

    nothing ── start ──▶ good ── begin ──▶ attempt, no share ── shift ──▶ attempt, a share ── promote ──▶ good
                          ▲                      │                              │
                          └──── fail, cancel ────┴──────────────────────────────┘

`rollouts.json` is written first, to the disk and in one rename; the rest follows from it and can be written
again at any time. A version is *good* once it was watched with all requests, or was given the name at a
server's first start. So after a kill at any point the last good version is known, and `recover` leads the
name there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapt.errors import InputError, WorkspaceError
from adapt.serving.atomic import append_line, write_whole
from adapt.serving.plugin.aliases import parse_aliases
from adapt.serving.plugin.places import Places

Shares = dict[str, float]
_LOCK_SECONDS = 30
"""Longest wait for a step of another command: a step writes three small files."""
_REMEMBERED = 50
"""Good versions, and failures, that a name's state holds."""
_INTERRUPTED = "the roll-out was interrupted"


class SupersededError(WorkspaceError):
    """The roll-out is not this command's any more: somebody took it back."""


@dataclass(frozen=True)
class Attempt:
    """A version that is being rolled out, and has not proved itself."""

    version: str
    id: str
    """Names the roll-out, so that a command knows whether it is still its own."""
    share: float = 0.0
    """Its share of the requests; 0 while it is loaded and probed."""


@dataclass(frozen=True)
class NameState:
    """Where one stable name stands. Each step gives the state after it, and changes nothing here."""

    good: str | None = None
    """The last good version; None before the first one, and for a name that was retired."""
    earlier: tuple[str, ...] = ()
    """Good versions before it, oldest first: what a roll-back leads to."""
    attempt: Attempt | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    """Versions that failed or were rolled back, with the reason: nothing leads to them but another
    `adapt deploy`."""
    since: Mapping[str, str] = field(default_factory=dict)
    """When each version that answers began to."""

    @property
    def shares(self) -> Shares:
        """What the name leads to; empty for nothing."""
        share = self.attempt.share if self.attempt is not None else 0.0
        if self.attempt is None or share <= 0:
            return {self.good: 1.0} if self.good is not None else {}
        if share >= 1 or self.good is None:
            return {self.attempt.version: 1.0}
        return {self.good: 1.0 - share, self.attempt.version: share}

    def start(self, version: str) -> "NameState":
        """A version gets the name when a server starts: the name had none, or one that the server would
        refuse."""
        return self._promote_version(version)

    def begin(self, version: str, identity: str) -> "NameState":
        """A roll-out begins; no request goes to the version yet.

        Raises WorkspaceError while another one is under way.
        """
        if self.attempt is not None:
            what = f"{self.attempt.version} is being rolled out"
            raise WorkspaceError(what, hint="wait, or take it back with `adapt rollback`")
        return replace(self, attempt=Attempt(version, identity))

    def shift(self, identity: str, share: float) -> "NameState":
        """The version gets a share of the requests. Raises SupersededError when the roll-out is over."""
        return replace(self, attempt=replace(self._require_own(identity), share=share))

    def promote(self, identity: str) -> "NameState":
        """The version proved itself with all requests. Raises SupersededError as `shift` does."""
        return self._promote_version(self._require_own(identity).version)

    def fail(self, identity: str, reason: str) -> "NameState":
        """The version failed; the name leads to the last good one. Does nothing once the roll-out is over."""
        if self.attempt is None or self.attempt.id != identity:
            return self
        return self._drop_attempt(self.attempt.version, reason)

    def cancel(self, reason: str) -> "NameState":
        """As `fail`, whoever's roll-out it is."""
        return self if self.attempt is None else self._drop_attempt(self.attempt.version, reason)

    def roll_back(self, version: str) -> "NameState":
        """The name leads to an earlier good version; what came after it is not reached again.

        Raises ValueError for others.
        """
        index = len(self.earlier) - 1 - self.earlier[::-1].index(version)
        left = [*self.earlier[index + 1 :], *([self.good] if self.good is not None else [])]
        reasons = {name: "it was rolled back" for name in left if name != version}
        failed, earlier = _limit({**self.failed, **reasons}), self.earlier[:index]
        return replace(self, good=version, earlier=earlier, attempt=None, failed=failed)

    def retire(self) -> "NameState":
        """The name leads nowhere; a roll-back brings the last good version back."""
        earlier = self.earlier if self.good is None else (*self.earlier, self.good)
        return replace(self, good=None, earlier=earlier, attempt=None)

    def _promote_version(self, version: str) -> "NameState":
        earlier = self.earlier
        if self.good is not None and self.good != version:
            earlier = (*earlier, self.good)[-_REMEMBERED:]
        failed = {name: reason for name, reason in self.failed.items() if name != version}
        return replace(self, good=version, earlier=earlier, attempt=None, failed=failed)

    def _drop_attempt(self, version: str, reason: str) -> "NameState":
        failed = self.failed if version == self.good else _limit({**self.failed, version: reason})
        return replace(self, attempt=None, failed=failed)

    def _require_own(self, identity: str) -> Attempt:
        if self.attempt is None or self.attempt.id != identity:
            raise SupersededError(
                f"the roll-out was taken back by another command; {self.good or 'nothing'} serves",
                hint="deploy again when you know why",
            )
        return self.attempt


Step = Callable[[NameState], NameState]


@dataclass(frozen=True)
class Journal:
    """The states of all names of one server's folder."""

    places: Places

    @property
    def path(self) -> Path:
        """The file of the states."""
        return self.places.rollouts

    def states(self) -> dict[str, NameState]:
        """Where each name stands. Raises InputError when the file is broken."""
        try:
            content = json.loads(self.path.read_bytes())
            return {str(name): _parse_state(value) for name, value in content.items()}
        except FileNotFoundError:
            return self._derive_states()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.path} is broken: {error}",
                hint="delete it: it is made anew from aliases.json and history.jsonl beside it",
            ) from None

    def state(self, name: str) -> NameState:
        """Where `name` stands."""
        return self.states().get(name, NameState())

    def change(self, name: str, step: Step, *, action: str, reason: str = "") -> NameState:
        """Take one step, and lead the name where the state after it says.

        Raises what `step` raises, and nothing changed then.
        """
        with self._hold():
            states = self.states()
            before = states.get(name, NameState())
            after = step(before)
            if after != before:
                after = replace(after, since=_date_shares(before, after))
                self._write({**states, name: after})
                line = {"at": _now(), "adapter": name, "shares": after.shares, "action": action}
                text = json.dumps({**line, "reason": reason}, ensure_ascii=False)
                append_line(self.places.live / "history.jsonl", text)
            return after

    def recover(self) -> list[str]:
        """Lead every name whose roll-out was interrupted to its last good version; what was done, for a
        person to read.

        The folder must be locked: a roll-out that goes on holds it. Also mends `aliases.json` where it is
        not what the states say.
        """
        sentences = []
        for name, state in sorted(self.states().items()):
            if (attempt := state.attempt) is not None:
                step = partial(NameState.cancel, reason=_INTERRUPTED)
                serves = self.change(name, step, action="recover", reason=_INTERRUPTED).good or "nothing"
                interrupted = f"the roll-out of {attempt.version} was interrupted"
                sentences.append(f"{name}: {interrupted}; {serves} serves")
        with self._hold():
            if not self.path.is_file() or self._aliases_differ():
                self._write(self.states())
        return sentences

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was done to `name`, oldest first."""
        return [entry for entry in self._read_history() if entry.get("adapter") == name]

    @contextmanager
    def _hold(self) -> Iterator[None]:
        self.places.live.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.places.live / ".journal.lock")
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            what = f"{self.path} is held by another command"
            raise WorkspaceError(what, hint="wait for it to finish") from None
        try:
            yield
        finally:
            lock.release()

    def _write(self, states: Mapping[str, NameState]) -> None:
        """The states first: the aliases follow from them, and `recover` writes them again."""
        write_whole(self.path, _dump({name: asdict(states[name]) for name in sorted(states)}))
        write_whole(self.places.aliases, _dump(_derive_aliases(states)))

    def _aliases_differ(self) -> bool:
        try:
            return parse_aliases(self.places.aliases.read_bytes()) != _derive_aliases(self.states())
        except (OSError, ValueError):
            return True

    def _derive_states(self) -> dict[str, NameState]:
        """The states of a folder from before there was a journal: by its aliases and its history.

        A name with several versions was left by a roll-out that was killed; the last one that had it alone
        is the good one. Where the alias file is missing or broken, the last line of each name's history
        says where it led.
        """
        history = self._read_history()
        try:
            aliases = parse_aliases(self.places.aliases.read_bytes())
        except (FileNotFoundError, ValueError) as error:
            aliases = _last_shares(history)
            if not history and not isinstance(error, FileNotFoundError):
                hint = "put it right: there is no rollouts.json and no history.jsonl beside it to make it anew from"
                raise InputError(f"{self.places.aliases}: {error}", hint=hint) from None
        names = {*aliases, *(str(entry.get("adapter")) for entry in history)}
        return {name: _derive_state(aliases.get(name, {}), self.history(name)) for name in sorted(names)}

    def _read_history(self) -> list[dict[str, Any]]:
        try:
            lines = (self.places.live / "history.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [entry for line in lines if (entry := _parse_line(line)) is not None]


def _derive_aliases(states: Mapping[str, NameState]) -> dict[str, Shares]:
    return {name: dict(sorted(states[name].shares.items())) for name in sorted(states) if states[name].shares}


def _last_shares(history: Sequence[Mapping[str, Any]]) -> dict[str, Shares]:
    last = {str(entry.get("adapter")): entry.get("shares") for entry in history}
    return {name: shares for name, shares in last.items() if isinstance(shares, dict) and shares}


def _derive_state(shares: Shares, history: list[dict[str, Any]]) -> NameState:
    line: list[str] = []
    shifted = False
    for entry in history:
        action, there = entry["action"], entry["shares"]
        if action == "failed":
            while line and (line[-1] not in there if there else shifted):
                line.pop()
                shifted = False
        elif len(there) == 1:
            (version,) = there
            if action == "rollback" and version in line:
                del line[len(line) - line[::-1].index(version) :]
            elif line[-1:] != [version]:
                line.append(version)
        shifted = action == "deploy" and len(there) == 1
    good = next((name for name in reversed(line) if name in shares), None)
    if shares and (good is None or len(shares) == 1):  # without a history: what has most of the requests
        good = max(shares, key=lambda name: shares[name])
    earlier = tuple(line[: len(line) - 1 - line[::-1].index(good)]) if good in line else tuple(line)
    return NameState(good=good, earlier=earlier)


def _parse_state(value: Mapping[str, Any]) -> NameState:
    attempt = value["attempt"]
    return NameState(
        good=None if value["good"] is None else str(value["good"]),
        earlier=tuple(str(version) for version in value["earlier"]),
        attempt=None if attempt is None else _parse_attempt(attempt),
        failed={str(version): str(reason) for version, reason in value["failed"].items()},
        since={str(version): str(at) for version, at in value["since"].items()},
    )


def _parse_attempt(value: Mapping[str, Any]) -> Attempt:
    return Attempt(str(value["version"]), str(value["id"]), float(value["share"]))


def _parse_line(line: str) -> dict[str, Any] | None:
    """A line of the history; None for one that was cut off while it was written."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _date_shares(before: NameState, after: NameState) -> dict[str, str]:
    stays = {version: at for version, at in before.since.items() if version in before.shares}
    return {version: stays.get(version, _now()) for version in after.shares}


def _limit(failed: Mapping[str, str]) -> dict[str, str]:
    return dict(list(failed.items())[-_REMEMBERED:])


def _dump(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
