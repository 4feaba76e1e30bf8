"""Measures the quality signals of one body of text; what each means, and whose it is, stands in `adapt.spec.quality`.

All but `words` and `replacement_characters` look at the prose alone: fenced code, table rows and headings are left out. A text in
whose prose characters without spaces make more words than spaced words do is measured by characters, any other by its spaced words.
"""

import re
import string
from typing import NamedTuple

from adapt.corpus.quality.lines import LineMeasures, measure_lines, prose_of
from adapt.corpus.quality.repetition import Repetition, repetition_of_characters, repetition_of_words
from adapt.text.words import count_words, without_unspaced

_SIGNS = string.punctuation + "“”‘’«»…—–·、。，！？；：（）《》【】「」"
"""What is no part of the word that it stands beside."""
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_SEPARATORS = re.compile(r"[\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_ELLIPSIS = re.compile(r"…+|\.{3,}|。{3,}")
_FILLERS = ("lorem ipsum", "dolor sit amet", "占位文字", "占位文本")
_GAP = re.compile(r"\[(?:insert|enter|your) [^\]\n]{1,40} here\]|[【［\[](?:请?在?此处|在此)(?:填写|填入|输入|插入)[^】］\]\n]{0,20}[】］\]]")
"""Places of a form that nobody filled in."""
_ENGLISH = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])
"""The stop words of Gopher."""


class Measured(NamedTuple):
    """The fields of `records.Signals`, in their order. Validating a million of them costs more than measuring them."""

    language_confidence: float
    words: float
    mean_word_length: float | None = None
    symbols_per_word: float | None = None
    alphabetic_words: float | None = None
    stop_words: int = 0
    bullet_lines: float = 0.0
    ellipsis_lines: float = 0.0
    punctuated_lines: float = 0.0
    short_lines: float = 0.0
    duplicate_lines: float = 0.0
    duplicate_line_characters: float = 0.0
    duplicate_paragraphs: float = 0.0
    top_2gram: float = 0.0
    top_3gram: float = 0.0
    top_4gram: float = 0.0
    duplicate_5gram: float = 0.0
    duplicate_10gram: float = 0.0
    curly_braces: float = 0.0
    placeholders: int = 0
    replacement_characters: float = 0.0


def signals_of(body: str, confidence: float) -> Measured:
    """The signals of a body; `confidence` is that of its document's language. Shares are rounded to four decimals."""
    prose = prose_of(body)
    lowered = prose.text.lower()
    spaced, unspaced = without_unspaced(lowered)
    words = tuple([word for word in [part.strip(_SIGNS) for part in spaced.split()] if word.isalnum() or _LETTER_OR_DIGIT.search(word)])
    amount = len(words) + unspaced / 2
    by_characters = unspaced > 2 * len(words)
    repetition = repetition_of_characters(_SEPARATORS.sub("", lowered)) if by_characters else repetition_of_words(words)
    repetition = Repetition(*[round(share, 4) for share in repetition]) if any(repetition) else repetition
    lines = LineMeasures(*[round(share, 4) for share in measure_lines(prose)])
    return Measured(
        round(confidence, 4),
        round(amount if prose.text == body else count_words(body), 4),
        None if by_characters or not words else round(sum(map(len, words)) / len(words), 4),
        round(_symbols(prose.text) / amount, 4) if amount else None,
        _letters(prose.text) if by_characters else _lettered(prose.text),
        len(_ENGLISH.intersection(words)) + (stop_characters(prose.text) if unspaced else 0),
        *lines,
        *repetition,
        round(1000 * (prose.text.count("{") + prose.text.count("}")) / max(1, len(prose.text)), 4),
        placeholders(lowered),
        round(body.count("\ufffd") / max(1, len(body)), 4),
    )


def stop_characters(text: str) -> int:
    """How many of the commonest function characters of Chinese occur, which are as many as Gopher's stop words."""
    return (
        ("的" in text) + ("了" in text) + ("是" in text) + ("在" in text) + ("和" in text) + ("有" in text) + ("不" in text) + ("也" in text)
    )  # fmt: skip


def _symbols(text: str) -> int:
    ellipses = len(_ELLIPSIS.findall(text)) if "…" in text or "..." in text or "。。。" in text else 0
    return text.count("#") + ellipses


def _letters(text: str) -> float | None:
    """Share of the characters other than white space that are letters."""
    characters = sum(map(len, text.split()))
    return round(sum(map(len, _LETTERS.findall(text))) / characters, 4) if characters else None


def _lettered(text: str) -> float | None:
    """Share of the words, those of signs alone included, that have a letter."""
    words = text.split()
    return round(len([word for word in words if word.isalpha() or _LETTERS.search(word)]) / len(words), 4) if words else None


def placeholders(lowered: str) -> int:
    """Fillers and places of a form that nobody filled in."""
    gaps = len(_GAP.findall(lowered)) if "[" in lowered or "【" in lowered or "［" in lowered else 0
    return gaps + sum(lowered.count(filler) for filler in _FILLERS)
