"""Finds the character encoding of a file without loading it whole.

Order: what the spec says; byte-order mark; UTF-16 and UTF-32 without one; escapes of ISO 2022 and HZ;
UTF-8; what the page declares; UTF-8 with few broken bytes; then the code pages (`charsets`). The decision
looks at samples; the whole file must then decode, and parts of it that say otherwise (`agreement`) make it
undecodable: a file is read right or not at all.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import BinaryIO, Literal

from adapt.corpus.cleaning.declarations import declared
from adapt.corpus.cleaning.unmarked import find_escaped, find_wide, has_escapes
from adapt.spec.encodings import codecs_of, wider

_BLOCK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_BOMS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DAMAGED_SHARE = 0.05
"""A file is UTF-8 with damage when broken sequences are at most this share of the whole ones."""
_CUT_OFF = 3
"""One broken sequence, as where a file was cut off, is damage already beside this many whole ones."""
_CONTROL_SHARE = 0.01
"""A file is binary when more than this share of its characters are control characters."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_BYTES = bytes([*range(9), *range(14, 27), *range(28, 32), 127])
_KOREAN_SHIFT = b"\x1b$)C"
"""ISO-2022-KR begins so, and shifts by control characters."""
_ASCII = bytes(range(128))
_FEW = 8
_HINT = "If you know its encoding, name it in the `encoding` of its entry in corpus.sources."

Origin = Literal["found", "mark", "declared", "spec"]


class UndecodableError(Exception):
    """The file is binary, or in no encoding that can be told. The text says which, and what helps."""


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text."""

    codec: str
    repaired: bool = False
    """The file was taken for UTF-8 and is not."""
    damaged: int = 0
    """Byte sequences that are not valid and become U+FFFD."""
    origin: Origin = field(default="found", compare=False)
    """What told: the bytes, their mark, the file's own declaration, or the spec."""

    def text(self, file: BinaryIO) -> TextIOWrapper:
        """The bytes from where `file` stands as text, line ends as they are. A file that changes meanwhile
        gives U+FFFD, no error.
        """
        return TextIOWrapper(file, encoding=self.codec, errors="replace", newline="")


def detect(file: BinaryIO, *, page: bool = False, named: str | None = None) -> Encoding:
    """The encoding of what `file` holds; it must be seekable, and is read from its start, to its end. With `page`, its `charset` declaration counts.

    `named` is the encoding that the spec gives: then nothing is guessed, and the file need only decode. Raises UndecodableError.
    """
    file.seek(0)
    sample = file.read(_BLOCK)
    if len(sample) < _BLOCK:
        file = BytesIO(sample)
    encoding = _detect(file, sample, page) if named is None else _as_named(file, sample, named)
    file.seek(0)
    text = encoding.text(file)
    head = text.read(_BLOCK)
    text.detach()
    if len(_CONTROLS.findall(head)) > _CONTROL_SHARE * len(head):
        raise UndecodableError("the file is binary, not text")
    return encoding


def _as_named(file: BinaryIO, sample: bytes, label: str) -> Encoding:
    said = codecs_of(label)
    marked = tuple(codec for mark, codec in _BOMS + _BOMS_16 if sample.startswith(mark) and said[0].startswith(codec[:5]))
    codec = _first_that_decodes(file, marked + said)
    if codec is None:
        raise UndecodableError(
            f"the file does not decode as {label}, the encoding that its entry in corpus.sources gives it. Correct it, or leave it out."
        )
    return Encoding(_name(codec), origin="spec")


def _detect(file: BinaryIO, sample: bytes, page: bool) -> Encoding:
    for mark, codec in _BOMS + _BOMS_16:
        if sample.startswith(mark):
            return _checked(file, Encoding(_name(codec), origin="mark"))
    size = len(sample) if len(sample) < _BLOCK else None
    controls = len(sample) - len(sample.translate(None, _CONTROL_BYTES)) > _CONTROL_SHARE * len(sample)
    if controls:  # first, because English in UTF-16 is valid UTF-8 too, full of zeros
        wide = find_wide(sample, size)
        if wide is not None:
            return _checked(file, Encoding(wide, repaired=True))
        if _KOREAN_SHIFT in sample:
            return _escaped(file, sample)
        raise UndecodableError("the file is binary, not text")  # in all that follow, control characters are single bytes
    valid, escapes = _is_utf8(file)
    if valid:
        return Encoding("utf-8") if escapes is None else _escaped(file, escapes)
    said = declared(sample) if page else ()
    wide = find_wide(sample, size)
    if wide is not None and _decodes(file, wide):
        return Encoding(wide, repaired=True)
    damaged = _damage(file)
    if damaged is not None and not said:
        return Encoding("utf-8", repaired=True, damaged=damaged)
    return _code_page(file, page, said, damaged)


def _code_page(file: BinaryIO, page: bool, said: tuple[str, ...], damaged: int | None) -> Encoding:
    """One of the encodings that must be told by their letters; `said` is what the file declares, and
    `damaged` holds if it is none of them.
    """
    from adapt.corpus.cleaning.agreement import telling_parts  # their patterns are many, and most files are UTF-8
    from adapt.corpus.cleaning.charsets import find_charset, is_written, outweighs

    sample, *parts = telling_parts(file, tags=page)
    found = find_charset(sample) if sample else None
    if page and found is None and len(sample.translate(None, _ASCII)) < _FEW:  # next to nothing but tags
        sample = telling_parts(file)[0]
        found = find_charset(sample)
    meant = next((codec for codec in said if is_written(sample, codec)), None)
    if meant is not None and (found is None or found in said or not outweighs(sample, found, meant)):
        codec = _first_that_decodes(file, said)
        if codec is not None:
            return _agreed(parts, Encoding(_name(codec), origin="declared"))
    if damaged is not None:
        return Encoding("utf-8", repaired=True, damaged=damaged)
    if found is None:
        raise UndecodableError(f"the file is not UTF-8, and which other encoding it is in cannot be told. {_HINT}")
    codec = _first_that_decodes(file, wider(found))
    if codec is not None and page and not is_written(telling_parts(file)[0], codec):
        raise UndecodableError(f"the text of the page looks like {codec}, but what its tags hold does not. {_HINT}")
    if codec is None:
        raise UndecodableError(f"the file looks like {found}, but does not decode as such. {_HINT}")
    return _agreed(parts, Encoding(_name(codec), repaired=True))


def _agreed(parts: list[bytes], encoding: Encoding) -> Encoding:
    from adapt.corpus.cleaning.agreement import contradict

    if contradict(parts, encoding.codec):
        raise UndecodableError(f"parts of the file are in {encoding.codec}, and others are not. Bring all of it to one encoding. {_HINT}")
    return encoding


def _escaped(file: BinaryIO, sample: bytes) -> Encoding:
    codec = find_escaped(sample)
    if codec is None and b"\x1b" not in sample:
        return Encoding("utf-8")
    if codec is None or not _decodes(file, codec):
        raise UndecodableError(f"the file holds escapes of ISO 2022, and does not decode as such. {_HINT}")
    return Encoding(_name(codec), repaired=True)


def _name(codec: str) -> str:
    return codecs.lookup(codec).name


def _checked(file: BinaryIO, encoding: Encoding) -> Encoding:
    if not _decodes(file, encoding.codec):
        raise UndecodableError(f"the file looks like {encoding.codec}, but does not decode as such. {_HINT}")
    return encoding


def _first_that_decodes(file: BinaryIO, said: tuple[str, ...]) -> str | None:
    return next((codec for codec in said if _decodes(file, codec)), None)


def _decodes(file: BinaryIO, codec: str) -> bool:
    from adapt.corpus.cleaning.charsets import is_beyond

    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for block in _blocks(file):
            decoder.decode(block)
            if is_beyond(block, codec):
                return False
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def _is_utf8(file: BinaryIO) -> tuple[bool, bytes | None]:
    """Whether the file is UTF-8, and the block that holds escapes of other encodings in ASCII bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    escapes: bytes | None = None
    try:
        for block in _blocks(file):
            decoder.decode(block)
            if escapes is None and has_escapes(block):
                escapes = block
        decoder.decode(b"", True)
    except UnicodeError:
        return False, None
    return True, escapes


def _damage(file: BinaryIO) -> int | None:
    """Broken sequences of a file that is UTF-8 but for few of them; None when it is not."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    whole = broken = 0
    for block in chain(_blocks(file), (b"",)):
        text = decoder.decode(block, not block)
        broken += text.count("\ufffd")
        whole += len(text) - len(text.encode("ascii", "ignore"))
    whole -= broken
    cut_off = broken == 1 and whole >= _CUT_OFF
    return broken if cut_off or broken <= _DAMAGED_SHARE * whole else None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK):
        yield block
