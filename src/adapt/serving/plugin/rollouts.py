"""What the server reads of the journal of roll-outs, `rollouts.json`, which commands write.

A version that no name's state has as good, earlier or under way is not loaded, though its signature fits: an old one that was put back into the
folder, one that failed, one that was rolled back. The journal is not signed: whoever may write it may move names, among the versions that are
signed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .refusal import RefusedError, log


@dataclass(frozen=True)
class RolloutState:
    """Where one name stands; `adapt.serving.journal.NameState` as the server needs it."""

    good: str | None
    """The last good version."""
    under_way: str | None
    """The version that is being rolled out."""
    earlier: tuple[str, ...]
    """Good versions before the last one."""

    @property
    def loadable(self) -> set[str]:
        """Versions that the server may load for this name."""
        return {version for version in (self.good, self.under_way, *self.earlier) if version is not None}


def read_rollouts(path: Path) -> dict[str, RolloutState] | None:
    """The state of each name; None for a folder without a journal. Raises ValueError for one that cannot be used."""
    try:
        content = json.loads(path.read_bytes())
        return {str(name): _parse_state(value) for name, value in content.items()}
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def require_reachable(version: str, path: Path) -> None:
    """Raise RefusedError for a version that no roll-out leads to.

    A folder without a journal, or with one that cannot be read, is taken as it is: what serves goes on serving.
    """
    try:
        states = read_rollouts(path)
    except ValueError as error:
        log.warning("the journal of roll-outs is left aside: %s", error)
        return
    if states is not None and not any(version in state.loadable for state in states.values()):
        raise RefusedError("no roll-out leads to it: it failed, was rolled back, or is older than what the journal remembers")


def _parse_state(value: Any) -> RolloutState:
    attempt = value["attempt"]
    return RolloutState(
        good=_parse_version(value["good"]),
        under_way=None if attempt is None else _parse_version(attempt["version"]),
        earlier=tuple(str(version) for version in value["earlier"]),
    )


def _parse_version(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no version")
    return value
