"""Counts words in texts with and without spaces."""

import re

from adapt.text.scripts import UNSPACED_CLASS

_UNSPACED = re.compile(f"{UNSPACED_CLASS}+")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


def count_words(text: str) -> float:
    """Words of a text; two characters of a script without spaces make one word."""
    spaced, characters = without_unspaced(text)
    return len([word for word in spaced.split() if word.isalnum() or _LETTER_OR_DIGIT.search(word)]) + characters / 2


def without_unspaced(text: str) -> tuple[str, int]:
    """The text with one blank for each run of characters of scripts without spaces, and how many characters those were."""
    if text.isascii():
        return text, 0
    spaced, runs = _UNSPACED.subn(" ", text)
    return spaced, len(text) - len(spaced) + runs
