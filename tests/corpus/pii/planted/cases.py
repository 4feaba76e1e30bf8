"""Fills the sentences: one case is a text, its language, and where personal data of which kind stands in it."""

from collections import defaultdict
from random import Random
from string import Formatter
from typing import NamedTuple

from tests.corpus.pii.planted import frames_abroad, frames_en, frames_later, frames_zh
from tests.corpus.pii.planted.harmless import HARMLESS
from tests.corpus.pii.planted.values import PERSONAL
from tests.corpus.pii.planted.written import ABROAD

KINDS = ("cn_id", "bank_card", "iban", "email", "phone", "ip", "us_ssn", "passport", "secret")


_MAKERS = PERSONAL | ABROAD


class Case(NamedTuple):
    """A text with its planted pieces."""

    language: str
    text: str
    planted: tuple[tuple[str, int, int], ...]
    """Kind, first character, and the one after the last."""


def cases(rounds: int, seed: int = 20, *, later: bool = False) -> list[Case]:
    """Every sentence `rounds` times, each time with other values; of the set, or of what was written after the rules."""
    random = Random(seed)
    frames = {"en": (*frames_en.PERSONAL, *frames_en.HARMLESS), "zh": (*frames_zh.PERSONAL, *frames_zh.HARMLESS)}
    if later:
        frames = {"en": frames_later.ENGLISH, "zh": frames_later.CHINESE}
    return [_filled(random, language, frame) for _ in range(rounds) for language, known in frames.items() for frame in known]


def cases_abroad(rounds: int, seed: int = 161) -> list[Case]:
    """Other forms and places, `rounds` times."""
    random = Random(seed)
    split = [frame.split(": ", 1) for frame in frames_abroad.FRAMES]
    return [_filled(random, language, frame) for _ in range(rounds) for language, frame in split]


def _filled(random: Random, language: str, frame: str) -> Case:
    text, planted = "", []
    for before, slot, _, _ in Formatter().parse(frame):
        text += before
        if slot in _MAKERS:
            kind, make = _MAKERS[slot]
            value = make(random)
            begin = len(text) + len(value) - len(value.lstrip())  # a line break before the value is none of it
            planted.append((kind, begin, len(text) + len(value)))
            text += value
        elif slot is not None:
            text += HARMLESS[slot](random)
    return Case(language, text, tuple(planted))


class Score(NamedTuple):
    """What was found of one kind in one language."""

    found: int
    """Planted pieces that lie inside a finding of their kind."""
    missed: int
    false: int
    """Findings of the kind that touch no planted piece of it."""

    @property
    def recall(self) -> float:
        """Share of the planted pieces that were found."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0

    @property
    def precision(self) -> float:
        """Share of findings that are right; 1 where nothing was found."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0


def scored(known: list[Case], findings: list[list[tuple[str, int, int]]]) -> dict[tuple[str, str], Score]:
    """Score of each (language, kind); `findings` gives (kind, begin, end) for each case."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for case, found in zip(known, findings, strict=True):
        for kind, begin, end in case.planted:
            inside = any(name == kind and first <= begin and end <= last for name, first, last in found)
            counts[case.language, kind][0 if inside else 1] += 1
        for name, first, last in found:
            if not any(name == kind and begin < last and first < end for kind, begin, end in case.planted):
                counts[case.language, name][2] += 1
    return {key: Score(*count) for key, count in counts.items()}
