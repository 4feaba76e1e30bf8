"""Texts without meaning, English and Chinese, that the tests of this room share."""

import random

_SYLLABLES = [first + vowel for first in "bcdfghjklmnprstvwz" for vowel in "aeiou"]


def prose(seed: object, words: int = 30) -> str:
    """Words without meaning: two seeds have next to nothing in common."""
    rng = random.Random(repr(seed))
    return " ".join("".join(rng.choices(_SYLLABLES, k=3)) for _ in range(words))


def han(seed: object, characters: int = 80) -> str:
    """Han characters without meaning."""
    rng = random.Random(repr(seed))
    return "".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(characters))


def reworded(text: str, every: int) -> str:
    """The text with one word in `every` replaced by a plain word: a number or a name would be another fact."""
    words = text.split()
    words[every // 2 :: every] = [prose(("other", place), 1) for place in range(len(words[every // 2 :: every]))]
    return " ".join(words)
