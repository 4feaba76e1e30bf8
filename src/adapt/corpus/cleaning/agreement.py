"""Holds parts of a file against the encoding that was found for all of it: files are glued together, and a
code page decodes anything.

The parts are bounded: of each block of a large file its first telling lines, of a small file all lines, and
always the last one.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from adapt.corpus.cleaning.charsets import LIKELY_SHARE, SAMPLE, as_cleaned, decode, find_charset, outweighs
from adapt.corpus.cleaning.plausibility import count_foreign, count_oddities, is_plausible

_STEP = 1 << 16
_EVERY = 8
"""Of so many steps one part is looked at, behind the first that have telling lines."""
_PART = 1 << 11
_SAFE = re.compile(rb"[\x09-\x2f]")
"""Bytes that are no second half of a character in any encoding."""
_SEQUENCES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_TAG = re.compile(rb"<[^<>]*>")
_ASCII = bytes(range(128))
_BEFORE = 60
"""Bytes of a sample before its first that is telling."""
_COMPARED = 6
_SOME = 2
"""Oddities that a part may have, however short it is."""
_TELLING = 8
"""Characters beyond ASCII below which a part tells nothing."""
_MANY = 4
"""UTF-8 sequences that are no chance."""


def telling_parts(file: BinaryIO, *, tags: bool = False) -> list[bytes]:
    """Lines with bytes beyond ASCII: first a sample to decide by, from all parts, then the parts, some 2 KiB
    each, and the last line.

    With `tags`, those of a page are left out: their words are English, whatever the page is."""
    parts: list[bytes] = []
    last = b""
    for number, window in enumerate(_windows(file)):
        if window.isascii():
            continue
        lines = [line for line in (_TAG.sub(b" ", window) if tags else window).split(b"\n") if not line.isascii()]
        if not lines:
            continue
        last = lines[-1]
        if len(parts) < _STEP // _PART:
            parts += _parts(lines)
        elif not number % _EVERY:
            parts.append(next(_parts(lines)))
    share = max(SAMPLE // max(len(parts), 1), 128)
    sample = b"\n".join(parts)
    if len(sample) > SAMPLE:
        sample = _cut(b"\n".join([_cut(_from_telling(part), share) for part in parts]), SAMPLE)
    end = last if len(last) <= _PART else _tail(last)
    return [sample, *parts, *([end] if end else [])]


def contradict(parts: list[bytes], codec: str) -> bool:
    """Whether one of the parts of a file in `codec` is surely in another encoding. What costs milliseconds
    is asked of some of them, and of the last.
    """
    if any(_is_elsewhere(part, codec) for part in parts):
        return True
    return any(_is_likelier_elsewhere(part, codec) for part in [*parts[: -1 : max(1, len(parts) // _COMPARED)], *parts[-1:]])


def _is_elsewhere(part: bytes, codec: str) -> bool:
    text = decode(part, codec)
    if text is None:
        return False  # cut inside a character; whether the whole decodes is asked elsewhere
    if codec != "cp1252" and any(not line.isascii() and _is_utf8(line) for line in part.split(b"\n")):
        return True
    text = as_cleaned(text, codec)
    return count_oddities(text) > _SOME and not is_plausible(text, LIKELY_SHARE)


def _is_likelier_elsewhere(part: bytes, codec: str) -> bool:
    text, other = decode(part, codec), find_charset(part)
    if text is None or other is None or other == codec or count_foreign(text) < _TELLING:
        return False
    return decode(part, other) != text and outweighs(part, other, codec)


def _is_utf8(line: bytes) -> bool:
    """Whether a line is in UTF-8, and by no chance."""
    if len(_SEQUENCES.findall(line)) < _MANY:
        return False
    try:
        return is_plausible(line.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _windows(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces of some 64 KiB that end with lines, or else where no character is cut in two."""
    file.seek(0)
    rest, aligned = b"", True
    while block := file.read(_STEP):
        if not aligned:
            begin = _SAFE.search(block)
            block, aligned = (block[begin.end() :], True) if begin else (b"", False)
        block = rest + block
        end = block.rfind(b"\n") + 1 or _last_safe(block)
        rest = block[end:]
        if end:
            yield block[:end]
        elif len(block) >= _STEP:  # not one sign in all of it
            yield block
            rest, aligned = b"", False
    if rest:
        yield rest


def _last_safe(data: bytes) -> int:
    return max((found.end() for found in _SAFE.finditer(data)), default=0)


def _parts(lines: list[bytes]) -> Iterator[bytes]:
    """Lines taken together to some 2 KiB; of a longer line, pieces of it."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        rest = line
        while len(rest) > _PART:
            end = _last_safe(rest[:_PART])
            yield rest[: end or _PART]
            rest = rest[end:] if end else b""  # behind a cut elsewhere, pairs of bytes may be taken apart
        if held and size + len(rest) > _PART:
            yield b"\n".join(held)
            held, size = [], 0
        if not rest.isascii():
            held.append(rest)
            size += len(rest)
    if held:
        yield b"\n".join(held)


def _cut(part: bytes, size: int) -> bytes:
    """The beginning of a part, to the last byte that surely ends a character, where there is one."""
    return part if len(part) <= size else part[: _last_safe(part[:size]) or size]


def _from_telling(part: bytes) -> bytes:
    """A part from some words before its first byte beyond ASCII."""
    first = len(part) - len(part.lstrip(_ASCII))
    return part[_last_safe(part[: max(first - _BEFORE, 0)]) :]


def _tail(line: bytes) -> bytes:
    """The end of a long line, from a byte that surely begins a character."""
    tail = line[-_PART:]
    begin = _SAFE.search(tail)
    return tail[begin.end() :] if begin else b""
