"""Tells languages that share a script where a model of all languages guesses: Chinese and Japanese in
Chinese characters alone, Cyrillic, and Serbian and Croatian in Latin letters.

What the letters show is sure; what only the model says of a short text is not, and is given a low confidence.
"""

import re
from collections.abc import Sequence
from functools import cache

from adapt.corpus.cleaning.alphabets import CYRILLIC
from adapt.records import Language

Guess = tuple[Language, float]

UNSURE = 0.4
"""The most confidence of what may as well be another language."""
_FEW = 20
"""Letters below which the model is not believed."""
_OUTSIDE = 0.02
"""Share of letters that words of other languages may add."""
_CYRILLIC = re.compile(r"[\u0400-\u052f]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_NEARLY_SURE = 0.95
"""Words of two or three characters that both languages have are Chinese below it; the model knows more
Japanese ones."""
_CLEAR, _PROBABLE = 0.7, 0.5
SOUTH_SLAVIC = ("sr", "hr", "bs", "sh")
_SERBIAN = re.compile(
    r"\b(?:gde|ovde|uvek|vrem(?:e|ena)|mest[oau]|dec[aeiou]|dete|rek[aeiou]|hleb|mlek[oa]|voz|posle|pre|nedelj\w+|hiljad\w+|šta|ko|uveče|čovek\w*|deo|ceo|lep[aeo]"
    r"|sneg|svet\w{0,2}|kolosek|takođe|prover\w+|sledeć\w+|razume\w*|cen[aeu]|telo|pesm\w+|zameni\w*|primer\w*|promen\w*)\b"
)
_CROATIAN = re.compile(
    r"\b(?:gdje|ovdje|uvijek|vrijem\w+|mjest[oau]|djec[aeiou]|dijete|rijek[aeiou]|kruh|mlijek[oa]|vlak|poslije|prije|tjedan|tjedn\w+|tisuć\w+|što|tko|navečer|čovjek\w*"
    r"|dio|cijel\w+|lijep\w*|snijeg|svijet\w*|kolodvor\w*|kolosijek|također|provjer\w+|sljedeć\w+|razumje\w*|cijen\w+|tijelo|pjesm\w+|zamijeni\w*|primjer\w*|promjen\w*)\b"
)
"""Everyday words in the Eastern (e) and the Western (ije, je) form, and some that only one side of the
border uses."""


def tell_han(text: str, guesses: Sequence[Guess]) -> Guess:
    """Chinese or Japanese, for text in Chinese characters without kana; `guesses` are the model's,
    likeliest first.
    """
    han = _HAN.findall(text)
    chinese = sum(character in _only("zh") for character in han)
    japanese = sum(character in _only("ja") for character in han)
    said = dict(guesses)
    if chinese > japanese:
        return "zh", 1.0
    simple = any(character not in _only("big5") for character in han)
    full = any(character not in _only("gb2312") for character in han)
    if japanese > chinese:
        return "ja", max(round(said.get("ja", 0.0), 4), 0.6)
    if simple and full and said.get("ja", 0.0) > 0.5:  # neither script of China has both kinds
        return "ja", round(said["ja"], 4)
    language = "ja" if said.get("ja", 0.0) > _NEARLY_SURE else "zh"
    return language, min(UNSURE, round(said.get(language, 0.0), 4))


def has_chinese_only(text: str) -> bool:
    """Whether there is a character that is common in Chinese and not in Japanese."""
    return _chinese_only().search(text) is not None


def tell_cyrillic(text: str, guesses: Sequence[Guess]) -> Guess | None:
    """A language of Cyrillic letters; None where most letters are others, or of none of the languages whose
    letters are known.
    """
    letters = [letter for letter in text.lower() if letter.isalpha()]
    if 2 * len(_CYRILLIC.findall("".join(letters))) <= len(letters):
        return None
    fitting = [
        language
        for language, alphabet in CYRILLIC.items()
        if sum(letter not in alphabet for letter in letters if letter > "\x7f") <= _OUTSIDE * len(letters)
    ]
    if not fitting:
        return None
    language, sure = next((guess for guess in guesses if guess[0] in fitting), (fitting[0], 0.0))
    if len(fitting) == 1:
        return language, max(sure, 0.8)
    if guesses and guesses[0][0] not in CYRILLIC:
        return guesses[0][0], min(guesses[0][1], UNSURE)
    return language, sure if len(letters) >= _FEW and sure >= _CLEAR else min(sure, UNSURE)


def tell_south_slavic(text: str, guesses: Sequence[Guess]) -> Guess | None:
    """Serbian or Croatian in Latin letters; None where the model names neither, nor one near to them, as
    the likeliest, or is unsure and no word tells.
    """
    if not guesses or guesses[0][0] not in SOUTH_SLAVIC:
        return None
    sure = round(min(1.0, sum(share for language, share in guesses if language in SOUTH_SLAVIC)), 4)
    eastern, western = len(_SERBIAN.findall(text.lower())), len(_CROATIAN.findall(text.lower()))
    if eastern == western:
        if sure < _CLEAR:
            return None
        language = guesses[0][0] if guesses[0][0] != "sh" else "hr"
        return language, min(sure, UNSURE)
    return ("sr" if eastern > western else "hr"), sure if sure >= _PROBABLE else min(sure, UNSURE)


@cache
def _chinese_only() -> re.Pattern[str]:
    return re.compile("[" + "".join(sorted(_only("zh"))) + "]")


@cache
def _only(kind: str) -> frozenset[str]:
    """Characters that are common in Chinese and not in Japanese, the other way round, or all of one
    standard.
    """
    if kind in ("gb2312", "big5"):
        return _rows(range(0xA1, 0xFF), kind)
    if kind == "ja":
        return _rows(range(0xB0, 0xF5), "euc_jp") - _only("gb2312") - _only("big5")
    return (_rows(range(0xB0, 0xD8), "gb2312") | _rows(range(0xA4, 0xC7), "big5")) - _rows(range(0xB0, 0xD0), "euc_jp")


def _rows(rows: range, codec: str) -> frozenset[str]:
    cells = range(0x40, 0xFF) if codec == "big5" else range(0xA1, 0xFF)
    return frozenset(_HAN.findall("".join(bytes((row, cell)).decode(codec, "ignore") for row in rows for cell in cells)))
