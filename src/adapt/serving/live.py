"""The folder that a running server reads: signed adapters, aliases, keys; and what was done to it.

Enters: versions as the stage rendered them. Leaves: the same, signed, under their names, put in place by one rename each; aliases.json, always
whole; history.jsonl, to which every change of an alias adds a line with its time. Nothing here goes into a hashed output.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapt.errors import InputError, WorkspaceError
from adapt.serving.atomic import write_whole
from adapt.serving.plugin.aliases import parse_aliases
from adapt.serving.plugin.facts import Server
from adapt.serving.plugin.places import Places
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import SIGNATURE, Store
from adapt.serving.sign import sign

Shares = dict[str, float]


@dataclass(frozen=True)
class Live:
    """A server's folder. `configuration` is the rendered folder that the server is started from."""

    folder: Path
    configuration: Path

    @property
    def places(self) -> Places:
        """Where the parts lie."""
        return Places(self.folder, self.configuration)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder: one command at a time changes what is live."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise WorkspaceError(f"{self.folder} is being changed by another command", hint="wait for it to finish") from None
        try:
            yield
        finally:
            lock.release()

    def store(self, within: Path | None = None) -> Store:
        """What the server would load, by its own rules; that the base on disk is unchanged is left to the server.

        `within` is the folder of adapters, unset the server's. Raises WorkspaceError when nothing is rendered.
        """
        try:
            return Store(within or self.places.adapters, self.places.trust, Server.read(self.configuration, reads_base=False))
        except (OSError, ValueError):
            raise WorkspaceError(f"{self.configuration} holds no configuration of a server", hint="run `adapt build`") from None

    def publish(self, source: Path, *, key: Path, golden: Sequence[Mapping[str, Any]]) -> None:
        """Sign a rendered version and put it in place, unless a good one with these golden prompts is there.

        Raises InputError when the server would refuse it; what is in place stays there then.
        """
        name = source.name
        if self.reason_against(name) is None and (not golden or self.golden(name) == list(golden)):
            return
        place = self.places.adapters / name
        aside = self.places.adapters / f".incoming-{os.getpid()}" / name
        shutil.rmtree(aside.parent, ignore_errors=True)
        try:
            shutil.copytree(source, aside)
            if golden:
                (aside / "golden.json").write_text(json.dumps(list(golden), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            sign(aside, aside / SIGNATURE, key=key)
            if reason := self.reason_against(name, within=aside.parent):
                raise InputError(f"{name} would not be served: {reason}", hint="build it again with `adapt build`, or sign with a trusted key")
            if place.is_dir():
                place.rename(aside.parent / "replaced")
            aside.rename(place)
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)

    def reason_against(self, version: str, *, within: Path | None = None) -> str | None:
        """Why the server would not load a version of the folder `within`, unset that of the server; None when it would."""
        try:
            self.store(within).check(version)
        except RefusedError as refusal:
            return str(refusal)
        return None

    def golden(self, version: str) -> list[dict[str, Any]]:
        """Prompts with the answers that base and adapter gave when the version was measured."""
        path = self.places.adapters / version / "golden.json"
        value: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.is_file() else []
        return value

    def aliases(self) -> dict[str, Shares]:
        """Versions with their shares by stable name. Raises InputError when the file is broken."""
        try:
            return parse_aliases(self.places.aliases.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise InputError(f"{self.places.aliases}: {error}", hint="put it right, or delete it and run `adapt deploy`") from None

    def shift(self, name: str, shares: Shares | None, *, action: str, reason: str = "") -> None:
        """Lead `name` to other versions, or nowhere, and write down that it was done. New requests see it at once."""
        aliases = self.aliases()
        if shares is None:
            aliases.pop(name, None)
        else:
            aliases[name] = shares
        write_whole(self.places.aliases, (json.dumps(aliases, indent=2, sort_keys=True) + "\n").encode())
        self.note(name, shares or {}, action=action, reason=reason)

    def note(self, name: str, shares: Shares, *, action: str, reason: str = "") -> None:
        """Add a line to the history."""
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "adapter": name, "shares": shares, "action": action, "reason": reason}
        with (self.folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was done to `name`, oldest first."""
        try:
            lines = (self.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [entry for line in lines if (entry := _parsed(line)) and entry["adapter"] == name]


def _parsed(line: str) -> dict[str, Any] | None:
    """A line of the history; None for one that was cut off while it was written."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
