"""Digests of files that need not be read again, since the file system proves that they did not change.

To judge a workspace is to compare contents, and models are large. A digest is kept under the path and the stamp of its
file, whose time of the last change of the inode no program sets back. One that changed so lately that it could change
again under the same stamp is not kept. Stages do not ask here: they digest what they read.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from adapt.artifact.stamp import Stamp

_TABLE = "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, stamp TEXT, digest TEXT) WITHOUT ROWID"
_FIND = "SELECT stamp, digest FROM digests WHERE path = ?"
_KEEP = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)"


class DigestStore:
    """Digests by path and stamp, in a file of SQLite; without one it knows nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def digest(self, path: str, compute: Callable[[str], str]) -> str:
        """The digest of a file, computed when it is not known, or no longer true. Raises what `compute` raises."""
        before = Stamp.of(path)
        for stamp, digest in self._run(_FIND, path):
            if stamp == _text(before):
                return digest
        now, digest = time.time_ns(), compute(path)
        if Stamp.of(path) == before and not before.is_recent(now):
            self._run(_KEEP, path, _text(before), digest)
        return digest

    def close(self) -> None:
        """Keep what was learnt."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.commit()
            self._connection.close()

    def _run(self, statement: str, *values: str) -> list[tuple[str, str]]:
        """Rows that a statement gives; none where the file is damaged, locked, or on a full disk: then files are read."""
        if self._connection is None:
            return []
        try:
            rows: list[tuple[str, str]] = self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError):
            return []
        return rows


active: ContextVar[DigestStore | None] = ContextVar("active", default=None)
"""The store that `digest_file` asks."""


@contextmanager
def digests_remembered(path: Path) -> Iterator[None]:
    """In the body, files that did not change since their digest was kept in `path` are not read again."""
    store = DigestStore(_connect(path))
    token = active.set(store)
    try:
        yield
    finally:
        active.reset(token)
        store.close()


def _connect(path: Path) -> sqlite3.Connection | None:
    """A workspace that may only be read has no store; a damaged one is made anew by the next who comes."""
    try:
        path.parent.mkdir(exist_ok=True)
        connection = sqlite3.connect(path, timeout=1)
        connection.execute(_TABLE)
    except sqlite3.DatabaseError:
        with suppress(OSError):
            path.unlink()
        return None
    except OSError:
        return None
    return connection


def _text(stamp: Stamp) -> str:
    """Without the number of links: the time of the last change tells of that as well."""
    return ":".join(map(str, stamp[:-1]))
