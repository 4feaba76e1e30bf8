"""Streams that cannot cost more than they may: decompression in small steps, and a count of the bytes that came out.

Enters: stored bytes and how they are packed. Leaves: plain bytes, or `Refused` as soon as a bound is passed. What headers promise is not believed.
"""

import bz2
import errno
import gzip
import io
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any, BinaryIO, Protocol, cast

from adapt.corpus.draft import QuarantineRule, Rejected
from adapt.corpus.sources.names import Packing
from adapt.errors import AdaptError, WorkspaceError
from adapt.spec.corpus import Limits

_BLOCK = 1 << 16
_XZ_MEMORY = 256 << 20
"""Most memory that an .xz file may ask for, in bytes: `xz -9` takes 65 MiB to unpack, and a header can ask for 4 GiB."""
_ZSTD_BLOCK = 1 << 10
"""Stored bytes unpacked in one step: zstd takes no bound on the output of a step, and 1 KiB can become 32 MiB at most."""
_OF_THE_MACHINE = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT)
MIB = 1 << 20


class Refused(Exception):  # noqa: N818 (it is a verdict, not a fault of the program)
    """An input that may not or cannot be read. Neither text holds any of its content."""

    def __init__(self, rule: QuarantineRule, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason

    def rejected(self, locator: str = "") -> Rejected:
        """The same as a piece for the ledger."""
        return Rejected(locator, self.rule, self.reason)


def damaged(thing: str = "compressed data are") -> Refused:
    """The refusal of what cannot be unpacked."""
    return Refused("unreadable", f"The {thing} damaged.")


def too_large(limits: Limits, thing: str = "file") -> Refused:
    """The refusal of something beyond `limits.max_file_mib`."""
    return Refused("too_large", f"The {thing} is larger than {limits.max_file_mib} MiB (corpus.limits.max_file_mib).")


def unreadable(error: OSError) -> Refused | AdaptError:
    """What a file that the system does not hand over comes to: the file's fault is for the ledger, the machine's ends the build."""
    if error.errno in _OF_THE_MACHINE:
        return WorkspaceError(f"the system cannot read on: {error.strerror}", hint="see to the machine, then build again; nothing was lost")
    return Refused("unreadable", f"The file cannot be read: {error.strerror}.")


def temporary(in_memory: int) -> BinaryIO:
    """A file without a name, gone when it is closed; up to `in_memory` bytes do not touch the disk. Writing raises WorkspaceError on a full disk."""
    return cast(BinaryIO, _Temporary(in_memory))


class _Temporary(tempfile.SpooledTemporaryFile[bytes]):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:  # a member that was then taken for damaged would be lost for good
            hint = "free some space, or point TMPDIR to a larger disk, and build again"
            raise WorkspaceError(f"unpacking needs space in {tempfile.gettempdir()}: {error.strerror}", hint=hint) from None


def unpacked(stored: BinaryIO, packing: Packing | None, *, size: int, limits: Limits, archive: bool = False) -> io.BufferedReader:
    """The plain bytes of a stored stream of `size` bytes, 0 when that is not known.

    Reading raises Refused beyond `limits.max_expansion` times the stored bytes, beyond `limits.max_file_mib` (which for an `archive` of known
    size bounds its members instead), and where the data are damaged. The stored stream is closed with the one returned.
    """
    plain = stored if packing is None else _OPENERS[packing](stored)
    expanding = size if packing is not None else 0
    return bounded(plain, stored=expanding, limits=limits, thing="archive" if archive else "file", file=not (archive and size), below=stored)


def bounded(
    plain: IO[bytes], *, stored: int, limits: Limits, thing: str = "file", file: bool = True, below: BinaryIO | None = None
) -> io.BufferedReader:
    """`plain`, refused beyond `limits.max_expansion` times its `stored` bytes (0: not compressed) and, as a `file`, beyond `max_file_mib`."""
    bounds = [(limits.max_file_mib * MIB, too_large(limits, thing))] if file else []
    if stored:
        reason = f"The {thing} unpacks to more than {limits.max_expansion} times its stored size (corpus.limits.max_expansion)."
        bounds.append((stored * limits.max_expansion, Refused("too_large", reason)))
    return io.BufferedReader(_Bounded(plain, below, bounds), _BLOCK)


class _Bounded(io.RawIOBase):
    def __init__(self, plain: IO[bytes], below: BinaryIO | None, bounds: list[tuple[int, Refused]]) -> None:
        self._plain = plain
        self._read: Callable[[int], bytes] = getattr(plain, "read1", plain.read)  # a step at a time: what comes before damage is not lost
        self._below = below
        self._most, self._over = min(bounds, key=lambda bound: bound[0], default=(sys.maxsize, damaged()))
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = mended(lambda: self._read(len(buffer)))
        self._count += len(data)
        if self._count > self._most:
            raise self._over
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._plain.close()
            if self._below is not None:
                self._below.close()
        super().close()


def mended(read: Callable[[], bytes]) -> bytes:
    """What `read` gives; data that cannot be unpacked are Refused as damaged, whichever library says so."""
    try:
        return read()
    except EOFError:
        raise Refused("unreadable", "The data are cut off: the end of the compressed stream is missing.") from None
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile):
        raise damaged() from None
    except OSError as error:  # bz2 says so without a number
        raise (damaged() if error.errno is None else unreadable(error)) from None
    except Exception as error:
        from zstandard import ZstdError

        raise damaged() if isinstance(error, ZstdError) else error from None


class _Steps(Protocol):
    """What decompressors of bz2 and xz have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _ZstdSteps:
    """zstd in the same form. Its own stream reader takes data that are cut off for whole ones; this object tells them apart."""

    needs_input = True

    def __init__(self) -> None:
        from zstandard import ZstdDecompressor  # bounds the window at 128 MiB by itself

        self._object = ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._object.decompress(data)


class _GzipSteps:
    """gzip in the same form: half the cost of the standard library's reader, which takes 8 KiB at a time through three layers."""

    unused_data = b""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        plain = self._object.decompress(self._object.unconsumed_tail + data, max(0, max_length))
        self.unused_data = self._object.unused_data
        return plain


class _Stepwise(io.RawIOBase):
    """Unpacks one stored block after the other, so that no step gives more than memory can hold."""

    def __init__(self, stored: BinaryIO, make: Callable[[], _Steps], block: int) -> None:
        self._stored = stored
        self._make = make
        self._steps = make()
        self._block = block
        self._rest = self._ready = b""
        self._given = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while self._given == len(self._ready):
            if self._steps.eof and not self._next_stream():
                return b""
            if not self._rest and self._steps.needs_input:
                self._rest = self._stored.read(self._block)
                if not self._rest:
                    raise EOFError
            self._ready = self._steps.decompress(self._rest, max_length=size)
            self._rest, self._given = b"", 0
        data = self._ready[self._given : self._given + size]
        self._given += len(data)
        return data

    def _next_stream(self) -> bool:
        """Several streams may follow one another in a file, and zeros after them are padding."""
        self._rest = self._steps.unused_data.lstrip(b"\0")
        while not self._rest:
            block = self._stored.read(self._block)
            if not block:
                return False
            self._rest = block.lstrip(b"\0")
        self._steps = self._make()
        return True


_OPENERS: dict[Packing, Callable[[BinaryIO], IO[bytes]]] = {
    "gz": lambda stored: cast(IO[bytes], _Stepwise(stored, _GzipSteps, _BLOCK)),
    "zst": lambda stored: cast(IO[bytes], _Stepwise(stored, _ZstdSteps, _ZSTD_BLOCK)),
    "bz2": lambda stored: cast(IO[bytes], _Stepwise(stored, bz2.BZ2Decompressor, _BLOCK)),
    "xz": lambda stored: cast(IO[bytes], _Stepwise(stored, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), _BLOCK)),
}
