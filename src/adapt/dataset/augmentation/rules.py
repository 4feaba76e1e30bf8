"""Changes by rule: of characters, words and sentences. Each takes a text and gives another, or None where nothing may be changed."""

import re
from collections.abc import Callable

from adapt.dataset.augmentation.chance import Chance
from adapt.dataset.augmentation.order import reorder_sentences
from adapt.dataset.augmentation.protected import free_pairs, free_words

Rule = Callable[[str, float, Chance], str | None]
MASK = "____"
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl", "p": "ol", "a": "qsz", "s": "awdx",
    "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm", "k": "jil", "l": "kop", "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb",
    "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
"""Keys beside each letter of a QWERTY keyboard."""
_MASKS_IN_A_ROW = re.compile(rf"{MASK}(?:{MASK})+")


def add_noise(text: str, strength: float, chance: Chance) -> str | None:
    """One slip of the keyboard in a share `strength` of the words: two letters swapped, one left out, doubled or hit beside.

    In scripts without spaces two characters count as a word, and are swapped or one of them doubled: without a character such a word is
    another one, as with small cell and cell.
    """
    places = [*free_words(text, 4), *free_pairs(text)]
    return _replaced(text, [(start, end, _slip(text[start:end], chance)) for start, end in _chosen(places, strength, chance)])


def mask_words(text: str, strength: float, chance: Chance) -> str | None:
    """A blank in place of a share `strength` of the words, of two characters in scripts without spaces."""
    places = [*free_words(text, 3), *free_pairs(text)]
    masked = _replaced(text, [(start, end, MASK) for start, end in _chosen(places, strength, chance)])
    return masked and _MASKS_IN_A_ROW.sub(MASK, masked)


RULES: dict[str, Rule] = {"reorder_sentences": reorder_sentences, "noise": add_noise, "mask_words": mask_words}
"""By the method's name in a spec."""


def _chosen(places: list[tuple[int, int]], strength: float, chance: Chance) -> list[tuple[int, int]]:
    """A share of the places, one at least, as they stand in the text."""
    return sorted(chance.sample(places, max(1, round(strength * len(places)))))


def _slip(word: str, chance: Chance) -> str:
    """A word with one slip. Of a spaced word the first letter stays, as it mostly does."""
    if len(word) == 2:
        return word[::-1] if chance.below(2) else word[0] + word
    kind, at = chance.below(4), 1 + chance.below(len(word) - 2)
    if kind == 0 and (beside := _NEIGHBOURS.get(word[at].lower())):
        hit = beside[chance.below(len(beside))]
        return word[:at] + (hit.upper() if word[at].isupper() else hit) + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[: at + 1] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _replaced(text: str, changes: list[tuple[int, int, str]]) -> str | None:
    """The text with spans replaced, given in their order; None when that changes nothing."""
    parts, done = [], 0
    for start, end, new in changes:
        parts += [text[done:start], new]
        done = end
    changed = "".join((*parts, text[done:]))
    return changed if changed != text else None
