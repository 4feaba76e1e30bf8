"""Opens what is to be read, whatever it is packed in and wherever it lies.

Enters: a RawInput. Leaves: its plain bytes, or its text with the encoding that was found, never more than the limits allow. Everything that can
be wrong with an input is `Refused` or `UndecodableError`, for the ledger; a URL that cannot be read is an InputError, since it may work tomorrow.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from adapt.artifact.digest import UNREADABLE
from adapt.corpus.cleaning.encoding import Encoding, detect
from adapt.corpus.sources.archives import open_member
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.names import packing
from adapt.corpus.sources.stores import is_url, open_stored, public
from adapt.corpus.sources.streams import MIB, Refused, mended, temporary, too_large, unpacked
from adapt.spec.corpus import Limits

__all__ = ["Refused", "content_key", "open_bytes", "open_text"]

_BLOCK = 1 << 20
_SMALL = 1 << 12
_NONE: Mapping[str, str] = {}
_IN_MEMORY = 8 << 20
"""Bytes of a stream that stay in memory before they go to a temporary file, where they can be read twice."""


@contextmanager
def open_bytes(input: RawInput, limits: Limits, *, seekable: bool = False) -> Iterator[BinaryIO]:
    """The plain bytes of a file or member. With `seekable` they can be read in any order; a local file that is not compressed always can.

    Raises Refused, here or while reading: larger than `limits.max_file_mib`, expanding beyond `limits.max_expansion`, damaged, or gone.
    """
    with _opened(input, limits) as stream:
        if not seekable or stream.seekable():
            yield stream
            return
        with temporary(_IN_MEMORY) as spool:
            shutil.copyfileobj(stream, spool, _BLOCK)
            spool.seek(0)
            yield spool


@contextmanager
def open_text(input: RawInput, limits: Limits, *, page: bool = False, named: str | None = None) -> Iterator[tuple[TextIO, Encoding]]:
    """The text of a file or member, line ends as they are, and how its bytes were read; with `page`, a `charset` in it counts, and `named` is what
    the spec says.

    It is unpacked once. Raises Refused as `open_bytes` does, and UndecodableError for what is no text.
    """
    with open_bytes(input, limits, seekable=True) as stream:
        encoding = detect(stream, page=page, named=named)
        stream.seek(0)
        text = encoding.text(stream)
        try:
            yield text, encoding
        finally:
            text.detach()


def content_key(input: RawInput, limits: Limits, known: Mapping[str, str] = _NONE) -> str | None:
    """Digest of the bytes of a local file as they are stored, or of one member; None where it cannot be known, as behind a URL.

    `known` are digests of files by their paths.
    """
    if not input.path or is_url(input.path):
        return None
    if not input.member and input.path in known:
        return None if known[input.path] == UNREADABLE else known[input.path]
    try:
        with open_member(input, limits) if input.member else open_stored(input.path).stream as stream:
            return digest_stream(stream, input.size)
    except Refused:
        return None


def digest_stream(stream: BinaryIO, size: int) -> str:
    """Digest of what is left of a stream of about `size` bytes. Raises Refused for data that are damaged."""
    if isinstance(stream, io.BytesIO):
        return hashlib.sha256(stream.getbuffer()).hexdigest()
    sha, step = hashlib.sha256(), min(_BLOCK, max(_SMALL, size))  # room for a whole block would cost more than a small member
    while block := mended(lambda: stream.read(step)):
        sha.update(block)
    return sha.hexdigest()


def _opened(input: RawInput, limits: Limits) -> BinaryIO:
    if input.member:
        stream, size, packed = open_member(input, limits), input.size, packing(input.member)
    else:
        stored = open_stored(input.path)
        stream, size, packed = stored.stream, stored.size, packing(public(input.path))
    if packed is None and size > limits.max_file_mib * MIB:
        stream.close()
        raise too_large(limits)
    if packed is None and (input.member or isinstance(stream, io.BufferedReader)):
        return stream
    return unpacked(stream, packed, size=size, limits=limits)
