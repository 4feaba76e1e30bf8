"""Finds records that hold text of evaluation sets, by shared n-grams (Brown et al. 2020, appendix C), words and characters alike.

Enters: evaluation texts and the texts of records; leaves: hits, with the name of the evaluation text, the share of it that is held, and where.
A text's mode is its own: in a text of mostly unspaced scripts characters are counted, else words. A text shorter than an n-gram is a hit
only where a whole line of the record says the same, and not at all when it is under a quarter of one: "Yes." proves nothing.
What stands in very many evaluation texts, such as an instruction that all have, is boilerplate: it is not searched for, and shares are taken of the
rest of a text. Where the evaluation texts are records of the data set, so is what stands in many of its records (Brown et al. 2020 ignore what more
than ten documents of training have): a paragraph on inheritance in two hundred answers says nothing of one disease.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.folding import Units, read_units, roll, spans_of
from adapt.dataset.dedup.grams import GramIndex
from adapt.dataset.dedup.runs import merge
from adapt.dataset.dedup.shingles import hash_runs
from adapt.dataset.evaluation import read_texts
from adapt.spec.dataset import Decontamination

_CHARACTERS_AT_ONCE = 1 << 16
_TEXTS_AT_ONCE = 4096
_WHOLE_SHARE = 4
_COUNTED_AT_ONCE = 1 << 22
"""N-grams that wait to be counted."""


class Hit(NamedTuple):
    """A record that holds text of an evaluation set."""

    record: int
    name: str
    """`file:place` of the evaluation text that it holds most of; of equal ones the first."""
    share: float
    """Share of the evaluation text's units, boilerplate left out, that stand in the record."""
    spans: tuple[tuple[int, int], ...]
    """Where, in characters of the record's text."""


class EvaluationTexts:
    """Texts with their names, in order."""

    def __init__(self, names: Sequence[str], texts: Sequence[str], left_out: int = 0) -> None:
        self.names, self.texts = names, texts
        self.left_out = left_out
        """Texts that are not searched for, being reference text beside a question."""

    @classmethod
    def of(cls, named: Iterable[tuple[str, str]]) -> Self:
        """Texts given as pairs of name and text."""
        pairs = list(named)
        return cls([name for name, _ in pairs], [text for _, text in pairs])

    @classmethod
    def read(cls, root: Path, paths: Sequence[str], *, references: bool) -> Self:
        """Texts in files relative to `root`; `references` takes those too that stand beside a question as something to answer from.

        Raises InputError for a file that is missing, of an unknown kind, or broken.
        """
        found = [text for path in paths for text in read_texts(root, path)]
        taken = [text for text in found if references or not text.is_reference]
        return cls([text.name for text in taken], [text.text for text in taken], len(found) - len(taken))


def find_contaminated(
    records: Iterable[tuple[int, str]], texts: EvaluationTexts, spec: Decontamination, common: int, widespread: int | None = None
) -> Iterator[Hit]:
    """A hit for each record, given as number and text, that holds `spec.min_share` or more of an evaluation text; in the order of the records.

    What stands in more than `common` of the evaluation texts counts as boilerplate. With `widespread`, so does what stands in more than so many of
    the records, and a hit is one that stands with it and without it.
    """
    index = _Index(texts, spec, common, counts=widespread is not None)
    if widespread is None:
        for numbers, batch in _batches(records):
            yield from index.search(numbers, batch)
        return
    suspects: dict[int, tuple[Hit, str]] = {}
    for numbers, batch in _batches(records):
        by_number = dict(zip(numbers, batch, strict=True))
        suspects |= {hit.record: (hit, by_number[hit.record]) for hit in index.search(numbers, batch)}
    boilerplate = index.find_widespread(widespread)
    if suspects and any(map(len, boilerplate)):
        closer = _Index(texts, spec, common, boilerplate)
        for numbers, batch in _batches((number, text) for number, (_, text) in suspects.items()):
            yield from closer.search(numbers, batch)
    else:
        yield from (hit for hit, _ in suspects.values())


def _batches(records: Iterable[tuple[int, str]]) -> Iterator[tuple[list[int], list[str]]]:
    numbers: list[int] = []
    waiting: list[str] = []
    characters = 0
    for number, text in records:
        numbers.append(number)
        waiting.append(text)
        characters += len(text)
        if characters >= _CHARACTERS_AT_ONCE:
            yield numbers, waiting
            numbers, waiting, characters = [], [], 0
    if numbers:
        yield numbers, waiting


class _Counts:
    """In how many texts each n-gram of an index stands."""

    def __init__(self) -> None:
        self._keys, self._counts = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        self._waiting: list[NDArray[np.uint64]] = []
        self._held = 0

    def add(self, owners: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Count n-grams of some texts, each once for each text."""
        order = np.lexsort((hashes, owners))
        owners, hashes = owners[order], hashes[order]
        first = np.append(True, (owners[1:] != owners[:-1]) | (hashes[1:] != hashes[:-1]))[: len(hashes)]
        self._waiting.append(hashes[first])
        self._held += int(first.sum())
        if self._held > _COUNTED_AT_ONCE:
            self._settle()

    def find(self, most: int) -> NDArray[np.uint64]:
        """The n-grams of more than `most` texts."""
        self._settle()
        return self._keys[self._counts > most]

    def _settle(self) -> None:
        keys, inverse = np.unique(np.concatenate([self._keys, *self._waiting]), return_inverse=True)
        weights = np.concatenate([self._counts, np.ones(len(inverse) - len(self._counts), dtype=np.int64)])
        self._counts = np.bincount(inverse.reshape(-1), weights=weights, minlength=len(keys)).astype(np.int64)
        self._keys, self._waiting, self._held = keys, [], 0


class _Index:
    """Evaluation texts made ready to be searched for."""

    def __init__(
        self,
        texts: EvaluationTexts,
        spec: Decontamination,
        common: int,
        boilerplate: "Sequence[NDArray[np.uint64]] | None" = None,
        *,
        counts: bool = False,
    ) -> None:
        """`boilerplate` has n-grams of words and of characters that count for nothing; with `counts`, those that records have are counted."""
        self._names, self._min_share = texts.names, spec.min_share
        whole: dict[int, list[int]] = {}
        sizes = (spec.ngram_words, spec.ngram_characters)
        lengths_in = [np.zeros(len(texts.texts), dtype=np.int64) for _ in sizes]
        parts: list[list[NDArray[np.uint64]]] = [[] for _ in sizes]
        for first in range(0, len(texts.texts), _TEXTS_AT_ONCE):
            units = read_units(texts.texts[first : first + _TEXTS_AT_ONCE])
            lengths = np.diff(units.starts)
            for mode, size in enumerate(sizes):
                chosen = units.unspaced == bool(mode)
                inside = np.where(chosen, np.maximum(lengths - size + 1, 0), 0)
                lengths_in[mode][first : first + len(lengths)] = inside
                shift = np.repeat(units.starts[:-1] - (np.cumsum(inside) - inside), inside)
                parts[mode].append(roll(units.hashes, size)[np.arange(len(shift)) + shift])
                for text in np.flatnonzero(chosen & (lengths < size) & (lengths * _WHOLE_SHARE >= size)).tolist():
                    whole.setdefault(_whole(units.hashes[units.starts[text] : units.starts[text + 1]]), []).append(text + first)
        self._whole = {key: holders[0] for key, holders in whole.items() if len(holders) <= common}
        known: Sequence[NDArray[np.uint64] | None] = boilerplate or [None, None]
        made = [GramIndex(size, parts[mode], lengths_in[mode], common, known[mode]) for mode, size in enumerate(sizes)]
        self._grams = [(grams, _Counts() if counts else None) for grams in made]

    def search(self, numbers: Sequence[int], texts: Sequence[str]) -> list[Hit]:
        """Hits of some records."""
        units = read_units(texts)
        found: dict[int, _Quote] = {}
        for grams, counts in self._grams:
            if not grams.count:
                continue
            at, owner, hashes = _grams_inside(units, grams)
            if counts is not None:
                counts.add(owner, hashes)
            for mine in np.split(np.arange(len(at)), np.flatnonzero(np.diff(owner)) + 1) if len(at) else ():
                record = int(owner[mine[0]])
                quote = self._quoted_most(grams, hashes[mine], at[mine] - units.starts[record])
                if quote is not None and (record not in found or quote < found[record]):
                    found[record] = quote
        self._add_whole_lines(units, texts, found)
        hits = []
        for record, quote in sorted(found.items()):
            spans = spans_of(units, int(units.starts[record]), merge(quote.runs))
            hits.append(Hit(numbers[record], self._names[quote.text], -quote.loss, spans))
        return hits

    def find_widespread(self, most: int) -> list[NDArray[np.uint64]]:
        """The n-grams, of words and of characters, that more than `most` of the records searched have."""
        return [np.zeros(0, dtype=np.uint64) if counts is None else counts.find(most) for _, counts in self._grams]

    def _quoted_most(self, grams: GramIndex, hashes: NDArray[np.uint64], begins: NDArray[np.int64]) -> "_Quote | None":
        """The text that a record with these n-grams holds most of, if it is enough.

        Templates stand in many texts: only those of which the n-grams could cover enough are measured.
        """
        distinct = np.unique(hashes)
        which, text, unit = grams.find(distinct)
        quoted, place, count = np.unique(text, return_inverse=True, return_counts=True)
        sizes = grams.sizes[quoted]
        enough = (count * grams.size >= self._min_share * sizes) & (sizes > 0)
        measured = enough[place]
        shares = grams.cover(text[measured], unit[measured]) / sizes[enough]
        if not shares.any() or shares.max() < self._min_share:
            return None
        best = int(np.argmax(shares))
        number = int(quoted[enough][best])
        held = begins[np.isin(hashes, distinct[which[text == number]])].tolist()
        return _Quote(-float(shares[best]), number, [(begin, begin + grams.size) for begin in held])

    def _add_whole_lines(self, units: Units, texts: Sequence[str], found: "dict[int, _Quote]") -> None:
        """Note the lines of records that are a short evaluation text; the first that a record holds whole, unless it holds another whole already."""
        if not self._whole or not len(units.hashes):
            return
        bounds = np.cumsum([0, *map(len, texts)])
        breaks = np.flatnonzero(np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4") == ord("\n"))
        owner = np.repeat(np.arange(len(texts)), np.diff(units.starts))
        line = np.searchsorted(breaks, units.begins + bounds[owner])
        opens = np.append(True, (line[1:] != line[:-1]) | (owner[1:] != owner[:-1]))
        at = np.append(np.flatnonzero(opens), len(opens))
        keys = hash_runs(units.hashes, opens)
        for place in np.flatnonzero(np.isin(keys, np.array(list(self._whole), dtype=np.uint64))).tolist():
            record, text = int(owner[at[place]]), self._whole[int(keys[place])]
            first = int(units.starts[record])
            run = (int(at[place]) - first, int(at[place + 1]) - first)
            known = found.get(record)
            if known is not None and (known.loss, known.text) == (-1.0, text):
                known.runs.append(run)
            elif known is None or (-1.0, text) < (known.loss, known.text):
                found[record] = _Quote(-1.0, text, [run])


class _Quote(NamedTuple):
    """What a record holds of one evaluation text. The least is the best: most held, then the first text."""

    loss: float
    """Share of the text that is held, negated."""
    text: int
    runs: list[tuple[int, int]]
    """Where, in units of the record."""


def _grams_inside(units: Units, grams: GramIndex) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """N-grams of texts that may be in the index: the first unit of each, its text, its hash."""
    hashes = roll(units.hashes, grams.size)
    at = np.flatnonzero(grams.may_hold(hashes))
    owner = np.searchsorted(units.starts, at, side="right") - 1
    inside = at + grams.size <= units.starts[owner + 1]
    at, owner = at[inside], owner[inside]
    held = grams.holds(hashes[at])
    return at[held], owner[held], hashes[at[held]]


def _whole(units: NDArray[np.uint64]) -> int:
    """Key of a whole text."""
    return int(hash_runs(units, np.arange(len(units)) == 0)[0])
