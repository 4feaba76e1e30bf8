"""Letters and digits: what says something in a text, whatever marks, white space and markup stand around it.

Characters are accounted for in this unit: turning a page into Markdown or tidying white space neither adds nor takes any.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_MARKS = bytes(code for code in range(128) if not chr(code).isalnum())
_TABLED = 0x40000
"""Code points that a table has; behind it there are next to no letters."""
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


def count_letters_in(value: Any) -> int:
    """Letters and digits of all texts inside a JSON value or a row of a table; names of fields, numbers and truth values have none."""
    if isinstance(value, str):
        return count_letters(value)
    if isinstance(value, dict):
        return sum(map(count_letters_in, value.values()))
    return sum(map(count_letters_in, value)) if isinstance(value, list | tuple) else 0


def count_letters_of(texts: "pa.Array | pa.ChunkedArray") -> int:
    """Letters and digits of all texts of an Arrow column of strings; nulls have none."""
    return count_letters("".join(text for text in texts.to_pylist() if text))


@cache
def _table() -> "NDArray[np.bool_]":
    import numpy as np

    return np.array([chr(code).isalnum() for code in range(_TABLED)], dtype=bool)
