"""The folder that a running server reads: signed adapters, aliases, keys.

Enters: versions as the stage rendered them. Leaves: the same, signed, under their names, put in place by
one rename each. Where the names lead is the journal's (`adapt.serving.journal`). Nothing here goes into a
hashed output.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapt.errors import InputError, WorkspaceError
from adapt.serving.journal import Journal, Shares
from adapt.serving.plugin.aliases import parse_aliases
from adapt.serving.plugin.facts import Server
from adapt.serving.plugin.places import Places
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import SIGNATURE, Store
from adapt.serving.sign import sign

REPLACED = ".replaced"
"""Folder of versions that are being replaced by the same with other golden prompts or another signature."""
FORGOTTEN, INCOMING = ".forgotten", ".incoming"
_LEFTOVERS = (f"{FORGOTTEN}-", f"{INCOMING}-")


@dataclass(frozen=True)
class Live:
    """A server's folder. `configuration` is the rendered folder that the server is started from."""

    folder: Path
    configuration: Path

    @property
    def places(self) -> Places:
        """Where the parts lie."""
        return Places(self.folder, self.configuration)

    @property
    def journal(self) -> Journal:
        """Where each name stands."""
        return Journal(self.places)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder: one command at a time brings versions in.

        A roll-back needs no hold on it, and so waits for nobody.
        """
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

    def store(self, within: Path | None = None, *, integrity_alone: bool = False) -> Store:
        """What the server would load, by its own rules; that the base on disk is unchanged is left to the server.

        `within` is the folder of adapters, unset the server's. `integrity_alone`: only whether a version is
        what was signed, whatever the configuration on disk says. Raises WorkspaceError when nothing is
        rendered.
        """
        server = None if integrity_alone else self._server(self.places.slots)
        return Store(within or self.places.adapters, self.places.trust, server)

    def loading_store(self) -> Store:
        """The store that a server in this process loads from: only versions that the journal leads to."""
        server = self._server(self.places.slots)
        return Store(self.places.adapters, self.places.trust, server, rollouts=self.places.rollouts)

    def rendered_facts(self) -> dict[str, Any]:
        """server.json of the configuration. Raises WorkspaceError when nothing is rendered."""
        return self._server(None).facts

    def _server(self, slots: Path | None) -> Server:
        try:
            return Server.read(self.configuration, reads_base=False, slots=slots)
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
        aside = self.places.adapters / f"{INCOMING}-{os.getpid()}" / name
        shutil.rmtree(aside.parent, ignore_errors=True)
        try:
            shutil.copytree(source, aside)
            if golden:
                (aside / "golden.json").write_text(json.dumps(list(golden), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            sign(aside, aside / SIGNATURE, key=key)
            if reason := self.reason_against(name, within=aside.parent):
                raise InputError(f"{name} would not be served: {reason}", hint="build it again with `adapt build`, or sign with a trusted key")
            if place.is_dir():
                old = self.places.adapters / REPLACED / name
                shutil.rmtree(old, ignore_errors=True)
                old.parent.mkdir(exist_ok=True)
                place.rename(old)
            aside.rename(place)
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)
            self._restore()

    def recover(self) -> list[str]:
        """Bring what a killed command left to the last good state; what was done, for a person to read.

        The folder must be locked.
        """
        self._restore()
        if self.places.adapters.is_dir():
            for path in self.places.adapters.glob(".*-*"):
                if path.name.startswith(_LEFTOVERS):
                    shutil.rmtree(path, ignore_errors=True)
        return self.journal.recover() if self.places.aliases.exists() or self.journal.path.exists() else []

    def _restore(self) -> None:
        """Put back a version whose replacement did not arrive, and remove those whose did."""
        replaced = self.places.adapters / REPLACED
        for old in sorted(replaced.iterdir()) if replaced.is_dir() else ():
            if not (self.places.adapters / old.name).exists():
                old.rename(self.places.adapters / old.name)
        shutil.rmtree(replaced, ignore_errors=True)

    def reason_against(
        self,
        version: str,
        *,
        within: Path | None = None,
        integrity_alone: bool = False,
    ) -> str | None:
        """Why the server would not load a version of the folder `within`, unset that of the server; None when it would."""
        try:
            self.store(within, integrity_alone=integrity_alone).check(version)
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
            hint = "`adapt serve --prepare` writes it again from rollouts.json and history.jsonl beside it: no name is lost"
            raise InputError(f"{self.places.aliases}: {error}", hint=hint) from None
