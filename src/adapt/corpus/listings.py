"""What archives hold, known by a digest of each: an archive that has not changed is neither unpacked nor listed again.

Enters: digests of the archives' bytes, and what an earlier build noted of archives with the same. Leaves: members, and digests of their bytes. The
digest of the whole archive is the proof, and no less: sizes, times and checksums in an archive's own directory can stay while bytes change.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from adapt.artifact.digest import UNREADABLE
from adapt.corpus.sources.archives import list_members, opened
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.members import Member, OpenArchive
from adapt.corpus.sources.storage import content_key, digest_stream
from adapt.corpus.sources.stores import is_url
from adapt.corpus.sources.streams import Refused
from adapt.spec.corpus import Limits

FILE = "archives.json"


class Listings:
    """The archives of a corpus, as they are listed and read in one build."""

    def __init__(self, key: bytes, digests: Mapping[str, str], former: Path | None) -> None:
        """`key` covers settings and code, empty: nothing is kept; `digests` are those of files by their paths; `former` is an earlier generation."""
        self._key, self._digests = key, digests
        self._former: dict[str, list[list[str | int | None]]] = json.loads((former / FILE).read_bytes()) if former else {}
        self._members: dict[str, list[Member]] = {}
        """Of each archive that was listed to its end, by its path."""
        self._contents: dict[str, dict[str, str | None]] = {}
        """Digests of members by their names, by the path of the archive."""
        self._open: tuple[str, OpenArchive] | None = None

    def members(self, path: str, limits: Limits) -> Iterator[Member]:
        """As `list_members`, of which no more is kept than lists without a fault at their end."""
        rows = self._former.get(self._name(path))
        if rows is not None:
            found = [Member(row[0], row[1], Refused(row[3], row[4]) if len(row) > 3 else None) for row in rows]  # type: ignore[arg-type]
            self._contents[path] = {row[0]: row[2] for row in reversed(rows) if row[2]}  # type: ignore[misc]
            yield from found
        else:
            found = []
            for member in list_members(path, limits):
                found.append(member)
                yield member
        if self._name(path):
            self._members[path] = found

    def content(self, input: RawInput, limits: Limits) -> str | None:
        """Digest of the bytes of an input, as `content_key` gives it."""
        if not input.member:
            return content_key(input, limits, self._digests)
        known = self._contents.setdefault(input.path, {})
        if input.member not in known:
            known[input.member] = None if is_url(input.path) else self._digest(input, limits)
        return known[input.member]

    def _digest(self, input: RawInput, limits: Limits) -> str | None:
        """Members come one after the other: that the archive is still the one that was opened is looked at for the first of them alone."""
        try:
            if self._open is None or self._open[0] != input.path:
                self._open = None
                self._open = input.path, opened(input.path, limits)
            with self._open[1].open(input.member) as stream:
                return digest_stream(stream, input.size)
        except Refused:
            return None

    def write(self, folder: Path) -> None:
        """Keep what was listed for the next build."""
        kept = {self._name(path): [self._row(path, member) for member in members] for path, members in self._members.items()}
        (folder / FILE).write_text(json.dumps(kept, separators=(",", ":")), encoding="ascii")

    def _row(self, path: str, member: Member) -> list[str | int | None]:
        row: list[str | int | None] = [member.name, member.size, None if member.refusal else self._contents.get(path, {}).get(member.name)]
        return row if member.refusal is None else [*row, member.refusal.rule, member.refusal.reason]

    def _name(self, path: str) -> str:
        """What an archive is known by: its bytes, and its ending, which says how it is read. Empty where that is not known."""
        digest = self._digests.get(path, UNREADABLE)
        if not self._key or digest == UNREADABLE:
            return ""
        ending = Path(path).name.partition(".")[2].lower().encode("utf-8", "surrogatepass")
        return blake2b(self._key + bytes.fromhex(digest) + ending, digest_size=16).hexdigest()
