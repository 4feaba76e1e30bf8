"""Filters of single records: each returns why a record goes, or None."""

import re
from typing import NamedTuple

from adapt.dataset.scripts import UNSPACED_CLASS
from adapt.records import AlpacaRecord

_UNSPACED = re.compile(UNSPACED_CLASS)
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


class Reason(NamedTuple):
    """Why a record is dropped: what was measured, against what, in a sentence."""

    rule: str
    score: float
    threshold: float
    sentence: str


def count_words(text: str) -> float:
    """Words of a text; two characters of a script without spaces make one word."""
    spaced, characters = _UNSPACED.subn(" ", text)
    return sum(_LETTER_OR_DIGIT.search(word) is not None for word in spaced.split()) + characters / 2


def too_short(record: AlpacaRecord, min_output_words: int) -> Reason | None:
    """An answer of fewer than `min_output_words` words."""
    words = count_words(record.output)
    if words >= min_output_words:
        return None
    return Reason("too_short", words, min_output_words, f"The answer has {words:g} words; at least {min_output_words} are asked for.")


def too_long(tokens: int, max_record_tokens: int) -> Reason | None:
    """A record of more than `max_record_tokens` tokens, all texts of its conversation together."""
    if tokens <= max_record_tokens:
        return None
    return Reason("too_long", tokens, max_record_tokens, f"The conversation has {tokens} tokens; at most {max_record_tokens} are allowed.")
