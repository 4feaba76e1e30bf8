"""Tells apart records that are similar, by what their texts say: which pairs of a table are copies and which only share a template.

Enters: a table, and pairs of numbers of its records. Leaves: for each pair whether something tells them apart (`dedup.distinction`).
A record is read when it first stands in a pair, and leaves three keys of eight bytes. Most pairs are settled by these: thousands of
records of one template make millions of pairs. Only where questions could be one, or facts stand in another order, are texts compared.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.distinction import Statement, case_marks, find_distinction, read_statement
from adapt.dataset.dedup.exact import content_keys
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.formatters.result import known_by
from adapt.dataset.table import RecordTable

Numbers = NDArray[np.int64]
_STATEMENTS_KEPT = 512
_LETTER_CLASSES = 16
_CLASS_BITS = np.uint64(4)
_MOST_CLASSES = 4
"""Classes of letters in which two questions with slips may differ: two for each letter that was changed."""


class Distinctions:
    """Judges pairs of the records of a table, as they are now."""

    def __init__(self, table: RecordTable) -> None:
        self._table = table
        self._read = np.zeros(len(table), dtype=bool)
        self._asked = np.zeros(len(table), dtype=np.uint64)
        self._letters = np.zeros(len(table), dtype=np.uint64)
        self._statement = lru_cache(_STATEMENTS_KEPT)(self._read_statement)

    def are_apart(self, left: Numbers, right: Numbers) -> NDArray[np.bool_]:
        """Whether something tells the records of each pair apart."""
        self._note(left, right)
        asked, other = self._asked[left], self._asked[right]
        differ = (asked != other) & (asked != 0) & (other != 0)
        apart: NDArray[np.bool_] = differ & (_count_classes(self._letters[left] ^ self._letters[right]) > _MOST_CLASSES)
        for place in np.flatnonzero(~apart).tolist():
            apart[place] = self.find(int(left[place]), int(right[place])) is not None
        return apart

    def find(self, one: int, other: int) -> str | None:
        """What tells two records apart, None for nothing."""
        return find_distinction(self._statement(one), self._statement(other))

    def _note(self, *numbers: Numbers) -> None:
        wanted = np.unique(np.concatenate(numbers))
        for number in wanted[~self._read[wanted]].tolist():
            asked = self._statement(number).asked
            self._asked[number] = _key(asked)
            self._letters[number] = _letter_classes("".join(asked))
            self._read[number] = True

    def _read_statement(self, number: int) -> Statement:
        return read_statement(*read_question(self._table, number))


def refine_equals(table: RecordTable, members: Numbers, winners: Numbers, preference: Numbers) -> Numbers:
    """Winners of exact duplicates, where a record goes only for one whose letters with a case that counts are the same.

    `members` and `winners` are numbers of records, place by place; a record that stays is its own winner.
    """
    refined = winners.copy()
    shared = np.isin(winners, winners[winners != members])
    places = np.flatnonzero(shared)
    places = places[np.lexsort((preference[members[places]], winners[places]))]
    for _, family in groupby(places.tolist(), key=lambda place: int(winners[place])):
        first: dict[tuple[str, ...], int] = {}
        for place in family:
            number = int(members[place])
            asked, answer = read_question(table, number)
            refined[place] = first.setdefault((*case_marks(asked), "", *case_marks(answer)), number)
    return refined


def read_question(table: RecordTable, number: int) -> tuple[str, str]:
    """What a record asks, and what it gives and answers.

    A question made of a heading is none: copies of a section stand under other titles. Such a record is known by other texts than it asks.
    """
    record = json.loads(table.line(number))
    asked, given, answer, worse = (record[name] for name in ("instruction", "input", "output", "rejected"))
    known = content_keys(normalise([known_by(asked, given, answer, worse), known_by(asked, "", answer, worse)]))
    if not (known == table.contents[number]).all(axis=1).any():
        asked = ""
    return asked, "\n".join(text for text in (given, answer, worse) if text)


def _key(words: Iterable[str]) -> int:
    """A key of eight bytes, 0 for no words."""
    text = "\n".join(words)
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little") if text else 0


def _letter_classes(text: str) -> int:
    """How often each of sixteen classes of letters stands in a text, modulo sixteen, four bits each."""
    counts = [0] * _LETTER_CLASSES
    for letter in text:
        counts[ord(letter) % _LETTER_CLASSES] += 1
    return sum(count % 16 << 4 * place for place, count in enumerate(counts))


def _count_classes(differences: NDArray[np.uint64]) -> Numbers:
    """How many groups of four bits hold a bit."""
    return sum(_bits(differences), np.zeros(len(differences), dtype=np.int64))


def _bits(differences: NDArray[np.uint64]) -> Iterator[Numbers]:
    for place in range(_LETTER_CLASSES):
        yield (((differences >> (np.uint64(place) * _CLASS_BITS)) & np.uint64(15)) != 0).astype(np.int64)
