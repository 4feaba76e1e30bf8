"""Passes over texts that hold no personal data, many at once: nearly all do not, and arrays see that at a third of the cost of a regular expression.

Every finding has one of the signs below, so a text without them needs no look; a text with one of them may still hold nothing.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from string import ascii_letters, ascii_lowercase, digits
from typing import TYPE_CHECKING

from adapt.corpus.pii.folding import between_codes
from adapt.corpus.pii.plates import PROVINCES
from adapt.corpus.pii.postal import ROAD_SIGNS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

_AT_ONCE = 1 << 18
"""Characters that are looked at in one go: few enough for the processor's cache."""
_DIGIT, _BETWEEN, _LATIN, _SMALL, _TOKEN, _MIXED, _PROVINCE, _ROAD = (1 << bit for bit in range(8))
_WIDE_DIGITS = "".join(map(chr, range(0xFF10, 0xFF1A)))
_WIDE_LETTERS = "".join(map(chr, [*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]))
_CLASSES = {
    _DIGIT: digits + _WIDE_DIGITS,
    _BETWEEN: "".join(map(chr, between_codes())),  # between the digits of one number
    _LATIN: ascii_letters + _WIDE_LETTERS,
    _SMALL: ascii_lowercase,
    _TOKEN: ascii_letters + digits + "_+/=.~-",
    _MIXED: digits + "+=~",  # no secret is of letters alone, or of letters in groups, but where all are capitals
    _PROVINCE: PROVINCES,
    _ROAD: ROAD_SIGNS,
}
_KNOWN = 1 << 16
_TOKEN_LENGTH = 15
"""The shortest secret that has a form of its own (`xoxb-` and ten characters)."""
_NUMBER, _INTERNATIONAL, _ZONE = 9, 7, 7
"""Digits of the shortest number without and with a country code, and in a row in the machine-readable zone of a passport."""
_AFTER_ROAD = digits + _WIDE_DIGITS + ascii_letters + _WIDE_LETTERS + "一二三四五六七八九十百 ,，\u3000附"
_HAN = 0x2E80
_TOLD = ("护照", "護照", "密码", "口令", "电话", "電話", "座机", "车牌", "車牌", "通行证", "通行證", "パスポ", "여권", "паспорт")
"""Words that a value stands beside which has no form of its own."""
_TOLD_LATIN = ("pass", "pwd")


def suspicious(texts: Sequence[str]) -> "Flags":
    """Which texts may hold personal data or secrets of the kinds that rules find."""
    import numpy as np

    return np.concatenate([_suspicious(part) for part in _parts(texts)]) if texts else np.zeros(0, np.bool_)


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for at, text in enumerate(texts):
        if at > start and size + len(text) > _AT_ONCE:
            yield texts[start:at]
            start, size = at, 0
        size += len(text) + 1
    yield texts[start:]


def _suspicious(texts: Sequence[str]) -> "Flags":
    import numpy as np

    joined = "\0".join(texts) + "\0"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    classes = np.take(_table(), codes, mode="clip")
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    found = np.zeros(len(texts), np.bool_)
    plus = np.zeros(len(texts), np.bool_)
    plus[_owners(ends, np.flatnonzero((codes == ord("+")) | (codes == 0xFF0B)))] = True
    short, long = _numbers(classes)
    found[_owners(ends, short)] = True
    found &= plus
    for places in (long, _tokens(classes), _accounts(classes), *_addresses(codes, classes), *_words(joined, codes), *_chinese(codes, classes), *_spelt(joined)):
        found[_owners(ends, places)] = True
    return found


@cache
def _table() -> "NDArray[np.uint8]":
    import numpy as np

    table = np.zeros(_KNOWN, np.uint8)
    for value, characters in _CLASSES.items():
        table[[ord(character) for character in characters]] |= value
    return table


def _owners(ends: "NDArray[np.int64]", places: "NDArray[np.int64]") -> "NDArray[np.int64]":
    import numpy as np

    return np.searchsorted(ends, places, side="right")


def _numbers(classes: "NDArray[np.uint8]") -> tuple["NDArray[np.int64]", "NDArray[np.int64]"]:
    """Where numbers begin that are long enough with a country code, and without one; nothing but what divides a number stands between the digits."""
    import numpy as np

    places = np.flatnonzero(classes & _DIGIT)
    broken = np.cumsum(classes & (_DIGIT | _BETWEEN) == 0, dtype=np.int32)[places]
    short, long = (places[:-more][broken[more:] == broken[:-more]] for more in (_INTERNATIONAL - 1, _NUMBER - 1))
    in_a_row = places[: -(_ZONE - 1)][places[_ZONE - 1 :] - places[: -(_ZONE - 1)] == _ZONE - 1]
    behind = places[:-5][places[5:] - places[:-5] == 5]
    behind = behind[behind > 0]
    return short, np.concatenate((long, in_a_row, behind[classes[behind - 1] & _LATIN > 0]))


def _runs(inside: "Flags", length: int) -> "Flags":
    """Where as many as `length` places in a row are inside."""
    reached = 1
    while reached < length:
        more = min(reached, length - reached)
        inside = inside[:-more] & inside[more:]
        reached += more
    return inside


def _tokens(classes: "NDArray[np.uint8]") -> "NDArray[np.int64]":
    """Stretches without a gap that are long enough for a secret, and not of small letters alone."""
    import numpy as np

    places = np.flatnonzero(_runs(classes & _TOKEN > 0, _TOKEN_LENGTH))
    stretches = classes[places[:, None] + np.arange(_TOKEN_LENGTH)]
    mixed, small = ((stretches & kind > 0).any(axis=1) for kind in (_MIXED, _SMALL))
    kept: NDArray[np.int64] = places[mixed | ~small]
    return kept


def _accounts(classes: "NDArray[np.uint8]") -> "NDArray[np.int64]":
    """Country and check digits, behind neither letter nor digit."""
    import numpy as np

    places = np.flatnonzero(_runs(classes & _LATIN > 0, 2)[:-2] & _runs(classes & _DIGIT > 0, 2)[2:])
    kept: NDArray[np.int64] = places[(places == 0) | (classes[places - 1] & (_LATIN | _DIGIT) == 0)]
    return kept


def _addresses(codes: "NDArray[np.uint32]", classes: "NDArray[np.uint8]") -> Iterator["NDArray[np.int64]"]:
    """Of mailboxes; of machines, three points between digits or two colons close to each other."""
    import numpy as np

    yield np.flatnonzero(codes == ord("@"))
    if codes.max() >= _HAN:
        yield np.flatnonzero(codes == 0xFF20)
    points = np.flatnonzero(codes[1:-1] == ord(".")) + 1
    points = points[(classes[points - 1] & classes[points + 1] & _DIGIT) > 0]
    yield points[2:][points[2:] - points[:-2] <= 8]
    colons = np.flatnonzero(codes == ord(":"))
    yield colons[1:][colons[1:] - colons[:-1] <= 5]


def _chinese(codes: "NDArray[np.uint32]", classes: "NDArray[np.uint8]") -> Iterator["NDArray[np.int64]"]:
    """A province and a letter, as on number plates; the last sign of a road and a number."""
    import numpy as np

    if codes.max() < _HAN:
        return
    places = np.flatnonzero(classes[:-2] & (_PROVINCE | _ROAD))
    roads = places[classes[places] & _ROAD > 0]
    yield roads[np.take(_behind_roads(), codes[roads + 1], mode="clip")]
    provinces = places[classes[places] & _PROVINCE > 0]
    behind, later = classes[provinces + 1], classes[provinces + 2]
    yield provinces[(behind & _LATIN > 0) | ((behind & _BETWEEN > 0) & (later & _LATIN > 0))]


@cache
def _behind_roads() -> "Flags":
    import numpy as np

    table = np.zeros(_KNOWN, np.bool_)
    table[[ord(character) for character in _AFTER_ROAD]] = True
    return table


_SPELT = (" dot ", " DOT ", "at]", "AT]", "at)", "AT)", "at}", "at>", "at ]", "at )", "%40", "%2540", "\uff0540")


def _spelt(joined: str) -> Iterator["NDArray[np.int64]"]:
    """Mailboxes without the sign."""
    import numpy as np

    for word in _SPELT:
        at, places = joined.find(word), []
        while at >= 0:
            places.append(at)
            at = joined.find(word, at + 1)
        if places:
            yield np.array(places, np.int64)


def _words(joined: str, codes: "NDArray[np.uint32]") -> Iterator["NDArray[np.int64]"]:
    import numpy as np

    lowered = codes | 0x20
    for word in _TOLD_LATIN:
        hit = np.ones(max(len(codes) - len(word) + 1, 0), np.bool_)
        for at, letter in enumerate(word):
            hit &= lowered[at : at + len(hit)] == ord(letter)
        yield np.flatnonzero(hit)
    for told in (*_TOLD, "-----BEGIN"):
        if told in joined:
            first, second = (codes[at : len(codes) - 1 + at] == ord(told[at]) for at in range(2))
            yield np.flatnonzero(first & second)
