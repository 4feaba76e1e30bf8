"""Lines of a file with their numbers, none longer than a bound: a line beyond it is passed over, and never stands in memory whole."""

from collections.abc import Iterator
from typing import IO, AnyStr

_SKIPPED_AT_ONCE = 1 << 20


def bounded_lines(file: IO[AnyStr], limit: int, *, first: int = 1, size: int | None = None) -> Iterator[tuple[int, AnyStr | None]]:
    """(number, line) of every line, None in place of one of more than `limit` characters or bytes; `first` is the number of the first.

    With `size`, ends at the first line that begins so many bytes behind the place where the file stands.
    """
    number, done = first, 0
    while size is None or done < size:
        line = file.readline(limit + 1)
        if not line:
            return
        done += len(line)
        if len(line) > limit and not _ends(line):
            done += _skip(file)
            yield number, None
        else:
            yield number, line
        number += 1


def _skip(file: IO[AnyStr]) -> int:
    skipped = 0
    while part := file.readline(_SKIPPED_AT_ONCE):
        skipped += len(part)
        if _ends(part):
            break
    return skipped


def _ends(line: str | bytes) -> bool:
    return line[-1:] in ("\n", "\r", b"\n", b"\r")
