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
    Places = NDArray[np.int64]
    Codes = NDArray[np.uint8] | NDArray[np.uint32]
    Classes = NDArray[np.uint8]

_AT_ONCE = 1 << 18
"""Characters that are looked at in one go: few enough for the processor's cache."""
_DIGIT, _BETWEEN, _LATIN, _SMALL, _TOKEN, _MIXED, _MARK = (1 << bit for bit in range(7))
_WIDE_DIGITS = "".join(map(chr, range(0xFF10, 0xFF1A)))
_WIDE_LETTERS = "".join(map(chr, [*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]))
_PLUS, _AT, _PERCENT, _BRACKET, _POINT, _COLON, _WORD, _PROVINCE, _ROAD = range(1, 10)
_TOLD = (
    *("护照", "護照", "密码", "密钥", "口令", "令牌", "电话", "電話", "座机", "座機", "车牌", "車牌", "牌照", "号牌", "號牌"),
    *("通行", "台胞", "臺胞", "回乡", "回鄉", "スポ", "여권", "аспорт"),
)
"""Words that a value stands beside which has no form of its own; the first two characters tell them."""
_MARKS = {
    _PLUS: "+\uff0b",
    _AT: "@\uff20",
    _PERCENT: "%\uff05",
    _BRACKET: "[({<",
    _POINT: ".",
    _COLON: ":",
    _WORD: "".join(dict.fromkeys(word[0] for word in _TOLD)),
    _PROVINCE: PROVINCES,
    _ROAD: ROAD_SIGNS,
}
"""Characters that are rare, or that make something of what stands beside them."""
_CLASSES = {
    _DIGIT: digits + _WIDE_DIGITS,
    _BETWEEN: "".join(map(chr, between_codes())),  # between the digits of one number
    _LATIN: ascii_letters + _WIDE_LETTERS,
    _SMALL: ascii_lowercase,
    _TOKEN: ascii_letters + digits + "_+/=.~-",
    _MIXED: digits + "+=~",  # no secret is of letters alone, or of letters in groups, but where all are capitals
    _MARK: "".join(_MARKS.values()),
}
_KNOWN = 1 << 16
_TOKEN_LENGTH = 15
"""The shortest secret that has a form of its own (`xoxb-` and ten characters)."""
_NUMBER, _INTERNATIONAL, _ZONE, _LETTERED = 9, 7, 7, 6
"""Digits of the shortest number without and with a country code, in a row without either, and in a row behind a letter."""
_GAP = 4
"""The most that stands between two digits of one number."""
_AFTER_ROAD = digits + _WIDE_DIGITS + ascii_letters + _WIDE_LETTERS + "一二三四五六七八九十百甲乙丙丁 ,，\u3000附东東西南北中"
_TOLD_LATIN = (("pass", 0), ("pwd", 1), (" dot ", 1))
"""Words, and which of their letters is the rarest."""


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

    joined = "\0".join(texts) + "\0\0\0"
    if joined.isascii():  # a byte a character, and bytes have a faster table
        data = joined.encode()
        codes: Codes = np.frombuffer(data, np.uint8)
        classes = np.frombuffer(data.translate(_bytes()), np.uint8)
    else:
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
        classes = np.take(_table(), codes, mode="clip")
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    found = np.zeros(len(texts), np.bool_)
    plus = np.zeros(len(texts), np.bool_)
    marks = np.flatnonzero(classes & _MARK != 0)
    kinds = np.take(_kinds(), codes[marks], mode="clip")
    plus[_owners(ends, marks[kinds == _PLUS])] = True
    short, long = _numbers(classes)
    found[_owners(ends, short)] = True
    found &= plus
    for places in (long, _tokens(classes), _accounts(classes), *_marked(codes, classes, marks, kinds), *_words(joined, codes)):
        found[_owners(ends, places)] = True
    return found


@cache
def _table() -> "Classes":
    import numpy as np

    table = np.zeros(_KNOWN, np.uint8)
    for value, characters in _CLASSES.items():
        table[[ord(character) for character in characters]] |= value
    return table


@cache
def _bytes() -> bytes:
    return _table()[:256].tobytes()


@cache
def _kinds() -> "Classes":
    import numpy as np

    table = np.zeros(_KNOWN, np.uint8)
    for kind, characters in _MARKS.items():
        table[[ord(character) for character in characters]] = kind
    return table


@cache
def _behind_roads() -> "Flags":
    import numpy as np

    table = np.zeros(_KNOWN, np.bool_)
    table[[ord(character) for character in _AFTER_ROAD]] = True
    return table


def _owners(ends: "Places", places: "Places") -> "Places":
    """The texts in which the places are; the last of the zeros at the end count as the last text's."""
    import numpy as np

    return np.minimum(np.searchsorted(ends, places, side="right"), len(ends) - 1)


def _numbers(classes: "Classes") -> tuple["Places", "Places"]:
    """Where numbers begin that are long enough with a country code, and without one; nothing but what divides a number stands between the digits."""
    import numpy as np

    places = np.flatnonzero((classes & _DIGIT).view(np.bool_))
    if len(places) < _LETTERED:
        return places[:0], places[:0]
    steps = np.diff(places)
    apart = np.flatnonzero(steps > 1)
    wide, before = steps[apart], places[apart]
    far = wide > _GAP + 1
    for more in range(1, _GAP + 1):
        longer = np.flatnonzero((wide > more) & ~far)
        far[longer] = classes[before[longer] + more] & _BETWEEN == 0
    broken = np.zeros(len(places), np.int32)
    broken[apart[far] + 1] = 1
    broken = np.cumsum(broken, dtype=np.int32)
    short, long = (places[:-more][broken[more:] == broken[:-more]] for more in (_INTERNATIONAL - 1, _NUMBER - 1))
    row, behind = (places[:-more][places[more:] - places[:-more] == more] for more in (_ZONE - 1, _LETTERED - 1))
    behind = behind[behind > 0]  # at 1, the place before the letter is the zero at the end of the array
    lettered = (classes[behind - 1] & _LATIN > 0) | ((classes[behind - 1] & _BETWEEN > 0) & (classes[behind - 2] & (_LATIN | _DIGIT) > 0))
    return short, np.concatenate((long, row, behind[lettered]))


def _runs(inside: "Flags", length: int) -> "Flags":
    """Where as many as `length` places in a row are inside."""
    reached = 1
    while reached < length:
        more = min(reached, length - reached)
        inside = inside[:-more] & inside[more:]
        reached += more
    return inside


def _tokens(classes: "Classes") -> "Places":
    """Stretches without a gap that are long enough for a secret, and not of small letters alone."""
    import numpy as np

    places = np.flatnonzero(_runs(classes & _TOKEN > 0, _TOKEN_LENGTH))
    stretches = classes[places[:, None] + np.arange(_TOKEN_LENGTH)]
    mixed, small = ((stretches & kind > 0).any(axis=1) for kind in (_MIXED, _SMALL))
    kept: Places = places[mixed | ~small]
    return kept


def _accounts(classes: "Classes") -> "Places":
    """Country and check digits, behind neither letter nor digit."""
    import numpy as np

    places = np.flatnonzero(_runs(classes & _LATIN > 0, 2)[:-2] & _runs((classes & _DIGIT).view(np.bool_), 2)[2:])
    kept: Places = places[(places == 0) | (classes[places - 1] & (_LATIN | _DIGIT) == 0)]
    return kept


def _marked(codes: "Codes", classes: "Classes", marks: "Places", kinds: "Classes") -> Iterator["Places"]:
    """Mailboxes, with their sign, `%40` or `at` in brackets; machines, three points between digits or two colons close to each other;
    words for numbers; a province and a letter, as on number plates; the last sign of a road and a number."""
    import numpy as np

    yield marks[kinds == _AT]
    percents = marks[kinds == _PERCENT]
    yield percents[classes[percents + 1] & _DIGIT > 0]
    opened = marks[kinds == _BRACKET] + 1
    opened = opened + (codes[opened] == ord(" "))
    yield opened[(codes[opened] | 0x20 == ord("a")) & (codes[opened + 1] | 0x20 == ord("t"))]
    points = marks[(kinds == _POINT) & (marks > 0)]
    points = points[(classes[points - 1] & classes[points + 1] & _DIGIT) > 0]
    yield points[2:][points[2:] - points[:-2] <= 8]
    colons = marks[kinds == _COLON]
    yield colons[1:][colons[1:] - colons[:-1] <= 5]
    if codes.dtype == np.uint8:
        return
    words = marks[kinds == _WORD]
    first, second = codes[words], codes[words + 1]
    for told in _TOLD:
        yield words[(first == ord(told[0])) & (second == ord(told[1]))]
    provinces, roads = marks[kinds == _PROVINCE], marks[kinds == _ROAD]
    behind, later = classes[provinces + 1], classes[provinces + 2]
    yield provinces[(behind & _LATIN > 0) | ((behind & _BETWEEN > 0) & (later & _LATIN > 0))]
    yield roads[np.take(_behind_roads(), codes[roads + 1], mode="clip")]


def _words(joined: str, codes: "Codes") -> Iterator["Places"]:
    import numpy as np

    lowered = codes | 0x20
    for word, at in _TOLD_LATIN:
        places = np.flatnonzero(lowered[at : len(codes) - len(word) + 1 + at] == ord(word[at]))
        for other in (other for other in range(len(word)) if other != at):
            places = places[lowered[places + other] == ord(word[other])]
        yield places
    if "-----BEGIN" in joined:
        dashes = np.flatnonzero(codes[:-3] == ord("-"))
        yield dashes[codes[dashes + 1] == ord("-")]
