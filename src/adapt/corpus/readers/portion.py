"""Cuts large inputs into portions that can be read apart. Where they are cut depends on the file alone, never on who reads them.

Files of lines are cut behind lines that say so by their content (content-defined chunking, as in LBFS, Muthitacharoen et al. 2001), so that a changed
line changes one portion, and those behind it are the former ones, which a build with a cache knows by one digest each.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zlib import crc32

from adapt.corpus.readers.json import holds_lines
from adapt.corpus.sources.inputs import RawInput
from adapt.spec.corpus import FileSource, Limits, Source
from adapt.spec.encodings import codecs_of

_PORTION = 1 << 20
"""Least size of a portion of lines, in bytes; the greatest is four times as much, and one line."""
_WHOLE = 8 << 20
"""A Parquet file up to this size is read whole."""
_BLOCK = 1 << 18
_CUT_OFF = re.compile(rb"(?:[\xc0-\xff][\x80-\xbf]{0,2}|\r)?\Z")
"""What the next block may belong to."""
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_HEAD = 1 << 16
"""Files of lines up to this size are read whole: they may be anything, and cost nothing."""


@dataclass(frozen=True)
class Portion:
    """A part of an input. Small, and picklable."""

    input: RawInput
    start: int = 0
    """First byte of a file of lines; first row group of a Parquet file."""
    end: int | None = None
    """The one after the last; None: all there is, whatever the input."""
    first_line: int = 1
    """Number of its first line or row."""
    digest: bytes = b""
    """Of its bytes, where it is a part of a file of lines."""


def divide(input: RawInput, source: Source, limits: Limits) -> Iterator[Portion]:
    """The portions of an input, in order: lines of JSON in UTF-8 by some 1.5 MiB, large Parquet files by row groups, all else whole.

    A file that cannot be read or is not what it seems is one portion: whoever reads it says what is wrong.
    """
    cuts: list[Portion] = []
    if input.path and not input.member and "://" not in input.path and not _is_named(source):
        try:
            if input.reader in ("json", "jsonl") and input.size > _HEAD:
                cuts = _by_lines(input, limits)
            elif input.reader == "parquet" and input.size > _WHOLE:
                cuts = _by_row_groups(input)
        except OSError:
            cuts = []
    yield from cuts or [Portion(input)]


def beginning(input: RawInput, source: Source) -> Portion:
    """The first lines of a large file of lines, where its head tells what it is; else the whole input."""
    plain = input.path and not input.member and "://" not in input.path and not _is_named(source)
    if plain and input.reader in ("json", "jsonl") and input.size > 2 * _BLOCK:
        try:
            with Path(input.path).open("rb") as file:
                head = file.read(_BLOCK)
        except OSError:
            return Portion(input)
        start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        end = head.rfind(b"\n") + 1
        if end > start and _is_plain(head[:end]) and holds_lines(BytesIO(head[:end]), _BLOCK, named=input.reader == "jsonl"):
            return Portion(input, start, end)
    return Portion(input)


def _is_named(source: Source) -> bool:
    """Whether the spec says that files of text are not what portions are cut from, UTF-8."""
    return isinstance(source, FileSource) and source.encoding is not None and codecs_of(source.encoding) != ("utf-8",)


def _by_lines(input: RawInput, limits: Limits) -> list[Portion]:
    """Nothing when the file is not plain UTF-8, or its lines do not end as they do nearly everywhere: the reader then finds out for all of it."""
    portions: list[Portion] = []
    rest = b""
    with Path(input.path).open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        if head.isspace() or not holds_lines(file, limits.max_record_mib << 20, named=input.reader == "jsonl"):
            return []
        start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        file.seek(start)
        place, line, first, sha = start, 1, 1, sha256()
        while block := file.read(_BLOCK):
            held = len(_CUT_OFF.search(block[-3:])[0])  # type: ignore[index]  # it finds nothing at least
            if not _is_plain(rest + block[: len(block) - held]):
                return []
            rest = block[len(block) - held :]
            end = place + len(block)
            done = 0
            while cut := _cut(block, max(start + _PORTION - place, 0), start + 4 * _PORTION - place):
                line += block.count(b"\n", done, cut)
                sha.update(block[done:cut])
                portions.append(Portion(input, start, place + cut, first, sha.digest()))
                start, first, done, sha = place + cut, line, cut, sha256()
            line += block.count(b"\n", done)
            sha.update(block[done:])
            place = end
    if not _is_plain(rest) or place > limits.max_file_mib << 20:
        return []
    return [*portions, Portion(input, start, place, first, sha.digest())] if place > start else portions


def _cut(block: bytes, least: int, most: int) -> int:
    """The place behind the first line of the block, from `least` on, that ends a portion; 0 where none does.

    A line does when its checksum says so, as likely as it is long; so does any end from `most` on. A line that is not whole in its block does not.
    """
    start = block.find(b"\n", least) + 1 if least < len(block) else 0
    while 0 < start < most and (end := block.find(b"\n", start) + 1):
        if crc32(block[start:end]) % (_PORTION >> 1) < end - start:
            return end
        start = end
    return start if start >= most else 0


def _is_plain(data: bytes) -> bool:
    """Whether it is UTF-8 without zeros and escapes and with line feeds at the ends of lines. Arrow checks twice as fast as Python decodes."""
    import pyarrow as pa

    if b"\0" in data or b"\x1b" in data or (b"\r" in data and _LONE_RETURN.search(data)):
        return False
    lengths = pa.py_buffer(len(data).to_bytes(8, "little").rjust(16, b"\0"))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, lengths, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _by_row_groups(input: RawInput) -> list[Portion]:
    """Nothing when the file is damaged or has no rows, which the reader then says."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(input.path) as file:
            rows = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    except Exception:  # a damaged file fails in many ways, not all of them Arrow's own
        return []
    if not rows or min(rows) <= 0:
        return []
    return [Portion(input, number, number + 1, 1 + sum(rows[:number])) for number in range(len(rows))]
