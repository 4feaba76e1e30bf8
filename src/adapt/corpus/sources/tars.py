"""Tar archives, plain or compressed.

A compressed one can only be read forwards, and its members are wanted in the order of their names: it is unpacked once in each process, as far as it
is asked for, into an unnamed temporary file. Read anew for each member, it would cost the square of its length.
"""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from adapt.corpus.sources.members import Member, gone
from adapt.corpus.sources.streams import MIB, Refused, damaged, temporary, too_large
from adapt.spec.corpus import Limits

_BLOCK = 1 << 18
_HEADER = 1 << 20
_SMALL = 1 << 16
"""Members up to this size are read at once."""
_OCTAL = re.compile(rb"[0-7]{1,11}")
_IN_MEMORY = 32 << 20
"""Bytes of a compressed tar that stay in memory before they go to the disk."""


class TarArchive:
    """A tar that is read as far as members are asked for; of members of one name, the first counts."""

    def __init__(self, plain: BinaryIO, limits: Limits, *, again: bool) -> None:
        """`plain` is the unpacked tar, and refuses by itself to grow too large. With `again` members can be opened, else only listed."""
        self._limits = limits
        self._again = again
        if plain.seekable():
            self._tape = _Tape(None, plain)
        else:
            self._tape = _Tape(cast(io.BufferedReader, plain), temporary(_IN_MEMORY) if again else None)
        self._tar: tarfile.TarFile | None = None
        self._places: dict[str, tuple[int, int]] = {}

    def members(self) -> Iterator[Member]:
        """Every member that is no folder, in the order of the archive. Raises Refused where the archive is damaged."""
        most = self._limits.max_file_mib * MIB
        while (entry := self._next()) is not None:
            if entry.kind == _FILE:
                yield Member(entry.name, entry.size, too_large(self._limits, "member") if entry.size > most else None)
            elif entry.kind == _ODD:
                yield Member(entry.name, entry.size, _odd())

    def open(self, member: str) -> BinaryIO:
        """The bytes of a member; raises Refused."""
        while member not in self._places:
            if self._next() is None:
                raise gone()
        start, size = self._places[member]
        if size > self._limits.max_file_mib * MIB:
            raise too_large(self._limits, "member")
        if size > _SMALL:
            return cast(BinaryIO, io.BufferedReader(_Part(self._tape, start, size)))
        data = self._tape.read_at(start, size)
        if len(data) < size:
            raise _cut_off()
        return io.BytesIO(data)

    def close(self) -> None:
        """Let go of the files."""
        self._tape.close()

    def _next(self) -> "_Entry | None":
        try:
            if self._tar is None:
                self._tar = tarfile.TarFile(fileobj=self._tape, encoding="utf-8", errors="surrogateescape")
            entry = self._plain(self._tar) or self._told(self._tar)
        except (tarfile.TarError, ValueError, OverflowError):
            raise damaged("archive is") from None
        if entry is None and (not self._tape.header or self._tape.header.strip(b"\0")):
            raise Refused("unreadable", "The archive is cut off or damaged behind its last member that was found.")
        if entry is not None and self._again and entry.place is not None:
            self._places.setdefault(entry.name, (entry.place, entry.size))
        return entry

    def _told(self, tar: tarfile.TarFile) -> "_Entry | None":
        """The next member, as tarfile tells it."""
        info = tar.next()
        tar.members = []  # type: ignore[attr-defined]  # it would remember every header, to follow hard links
        if info is None:
            return None
        kind = _FOLDER if info.isdir() else _FILE if info.isreg() and not info.issparse() else _ODD
        return _Entry(info.name, info.size, info.offset_data if info.isreg() else None, kind)

    def _plain(self, tar: tarfile.TarFile) -> "_Entry | None":
        """The next member, where it is a file with a short name, as nearly all are; None where tarfile must look, which takes longer."""
        if not self._tape.keeps or tar.firstmember is not None or tar.pax_headers:  # type: ignore[attr-defined]
            return None
        place: int = tar.offset
        header = self._tape.read_at(place - 1, 1 + tarfile.BLOCKSIZE)[1:]
        if len(header) < tarfile.BLOCKSIZE or header[156:157] != tarfile.REGTYPE or header[257:262] != b"ustar" or header[345]:
            return None
        size, checksum = header[124:136].rstrip(b" \0"), header[148:156].strip(b" \0")
        if not (_OCTAL.fullmatch(size) and _OCTAL.fullmatch(checksum)) or _sum(header) != int(checksum, 8):
            return None
        found = _Entry(header[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape"), int(size, 8), place + tarfile.BLOCKSIZE, _FILE)
        tar.offset = place + tarfile.BLOCKSIZE - -found.size // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        self._tape.header = header
        return found


_FILE, _FOLDER, _ODD = range(3)


class _Entry(NamedTuple):
    """What a header tells."""

    name: str
    size: int
    place: int | None
    """Where its bytes begin; None where it has none of its own."""
    kind: int


def _sum(header: bytes) -> int:
    """The checksum of a header: the sum of its bytes, blanks in its own place. Adler-32 has the sum of up to 256 bytes, plus 1, in its lower half."""
    first, second, third = zlib.adler32(header[:148]), zlib.adler32(header[156:384]), zlib.adler32(header[384:])
    return (first & 0xFFFF) + (second & 0xFFFF) + (third & 0xFFFF) - 3 + 8 * ord(" ")


def _odd() -> Refused:
    return Refused("unsafe", "The member is a link, a device, a pipe or a file with holes, not a plain file.")


def _cut_off() -> Refused:
    return Refused("unreadable", "The archive is cut off within this member.")


class _Tape(io.RawIOBase):
    """The plain bytes of a tar. Those that come off `stream` are kept in `store`, if there is one; a plain tar is its own store."""

    def __init__(self, stream: io.BufferedReader | None, store: BinaryIO | None) -> None:
        self.header = b""
        """The last header that was read."""
        self._stream = stream
        self._store = store
        self._last = b""
        """What came off `stream` last: headers are read from it in small pieces."""
        self._end = 0
        self._at = 0

    @property
    def keeps(self) -> bool:
        """Whether what was read can be read again."""
        return self._store is not None

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = 0) -> int:
        """Forwards only, as in a sound archive; a size below zero in a header would lead round in a circle."""
        if place < self._at:
            raise damaged("archive is")
        self._at = place
        return place

    def read(self, size: int = -1) -> bytes:
        """For headers: tarfile holds the whole of one in memory, and those of a sound archive are small."""
        if not 0 <= size <= _HEADER:
            raise Refused("too_large", f"The archive has a header of more than {_HEADER // MIB} MiB.")
        self.header = self.read_at(self._at, size)
        self._at += len(self.header)
        return self.header

    def read_at(self, place: int, size: int) -> bytes:
        """`size` bytes from `place` on, fewer at the end."""
        if self._store is None:
            while self._end < place and self._pulled(place - self._end):
                pass
            data = b""
            while len(data) < size and (block := self._pulled(size - len(data))):
                data += block
            return data
        while self._stream is not None and self._end < place + size:
            block = self._pulled(_BLOCK)
            if not block:
                break
            self._store.seek(self._end - len(block))
            self._store.write(block)
            self._last = block
        at = place - self._end + len(self._last)
        if self._last and 0 <= at <= len(self._last) - size:
            return self._last[at : at + size]
        self._store.seek(place)
        return self._store.read(size)

    def _pulled(self, size: int) -> bytes:
        assert self._stream is not None
        block = self._stream.read1(size)
        self._end += len(block)
        return block

    def close(self) -> None:
        for file in (self._stream, self._store):
            if file is not None:
                file.close()
        super().close()


class _Part(io.RawIOBase):
    """One member of a tar; can be read in any order, beside others."""

    def __init__(self, tape: _Tape, start: int, size: int) -> None:
        self._tape = tape
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = 0) -> int:
        self._at = max(0, place + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), max(0, self._size - self._at))
        data = self._tape.read_at(self._start + self._at, wanted)
        if len(data) < wanted:
            raise _cut_off()
        buffer[:wanted] = data
        self._at += wanted
        return wanted
