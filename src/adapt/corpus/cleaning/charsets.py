"""Finds the code page of text that is not Unicode, or says that it cannot be told.

chardet (models of letter pairs by language and encoding) weighs every encoding of `_CODECS`; readings that
no writer writes are thrown out (`plausibility`); what is left must be ahead of the next reading that
differs in a letter, the farther the fewer characters there are to judge by.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from adapt.corpus.cleaning.alphabets import CYRILLIC, LATIN
from adapt.corpus.cleaning.characters import repair_mojibake
from adapt.corpus.cleaning.plausibility import ODD_SHARE, count_foreign, count_oddities, is_common, is_plausible

SAMPLE = 1 << 12
"""Bytes that are looked at."""
_CODECS = {
    "cp1252": "cp1252", "gb18030": "gb18030", "cp950": "big5hkscs", "big5hkscs": "big5hkscs", "cp932": "cp932", "cp949": "cp949",
    "euc_jp": "euc_jis_2004", "euc_jis_2004": "euc_jis_2004", "johab": "johab", "cp874": "cp874", "cp1251": "cp1251", "koi8_u": "koi8-u",
    "koi8_r": "koi8-r", "cp1250": "cp1250", "cp1253": "cp1253", "cp1254": "cp1254", "cp1255": "cp1255", "cp1256": "cp1256", "cp1257": "cp1257",
    "cp1258": "cp1258", "iso8859_2": "iso8859-2", "iso8859_5": "iso8859-5", "iso8859_7": "iso8859-7", "iso8859_6": "iso8859-6",
    "iso8859_8": "iso8859-8", "iso8859_9": "iso8859-9", "iso8859_13": "iso8859-13", "iso8859_15": "iso8859-15", "cp866": "cp866",
    "mac_roman": "mac-roman", "iso8859_4": "iso8859-4", "mac_cyrillic": "mac-cyrillic", "mac_greek": "mac-greek", "mac_latin2": "mac-latin2",
    "mac_turkish": "mac-turkish", "cp850": "cp850", "cp852": "cp852", "cp437": "cp437", "cp737": "cp737", "cp775": "cp775", "cp855": "cp855",
    "cp857": "cp857", "cp862": "cp862", "cp720": "cp720",
}  # fmt: skip
"""Python's codecs, those before that are more usual, and chardet's names for them. Readings that are alike
are by the first codec."""
_MINOR = frozenset(list(_CODECS)[list(_CODECS).index("iso8859_4") :])
_RARE_CODECS = _MINOR - {"mac_cyrillic", "cp862"}
_MINOR_WEIGHT, _RARE_WEIGHT = 0.9, 0.6
"""Macintosh and DOS code pages are rare, and their letters lie like those of others."""
_EASTERN = frozenset({"gb18030", "cp950", "big5hkscs", "cp932", "cp949", "euc_jp", "euc_jis_2004", "johab"})
LIKELY_SHARE = 0.2
"""Most oddities of text whose encoding is not told by its letters alone."""
_LONG = 1 << 10
_FAR_LESS = 0.3
_ODD_COST = 10
_ODD_FACTOR, _ODD_MOST = 0.8, 3
_SURE, _VERY_SURE = 0.5, 0.5
_SHARE_OF_FITTING, _SHARE_OF_ROMAN = 0.6, 0.5
"""As in _BOUNDS, for text mostly in ASCII whose language fits, and for such text else."""
_UNCOVERED_COST = 0.6
_FIT_WEIGHT, _SIGNS_WEIGHT = 2.0, 4.0
"""Of readings mostly in ASCII whose language fits, and of such as have signs of Windows-1252 where they
belong, which all else is far rarer than."""
_FEW_LETTERS = 15
"""In ASCII, below which the language is not told."""
_SIGNS = re.compile(
    "|".join((
        r"(?<![^\s(\[>\"':\u2014-])[\u201c\u2018](?=\S)|(?<=\S)\u201d(?!\w)|(?<=[s.,!?])\u2019(?!\w)",
        r"(?<=\w)\u2019(?=(?:s|t|re|ll|ve|d|m)\b)|(?<=\b[ldjmtscnLDJMTSCN])\u2019(?=\w)|(?<=qu)\u2019",
        r"(?<=[\s\d])[\u2013\u2014]|[\u2013\u2014](?=[\s\d])|(?<=\w)\u2026|\u2026(?=\w)|(?<!\w)[\u2022\u00b7](?!\w)",
        r"[\u00a3\u20ac\u00a2](?= ?\d)|(?<=\d)[\u20ac\u00a2]|(?<=\d )[\u20ac\u00a2]|\u00a9(?!\w)|(?<=\w)[\u00ae\u2122]|\u00a7(?=[ \d])",
        r"(?<=\d)\u00b0|(?<=\d )\u00b0(?=C|F)|(?<=[\d\s)])[\u00d7\u00f7\u00b1](?=[\d\s(.])",
        r"(?<![A-Za-z])[\u00bc-\u00be](?![A-Za-z])|(?<=\w)[\u00b2\u00b3]",
        r"(?<=[!-~])\u00a0+|(?<=[ \n])\u00a0+(?![a-z])",
    )),
    re.MULTILINE,
)  # fmt: skip
"""Signs where they belong in English and French."""
_SIGNS_ELSEWHERE = 0.4
_MONOTONOUS = 24, 8
_COMPARED = 4
"""Readings whose language is told."""
_UNWRITTEN = 1.3
"""Where a model fits a reading that nobody writes so much better, the true encoding is none of the others:
Hebrew written backwards, broken lines."""
_NOTHING = (0.0, "")
_NO_MATCH = 0.1
"""What chardet gives an encoding that it has no model for."""
_BOUNDS = ((3, 0.3, 0.05), (6, 0.4, 0.03), (12, 0.6, 0.03), (24, 0.8, 0.03), (0, 0.9, 0.03))
"""Below so many characters beyond ASCII, the next reading may weigh at most this share of the first, which
must weigh at least so much. Chosen on the table of tests/corpus/encodings/texts.py."""
_PLAIN = re.compile(r"[A-Za-z0-9]")


@dataclass
class Reading:
    """Text as one codec gives it, and how likely that is."""

    codec: str
    text: str
    language: str
    """Of the model that fits best."""
    weight: float
    fits: bool = False
    """Its language is sure, and has all of its letters."""
    model: float = 0.0
    """How well the best model fits, before all else."""


class Ranking(NamedTuple):
    """Readings of a sample that somebody may have written, likeliest first, and the best model's fit among
    those that nobody writes.
    """

    readings: tuple[Reading, ...]
    unwritten: float


def find_charset(sample: bytes) -> str | None:
    """The Python codec of a sample of text in some code page; None when several are as likely, or none is.
    Costs some milliseconds.
    """
    readings, unwritten = rank_readings(sample)
    if not readings:
        return None
    best = readings[0]
    count = count_foreign(best.text)
    share, least = next((share, least) for below, share, least in _BOUNDS if count < below or not below)
    roman = _is_roman(best.text) or (best.codec == "cp1252" and best.fits)
    if roman:
        share = max(share, _SHARE_OF_FITTING if best.fits else _SHARE_OF_ROMAN)
    elif _is_monotonous(best.text) or unwritten > _UNWRITTEN * best.model:
        return None
    if any(other.weight > share * best.weight for other in readings[1:]) or (best.codec in _MINOR and not _has_letters(best.text)):
        return None
    if roman and best.codec == "cp1252":  # nothing else is plausible
        return best.codec
    return best.codec if best.weight >= least and (count > 2 or best.codec in _EASTERN or (roman and best.fits)) else None


@lru_cache(maxsize=8)
def rank_readings(sample: bytes) -> Ranking:
    """Readings of the sample that differ, weighed."""
    weights = _weights(sample, tuple(dict.fromkeys(_CODECS.values())))
    readings: dict[str, Reading] = {}
    unwritten = 0.0
    for codec, name in _CODECS.items():
        text = decode(sample, codec)
        reading = None if text is None else _read(codec, text, *weights.get(name, _NOTHING))
        if reading is None:
            unwritten = max(unwritten, weights.get(name, _NOTHING)[0] if text is not None else 0.0)
            continue
        known = readings.setdefault(reading.text, reading)
        known.weight = max(known.weight, reading.weight)
    ranked = sorted(readings.values(), key=lambda reading: -reading.weight)[:_COMPARED]
    for reading in ranked:
        missing, reading.fits = _uncovered(reading.text, reading.language)
        reading.weight *= 1 - _UNCOVERED_COST * missing
        if reading.codec == "cp1252" and _holds_signs(reading.text):
            reading.fits = True
            reading.weight *= _SIGNS_WEIGHT
        elif reading.fits and _is_roman(reading.text):
            reading.weight *= _FIT_WEIGHT
    return Ranking(tuple(sorted(ranked, key=lambda reading: -reading.weight)), unwritten)


def is_written(sample: bytes, codec: str) -> bool:
    """Whether somebody may have written what the sample holds in an encoding that is likely for other
    reasons.
    """
    text = decode(sample, codec)
    return text is not None and is_plausible(as_cleaned(text, codec), LIKELY_SHARE)


def as_cleaned(text: str, codec: str) -> str:
    """What text will be: UTF-8 that was taken for Windows-1252 before is put right, and counted, when the
    text is cleaned.
    """
    return repair_mojibake(text)[0] if codec == "cp1252" else text


def outweighs(sample: bytes, other: str, codec: str) -> bool:
    """Whether the sample is far likelier to be in the encoding `other`, which is no rare one, than in `codec`."""
    if other in _MINOR:
        return False
    weights = {reading.text: reading.weight for reading in rank_readings(sample).readings}
    ours = decode(sample, codec)
    return weights.get(decode(sample, other) or "", 0.0) * _FAR_LESS > weights.get(ours or "", 0.0)


def decode(data: bytes, codec: str) -> str | None:
    """Text in composed form, or None where it is not in this encoding, as its users know it. A long part
    may end inside a character.
    """
    try:
        text = data.decode(codec) if len(data) < _LONG else codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return None
    return None if is_beyond(data, codec) else unicodedata.normalize("NFC", text)


def is_beyond(data: bytes, codec: str) -> bool:
    """Whether data hold what Python's codec reads otherwise than those who wrote them."""
    if codec == "euc_jis_2004":  # stands for EUC-JP with the circled numbers of row 13; what else it adds, Windows writes otherwise
        return any(pair[0] in _ADDED for pair in _EUC_PAIRS.findall(data))
    return codec == "cp950" and any(pair[0] in _ETEN for pair in _BIG5_PAIRS.findall(data))


_EUC_PAIRS = re.compile(rb"\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2}|[\xa1-\xfe][\xa1-\xfe]")
_ADDED = frozenset({0x8F, *range(0xA9, 0xAD), 0xAE, 0xAF, *range(0xF5, 0xFF)})
_BIG5_PAIRS = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_ETEN = frozenset({0xC6, 0xC7, 0xC8})
"""Rows where code page 950 leaves room or has kana, and Hong Kong put signs. The first of them begins with
common characters."""


def _read(codec: str, text: str, weight: float, language: str) -> Reading | None:
    count = count_foreign(text)
    odd = count_oddities(as_cleaned(text, codec))
    if not count or odd > ODD_SHARE * count or (count < _BOUNDS[1][0] and codec in _EASTERN and not is_common(text, codec)):
        return None
    if text.isupper() or sum(map(str.isupper, text)) * 2 > sum(map(str.isalpha, text)):
        weight, language = max((weight, language), _weight_of_small(text, codec))
    model = weight
    weight = (weight + 0.001) * max(0.0, 1 - _ODD_COST * odd / count) * _ODD_FACTOR ** min(odd, _ODD_MOST)
    return Reading(codec, text, language, weight * (_RARE_WEIGHT if codec in _RARE_CODECS else _MINOR_WEIGHT if codec in _MINOR else 1), model=model)


def _weight_of_small(text: str, codec: str) -> tuple[float, str]:
    """The weight of the same text in small letters: the models know few capitals."""
    try:
        return _weights(text.lower().encode(codec), (_CODECS[codec],)).get(_CODECS[codec], _NOTHING)
    except UnicodeEncodeError:
        return _NOTHING


def _weights(sample: bytes, names: tuple[str, ...]) -> dict[str, tuple[float, str]]:
    """By names of chardet: how well a model fits, and of which language it is."""
    from chardet import detect_all

    found = detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=names, no_match_encoding=names[0])
    return {str(each["encoding"]): (each["confidence"], each["language"] or "") for each in found if each["confidence"] != _NO_MATCH}


def _is_roman(text: str) -> bool:
    """Whether it is text in ASCII with a few other characters."""
    return len(_PLAIN.findall(text)) >= 2 * count_foreign(text)


def _has_letters(text: str) -> bool:
    """Whether some of what is not ASCII are letters."""
    return any(character > "\x7f" and character.isalpha() for character in text)


def _holds_signs(text: str) -> bool:
    """Whether all that is not ASCII are signs, as quotes, dashes and signs of money, among words in ASCII,
    and most stand where they belong.
    """
    if _has_letters(text):
        return False
    elsewhere = count_foreign(_SIGNS.sub("", text))
    return elsewhere <= _SIGNS_ELSEWHERE * count_foreign(text) if _is_roman(text) else not elsewhere


def _is_monotonous(text: str) -> bool:
    """Whether so few characters take turns that it is no text."""
    return count_foreign(text) >= _MONOTONOUS[0] and len({character for character in text if character > "\x7f"}) < _MONOTONOUS[1]


def _uncovered(text: str, guess: str) -> tuple[float, bool]:
    """Share of the letters beyond ASCII that the language of the text does not have, and whether it has all
    and is sure.
    """
    from adapt.corpus.quality.language import likeliest

    language, sure = likeliest(text.lower())
    if sure < _SURE:
        language = guess
    alphabet = LATIN.get(language) or CYRILLIC.get(language)
    letters = [letter for letter in text.lower() if letter > "\x7f" and letter.isalpha()]
    if alphabet is None:
        return 0.0, False
    missing = sum(letter not in alphabet for letter in letters) / max(len(letters), 1)
    return missing, bool(letters) and not missing and sure >= _VERY_SURE and len(_PLAIN.findall(text)) >= _FEW_LETTERS
