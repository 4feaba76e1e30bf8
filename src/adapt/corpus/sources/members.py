"""What an archive holds: its members, before it is known which of them are read."""

from functools import lru_cache
from typing import BinaryIO, NamedTuple, Protocol

from adapt.corpus.sources.names import shown
from adapt.corpus.sources.streams import Refused


def gone() -> Refused:
    """The refusal of a member that was listed, and is not there when it is to be read."""
    return Refused("unreadable", "The archive no longer has this member.")


class Member(NamedTuple):
    """A file in an archive, or what is there in place of one."""

    name: str
    """As it stands in the archive; it opens the member."""
    size: int
    """Bytes as stored: compressed in a zip, plain in a tar."""
    refusal: Refused | None = None
    """Why it may not be read."""

    @property
    def misnamed(self) -> Refused | None:
        """The refusal of a name that is absolute or climbs; whichever source is meant, such an archive is worth a word."""
        if ".." not in self.name and self.name[:1] not in ("", "/", "\\") and self.name[1:2] != ":":
            return None
        parts = self.name.replace("\\", "/").split("/")
        if parts[0] == "" or parts[0][1:] == ":":
            return Refused("unsafe", "The member's name is absolute: it leads out of the archive.")
        return Refused("unsafe", "The member's name holds `..`: it leads out of the archive.") if ".." in parts else None

    @property
    def shown(self) -> str:
        """Its name as text, without `./`."""
        return _shown(self.name)


@lru_cache(maxsize=4)
def _shown(name: str) -> str:
    """Asked for several times in turn for each member."""
    if name.isascii() and name[:1] not in ("", ".", "/") and name[-1] != "/" and "//" not in name and "/." not in name:
        return name
    parts = [part for part in shown(name).split("/") if part not in ("", ".")]
    return ("/" if name.startswith("/") else "") + "/".join(parts)


class OpenArchive(Protocol):
    """An archive whose members can be opened in any order."""

    def open(self, member: str) -> BinaryIO:
        """The plain bytes of a member, bounded by the limits; raises Refused."""

    def close(self) -> None:
        """Let go of its file."""
