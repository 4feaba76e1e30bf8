"""The records of a build while it runs: texts in a file, and in memory only what decides about them.

A record costs some 2 KB of memory at the peak of a build: its id, its place, two keys, the band keys of its signature and, while pairs are
searched, its rarest shingles. Its texts cost none.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.exact import content_keys
from adapt.dataset.dedup.minhash import Bands, band_keys
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.dedup.shingles import ShingleFile, shingle
from adapt.dataset.formatters.result import Candidate
from adapt.records import AlpacaRecord, Language
from adapt.spec.dataset import NearDuplicates

_DIGITS = re.compile(r"\d+")


class RecordTable:
    """Records numbered in the order of arrival. Its files live in `folder` and are gone when it is left."""

    def __init__(self, folder: Path, near: NearDuplicates, cut: Bands) -> None:
        self._near, self._cut = near, cut
        self._path = folder / "records.tmp"
        self._stack = ExitStack()
        self._stack.callback(lambda: self._path.unlink(missing_ok=True))
        self._file = self._stack.enter_context(self._path.open("w+b"))
        self.shingles = self._stack.enter_context(ShingleFile(folder / "shingles.tmp"))
        self._offsets = array("q")
        self._document_numbers: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._documents = array("q")
        self._tokens = array("q")
        self._contents: list[NDArray[np.uint64]] = []
        self._questions: list[NDArray[np.uint64]] = []
        self._bands: list[NDArray[np.uint32]] = []
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.locators: list[str] = []
        self.languages: list[Language] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self.ids)

    def append(self, candidates: Sequence[Candidate], tokens: Sequence[int]) -> None:
        """Add records with their token counts."""
        records = [candidate.record for candidate in candidates]
        for record, count in zip(records, tokens, strict=True):
            self._offsets.append(self._file.tell())
            self._file.write(record.model_dump_json().encode() + b"\n")
            self._documents.append(self._document_numbers.setdefault(record.document, len(self._document_numbers)))
            self._tokens.append(count)
            self.ids.append(record.id)
            self.sources.append(self._names.setdefault(record.source, record.source))
            self.locators.append(record.locator)
            self.languages.append(record.language)
        content = normalise([candidate.content for candidate in candidates])
        self._contents.append(content_keys(content))
        self._questions.append(content_keys(normalise([_asked(record) for record in records])))
        values, counts = shingle(content, words=self._near.shingle_words, characters=self._near.shingle_characters)
        self.shingles.append(values, counts)
        self._bands.append(band_keys(values, counts, self._cut))

    def finish(self) -> None:
        """Open for reading; nothing is added after it."""
        self._file.flush()
        self.shingles.finish()
        self._document_numbers.clear()

    def read(self, number: int) -> AlpacaRecord:
        """One record, texts and all."""
        self._file.seek(self._offsets[number])
        return AlpacaRecord.model_validate_json(self._file.readline())

    def read_all(self, numbers: Sequence[int]) -> Iterator[AlpacaRecord]:
        """Several records, one at a time."""
        return map(self.read, numbers)

    @property
    def documents(self) -> NDArray[np.int64]:
        """A number for each record's document."""
        return np.array(self._documents, dtype=np.int64)

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Each record's tokens."""
        return np.array(self._tokens, dtype=np.int64)

    @property
    def contents(self) -> NDArray[np.uint64]:
        """Keys of question and answer in normal form, shape (records, 2)."""
        return np.concatenate([np.zeros((0, 2), dtype=np.uint64), *self._contents])

    @property
    def questions(self) -> NDArray[np.uint64]:
        """Keys of all that precedes the answer but the system message, in normal form, shape (records, 2)."""
        return np.concatenate([np.zeros((0, 2), dtype=np.uint64), *self._questions])

    def take_band_keys(self) -> NDArray[np.uint32]:
        """Band keys of all records, shape (bands, records); the table lets go of them."""
        keys = np.concatenate([np.zeros((self._cut.bands, 0), dtype=np.uint32), *self._bands], axis=1)
        self._bands.clear()
        return keys

    def ranks(self) -> NDArray[np.int64]:
        """Each record's place by source, locator (numbers in it by value) and id: the same however they arrived."""
        order = sorted(range(len(self)), key=lambda number: (self.sources[number], natural(self.locators[number]), self.ids[number]))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks


def natural(locator: str) -> str:
    """A locator in a form that sorts `line 9` before `line 10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), locator)


def _asked(record: AlpacaRecord) -> str:
    turns = [text for turn in record.history for text in turn]
    return "\n".join((*turns, record.instruction, record.input))
