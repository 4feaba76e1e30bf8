"""Finds the character encoding of a file without loading it whole.

Order: byte-order mark, UTF-16 without one, UTF-8, what the page declares, then detection among the encodings that English and Chinese files come in.
Detection looks at the first MiB that is not plain ASCII; the whole file must then decode, or it is undecodable.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import BinaryIO

_BLOCK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_BOMS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CANDIDATES = ["gb18030", "cp1252", "big5"]
_DAMAGED_SHARE = 0.05
"""A file is UTF-8 with damage when broken sequences are at most this share of the whole ones."""
_CUT_OFF = 3
"""One broken sequence, as where a file was cut off, is damage already beside this many whole ones."""
_CONTROL_SHARE = 0.01
"""A file is binary when more than this share of its characters are control characters."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_BYTES = bytes([*range(9), *range(14, 27), *range(28, 32), 127])
_HAN = re.compile(r"[\u3400-\u9fff]")
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""")
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What browsers read under these labels (WHATWG Encoding Standard)."""


class UndecodableError(Exception):
    """The file is binary, or in no encoding that is tried. The text says which."""


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text."""

    codec: str
    repaired: bool = False
    """The file was taken for UTF-8 and is not."""
    damaged: int = 0
    """Byte sequences that are not valid and become U+FFFD."""

    def text(self, file: BinaryIO) -> TextIOWrapper:
        """The bytes from where `file` stands as text, line ends as they are. A file that changes meanwhile gives U+FFFD, no error."""
        return TextIOWrapper(file, encoding=self.codec, errors="replace", newline="")


def detect(file: BinaryIO, *, page: bool = False) -> Encoding:
    """The encoding of what `file` holds; it must be seekable, and is read from its start, to its end. With `page`, its `charset` declaration counts.

    Raises UndecodableError.
    """
    file.seek(0)
    sample = file.read(_BLOCK)
    if len(sample) < _BLOCK:
        file = BytesIO(sample)
    encoding = _detect(file, sample, page)
    file.seek(0)
    text = encoding.text(file)
    head = text.read(_BLOCK)
    text.detach()
    if len(_CONTROLS.findall(head)) > _CONTROL_SHARE * len(head):
        raise UndecodableError("the file is binary, not text")
    return encoding


def _detect(file: BinaryIO, sample: bytes, page: bool) -> Encoding:
    for mark, codec in _BOMS + _BOMS_16:
        if sample.startswith(mark):
            return _checked(file, Encoding(codec))
    wide = _guess_wide(sample)  # first, because English in UTF-16 is valid UTF-8 too, full of zeros
    if wide is not None:
        return _checked(file, Encoding(wide, repaired=True))
    if len(sample) - len(sample.translate(None, _CONTROL_BYTES)) > _CONTROL_SHARE * len(sample):
        raise UndecodableError("the file is binary, not text")  # in all that follow, control characters are single bytes
    if _decodes(file, "utf-8"):
        return Encoding("utf-8")
    declared = _declared(sample) if page else None
    if declared is not None and _decodes(file, declared):
        return Encoding(declared)
    damaged = _damage(file)
    if damaged is not None:
        return Encoding("utf-8", repaired=True, damaged=damaged)
    telling = next((block for block in _blocks(file) if not block.isascii()), sample)
    guess = _guess(telling if len(telling) < _BLOCK else telling[: telling.rfind(b"\n") + 1] or telling)
    if guess is None:
        raise UndecodableError("the bytes are in no known text encoding")
    return _checked(file, Encoding(guess, repaired=True))


def _checked(file: BinaryIO, encoding: Encoding) -> Encoding:
    if not _decodes(file, encoding.codec):
        raise UndecodableError(f"the file looks like {encoding.codec}, but does not decode as such")
    return encoding


def _decodes(file: BinaryIO, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for block in _blocks(file):
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


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


def _declared(sample: bytes) -> str | None:
    match = _DECLARED.search(sample[:4096])
    try:
        codec = codecs.lookup(match[1].decode()).name if match else None
    except LookupError:
        return None
    if codec is None or codec in ("utf-8", "utf-7") or not getattr(codecs.lookup(codec), "_is_text_encoding", False):
        return None
    return _MEANT.get(codec, codec)


def _guess(sample: bytes) -> str | None:
    """GB2312 text is told apart by its byte pairs: short samples of it look like Big5 to a statistical detector."""
    from charset_normalizer import from_bytes

    try:
        text = sample.decode("gb2312")
    except UnicodeDecodeError:
        pass
    else:
        if 2 * len(_HAN.findall(text)) > len(text) - len(text.encode("ascii", "ignore")):
            return "gb18030"
    best = from_bytes(sample, cp_isolation=_CANDIDATES, preemptive_behaviour=False).best()
    return None if best is None else best.encoding


def _guess_wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: in English, every other byte is zero."""
    half = len(sample) / 2
    for codec, first in (("utf-16-be", 0), ("utf-16-le", 1)):
        if sample[first::2].count(0) > 0.4 * half and sample[1 - first :: 2].count(0) < 0.05 * half:
            return codec
    return None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK):
        yield block
