"""Zip archives. The sizes in their headers are not believed; what a member may become is counted as it is unpacked."""

import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from adapt.corpus.sources.members import Member, gone
from adapt.corpus.sources.streams import MIB, Refused, bounded, damaged, too_large
from adapt.spec.corpus import Limits

_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_ENTRY = b"PK\x01\x02"
_LEAST_ENTRY = 46
"""Bytes of an entry in the directory, but for its name."""
_TAIL = 76 + 22 + 65_535
"""Bytes in which the end records lie: those of large archives, the plain one, and a comment."""
_BLOCK = 1 << 20
_UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The methods that nearly all zips use. For the others zipfile unpacks 4 KiB of the archive at a time whatever they become: gigabytes, for bzip2."""


class ZipArchive:
    """A zip whose directory has been read; of members of one name, the first counts."""

    def __init__(self, stored: BinaryIO, limits: Limits) -> None:
        """`stored` can be searched. Raises Refused for what is no zip, has too many members, or members that share their bytes."""
        self._stored = stored
        self._limits = limits
        if _entries(stored, limits.max_members) > limits.max_members:
            raise Refused("too_large", f"The archive has more than {limits.max_members} members (corpus.limits.max_members).")
        try:
            self._zip = zipfile.ZipFile(stored)
        except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError):
            raise damaged("archive is") from None
        infos = self._zip.infolist()
        if sum(info.compress_size for info in infos) > stored.seek(0, 2):
            raise Refused("unsafe", "Members of the archive share their bytes, as those of a zip bomb do.")
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._members.setdefault(_name(info), info)

    def members(self) -> Iterator[Member]:
        """Every member that is no folder, in the order of the directory."""
        for info in self._zip.infolist():
            if not info.is_dir():
                yield Member(_name(info), info.compress_size, self._refusal(info))

    def open(self, member: str) -> BinaryIO:
        """The plain bytes of a member; raises Refused."""
        info = self._members.get(member)
        if info is None:
            raise gone()
        try:
            plain = self._zip.open(info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, struct.error):
            raise damaged("archive is") from None
        return bounded(plain, stored=info.compress_size, limits=self._limits, thing="member")

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()
        self._stored.close()

    def _refusal(self, info: zipfile.ZipInfo) -> Refused | None:
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            return Refused("unsafe", "The member is a link or a device, not a file.")
        if info.flag_bits & _ENCRYPTED:
            return Refused("unsafe", "The member is encrypted.")
        if info.compress_type not in _UNPACKED:
            return Refused("unreadable", "The member is compressed by a method that is not read; deflate is.")
        return too_large(self._limits, "member") if info.file_size > self._limits.max_file_mib * MIB else None


def _entries(stored: BinaryIO, most: int) -> int:
    """How many entries the directory has, counted before zipfile makes objects of them all; 0 where they must be fewer than `most`."""
    end = stored.seek(0, 2)
    start = max(0, end - _TAIL)
    stored.seek(start)
    tail = stored.read()
    at = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":  # the record of large archives, 76 bytes before, counts instead
        at -= 76
        size = int.from_bytes(tail[at + 40 : at + 48], "little")
    if size <= most * _LEAST_ENTRY:
        return 0
    place = stored.seek(max(0, start + at - size))
    count, before = 0, b""
    while place < start + at and (block := stored.read(_BLOCK)):
        place += len(block)
        count += (before + block).count(_ENTRY)
        before = block[-len(_ENTRY) + 1 :]
    return count


def _name(info: zipfile.ZipInfo) -> str:
    """Its name. Without the mark of UTF-8, zipfile takes names for those of DOS, while Chinese Windows writes GB18030 and many tools UTF-8."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename
    raw = info.filename.encode("cp437", "replace")
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return info.filename
