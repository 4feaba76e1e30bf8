"""What the measures know of single characters, looked up by code point.

Enters: an array of code points. Leaves: an array of classes, or of 64-bit keys that are equal where characters differ in nothing but case. A
character is asked about once in the life of a process, when it is first met: to ask about all of Unicode would take half a second.
"""

import string
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from adapt.text.scripts import UNSPACED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPACE, UNSPACED_LETTER, SIGN, ALPHANUMERIC, LETTER, MARK = (1 << bit for bit in range(6))
"""White space; of a script without spaces; no part of the word that it stands beside; letter or digit; letter; one of `MARKS`."""
STOP_CHARACTERS = "的了是在和有不也"
"""The commonest function characters of Chinese, as many as Gopher's stop words."""
MARKS = frozenset(f"#…{{}}.。[【［\ufffd{STOP_CHARACTERS}")
"""Characters that are counted one by one."""
_SIGNS = frozenset(string.punctuation + "“”‘’«»…—–·、。，！？；：（）《》【】「」")
_UNKNOWN = 0xFF
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class _Tables(NamedTuple):
    """By code point."""

    classes: "NDArray[np.uint8]"
    keys: "NDArray[np.uint64]"


def classes_of(codes: "NDArray[np.int64]") -> "NDArray[np.uint8]":
    """The classes of characters, each the sum of those that hold."""
    import numpy as np

    tables = _tables()
    found = tables.classes[codes]
    new = found == _UNKNOWN
    if new.any():
        _learn(np.unique(codes[new]), tables)
        found[new] = tables.classes[codes[new]]
    return found


def keys_of(codes: "NDArray[np.int64]") -> "NDArray[np.uint64]":
    """A key for each character; `classes_of` must have met all of them."""
    return _tables().keys[codes]


def mixed(keys: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Every bit depends on every bit of the key (Steele et al. 2014, the finaliser of SplitMix)."""
    import numpy as np

    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(_FIRST)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(_SECOND)
    return keys ^ (keys >> np.uint64(31))


@cache
def _tables() -> _Tables:
    import numpy as np

    return _Tables(np.full(0x110000, _UNKNOWN, np.uint8), np.zeros(0x110000, np.uint64))


def _learn(codes: "NDArray[np.int64]", tables: _Tables) -> None:
    import numpy as np

    texts = [chr(code) for code in codes.tolist()]
    tables.classes[codes] = [_class(text) for text in texts]
    # One letter for each, whatever stands beside it: a dotted capital I loses its dot, and sigma has one form.
    tables.keys[codes] = mixed(np.array([ord(text.lower()[0].replace("ς", "σ")) for text in texts], np.uint64) * np.uint64(_GOLDEN))


def _class(text: str) -> int:
    found = SPACE if text.isspace() else 0
    if any(first <= ord(text) <= last for first, last in UNSPACED):
        found |= UNSPACED_LETTER
    if text in _SIGNS:
        found |= SIGN
    if text.isalnum():
        found |= ALPHANUMERIC if text.isdecimal() else ALPHANUMERIC | LETTER
    return found | MARK if text in MARKS else found
