"""Letters and digits: what says something in a text, whatever marks, white space and markup stand around it.

Characters are accounted for in this unit: turning a page into Markdown or tidying white space neither adds nor takes any.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_MARKS = bytes(code for code in range(128) if not chr(code).isalnum())
_TABLED = 0x40000
"""Code points that a table has; behind it there are next to no letters."""
_RUN = re.compile(r"[^\W_]+")
"""What `str.isalnum` says yes to."""
_SHORT = 200
"""Characters up to which a loop is faster than arrays."""


def count_letters(text: str) -> int:
    """Letters and digits of a text."""
    if text.isascii():
        return len(text.encode().translate(None, _MARKS))
    if len(text) <= _SHORT:
        return sum(map(str.isalnum, text))
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return int(np.take(_table(), codes, mode="clip").sum())


def count_letters_each(texts: Sequence[str]) -> list[int]:
    """Letters and digits of each text, all in one go."""
    import numpy as np

    whole = "".join(texts)
    if whole.isascii():
        return list(map(count_letters, texts))
    codes = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), "<u4")
    sums = np.append(0, np.cumsum(np.take(_table(), codes, mode="clip"), dtype=np.int64))
    ends = [0, *accumulate(map(len, texts))]
    counts: list[int] = np.diff(sums[ends]).tolist()
    return counts


def count_letters_in(value: Any) -> int:
    """Letters and digits of all texts inside a JSON value or a row of a table; names of fields, numbers and truth values have none."""
    return sum(map(count_letters, texts_in(value)))


def texts_in(value: Any) -> Iterator[str]:
    """All texts inside a JSON value or a row of a table, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def count_letters_of(texts: "pa.Array | pa.ChunkedArray") -> int:
    """Letters and digits of all texts of an Arrow column of type `string`; nulls have none. They are read as one text, without an object for each."""
    import pyarrow as pa

    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return sum(map(_count_in, chunks))


def _count_in(column: "pa.Array") -> int:
    import numpy as np

    _, offsets, values = column.buffers()
    if values is None or not len(column):
        return 0
    places = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]].tolist()
    return count_letters(values[slice(*places)].to_pybytes().decode())


@cache
def _table() -> "NDArray[np.bool_]":
    import numpy as np

    table = np.zeros(_TABLED, dtype=bool)
    for run in _RUN.finditer("".join(map(chr, range(_TABLED)))):
        table[run.start() : run.end()] = True
    return table
