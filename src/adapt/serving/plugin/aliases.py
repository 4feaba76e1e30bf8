"""From the stable name that a request gives to the version that answers it.

Enters: the alias file, `{"finance": {"finance@1a2b3c4d5e6f": 0.9, "finance@0f9e8d7c6b5a": 0.1}}`, which is only ever replaced as a whole, and the
name. Leaves: a version. One who gives the same `user` gets the same version for as long as the shares stay, and when the share of a version grows,
nobody who had it loses it.

A roll-out that was killed leaves its version a share. A server that starts then reads in `rollouts.json`
which version is the last good one, and answers with that until the alias file is replaced: by the roll-out,
if it goes on, or by the next command.
"""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from .refusal import log
from .rollouts import read_rollouts
from .store import VERSION

_BITS = 64


class Aliases:
    """The alias file, read again when it has changed."""

    def __init__(self, path: Path, rollouts: Path | None = None) -> None:
        """`rollouts` is read once, now: for a server that starts."""
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        # Before the journal is read, so that a step between the two shows as another stamp.
        self._settled_for = _stamp(path)
        self._settled = _read_good(rollouts) if rollouts is not None else {}
        self._shares = self._settle({})

    def shares(self) -> dict[str, dict[str, float]]:
        """Versions and their shares by stable name. A file that is missing or unusable changes nothing; the log says so once."""
        stamp = _stamp(self._path)
        if stamp is not None and stamp != self._stamp:
            try:
                shares = parse_aliases(self._path.read_bytes())
                self._shares = self._settle(shares) if stamp == self._settled_for else shares
            except OSError:  # not read, so the next request tries again
                return self._shares
            except ValueError as error:
                log.warning("the alias file is left aside: %s", error)
            self._stamp = stamp
        return self._shares

    def versions(self) -> set[str]:
        """Every version that some stable name leads to."""
        return {version for shares in self.shares().values() for version in shares}

    def _settle(self, shares: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        """The last good version of every name that the journal knows; the others as they are."""
        known = {name: {good: 1.0} for name, good in self._settled.items() if good is not None}
        return {name: versions for name, versions in shares.items() if name not in self._settled} | known

    def choose(self, name: str, user: str | None) -> str | None:
        """The version that answers `user`, or anybody, under the stable name; None for a name that is not known."""
        shares = self.shares().get(name)
        if shares is None:
            return None
        point = (random.random() if user is None else _place(name, user)) * sum(shares.values())
        for version, share in shares.items():
            point -= share
            if point < 0:
                return version
        return next(version for version, share in reversed(shares.items()) if share > 0)


def parse_aliases(content: bytes) -> dict[str, dict[str, float]]:
    """The alias file's content. Raises ValueError that says what is wrong with it."""
    try:
        value: Any = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    for name, shares in value.items():
        if not isinstance(shares, dict) or not shares:
            raise ValueError(f"{name!r} has no versions")
        for version, share in shares.items():
            if not _is_version(name, version):
                raise ValueError(f"{version!r} is no version of {name!r}")
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < float("inf"):
                raise ValueError(f"the share of {version!r} is {share!r}")
        if not sum(shares.values()) > 0:
            raise ValueError(f"the shares of {name!r} are all zero")
    return value


def _read_good(rollouts: Path) -> dict[str, str | None]:
    """The last good version by name; nothing where the journal is missing or cannot be used."""
    try:
        good = {name: state.good for name, state in (read_rollouts(rollouts) or {}).items()}
    except ValueError as error:
        log.warning("the journal of roll-outs is left aside: %s", error)
        return {}
    if any(version is not None and not _is_version(name, version) for name, version in good.items()):
        log.warning("the journal of roll-outs is left aside: it names what is no version")
        return {}
    return good


def _is_version(name: str, version: Any) -> bool:
    parts = VERSION.fullmatch(version) if isinstance(version, str) else None
    return parts is not None and parts["adapter"] == name


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What tells a file from the one that takes its place; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _place(name: str, user: str) -> float:
    """Where a user stands between 0 and 1: always the same place, and another one for each name."""
    digest = hashlib.sha256(f"{name}\0{user}".encode("utf-8", "surrogatepass")).digest()
    return float(int.from_bytes(digest[: _BITS // 8], "big") / 2**_BITS)
