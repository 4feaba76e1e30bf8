"""Holds parts of a file against the encoding that was found for all of it: files are glued together, and a code page decodes anything.

The parts are bounded: of each block of a large file its first telling lines, of a small file all lines, and always the last one.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from adapt.corpus.cleaning.charsets import SAMPLE, decode, find_charset, outweighs
from adapt.corpus.cleaning.plausibility import count_foreign, count_oddities, is_plausible

_STEP = 1 << 16
_EVERY = 8
"""Of so many steps one part is looked at, behind the first that have telling lines."""
_PART = 1 << 11
_SAFE = re.compile(rb"[\x09-\x2f]")
"""Bytes that are no second half of a character in any encoding."""
_SEQUENCES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_MANY = 4
"""UTF-8 sequences that are no chance."""


def telling_parts(file: BinaryIO) -> list[bytes]:
    """Lines with bytes beyond ASCII: first a sample to decide by, from the beginnings of all parts, then the parts, some 2 KiB each, and the last line."""
    parts: list[bytes] = []
    last = b""
    for number, window in enumerate(_windows(file)):
        if window.isascii():
            continue
        lines = [line for line in window.split(b"\n") if not line.isascii()]
        last = lines[-1]
        if len(parts) < _STEP // _PART:
            parts += _parts(lines)
        elif not number % _EVERY:
            parts.append(next(_parts(lines)))
    share = max(SAMPLE // max(len(parts), 1), 128)
    sample = b"\n".join(parts)
    if len(sample) > SAMPLE:
        sample = _cut(b"\n".join([_cut(part, share) for part in parts]), SAMPLE)
    end = last if len(last) <= _PART else _tail(last)
    return [sample, *parts, *([end] if end else [])]


def contradicts(part: bytes, codec: str) -> bool:
    """Whether a part of a file in `codec` is surely in another encoding."""
    text = decode(part, codec)
    if text is None:
        return False  # cut inside a character; whether the whole decodes is asked elsewhere
    for line in part.split(b"\n"):
        if not line.isascii() and _is_utf8(line):
            return True
    if count_oddities(text) > 2 and not is_plausible(text):
        return True
    other = find_charset(part)
    return other is not None and other != codec and decode(part, other) != text and outweighs(part, other, codec)


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
        while len(line) > _PART:
            end = _last_safe(line[:_PART])
            yield line[: end or _PART]
            line = line[end:] if end else b""  # behind a cut elsewhere, pairs of bytes may be taken apart
        if held and size + len(line) > _PART:
            yield b"\n".join(held)
            held, size = [], 0
        if not line.isascii():
            held.append(line)
            size += len(line)
    if held:
        yield b"\n".join(held)


def _cut(part: bytes, size: int) -> bytes:
    """The beginning of a part, to the last byte that surely ends a character, where there is one."""
    return part if len(part) <= size else part[: _last_safe(part[:size]) or size]


def _tail(line: bytes) -> bytes:
    """The end of a long line, from a byte that surely begins a character."""
    tail = line[-_PART:]
    begin = _SAFE.search(tail)
    return tail[begin.end() :] if begin else b""
