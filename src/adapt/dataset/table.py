"""The records of a build while it runs: texts in a file, and in memory only what decides about them.

A record costs some 430 bytes of memory at the peak of a build, most of them the band keys of its signature; one that brings material has two
signatures and takes 200 more. Its texts cost none.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.buckets import Crossing
from adapt.dataset.dedup.exact import content_keys
from adapt.dataset.dedup.fingerprints import Fingerprints
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.dedup.shingles import shingle
from adapt.dataset.order import ascending_order
from adapt.dataset.shared_input import read_material
from adapt.records import AlpacaRecord
from adapt.spec.dataset import NearDuplicates

if TYPE_CHECKING:
    import pyarrow as pa

UNDATED = np.iinfo(np.int64).min
_DIGITS = re.compile(r"\d+")
_TEXTS = ("source", "locator", "place", "licence")
_ID_BYTES = 32


class Worth(NamedTuple):
    """What may decide which of several duplicates stays, one value for each record."""

    quality: NDArray[np.floating[Any]]
    """Greater is better."""
    dates: NDArray[np.int64]
    """Seconds of UTC; UNDATED where there is none."""
    answers: NDArray[np.integer[Any]]
    """Characters of the answer."""


class RecordTable:
    """Records numbered in the order of arrival. Its files live in `folder` and are gone when it is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "records.tmp"
        self._stack = ExitStack()
        self._stack.callback(lambda: self._path.unlink(missing_ok=True))
        self._file = self._stack.enter_context(self._path.open("w+b"))
        self.shingles = self._stack.enter_context(ShingleFile(folder / "shingles.tmp"))
        self.alone = self._stack.enter_context(ShingleFile(folder / "alone.tmp"))
        """Shingles of what is asked and answered without the material; none for records that bring none."""
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._keys: list[NDArray[np.uint32]] = []
        self._alone_keys: list[NDArray[np.uint32]] = []
        self._facts: list[pa.RecordBatch] = []
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def append(self, facts: "pa.RecordBatch", lines: Sequence[bytes], fingerprints: Fingerprints, *, tokens: NDArray[np.int64], worth: Worth) -> None:
        """Add records: one row of `facts` (columns `record`, `document`, `source`, `locator`, `place`, `licence`; ids as 64 hex digits) and one
        line of JSON without its end for each. `place` is `natural(locator)`."""
        lengths = np.array([len(line) + 1 for line in lines], dtype=np.int64)
        self._file.write(b"".join(line + b"\n" for line in lines))
        self.shingles.append(fingerprints.shingles, fingerprints.counts)
        self.alone.append(fingerprints.alone_shingles, fingerprints.alone_counts)
        self._keys.append(fingerprints.bands)
        self._alone_keys.append(fingerprints.alone_bands)
        self._facts.append(facts.select(_TEXTS))
        columns: dict[str, NDArray[Any]] = {
            "offsets": self._written + np.cumsum(lengths) - lengths,
            "lengths": (lengths - 1).astype(np.int32),
            "ids": _raw_ids(facts.column("record")),
            "documents": _raw_ids(facts.column("document"))[:, :8].copy().view("<i8")[:, 0],
            "contents": fingerprints.contents,
            "questions": fingerprints.questions,
            "inputs": fingerprints.inputs,
            "instructions": fingerprints.instructions,
            "tokens": tokens.astype(np.int32),
            "quality": worth.quality.astype(np.float32),
            "dates": worth.dates,
            "answers": worth.answers.astype(np.int32),
        }
        for name, values in columns.items():
            self._parts.setdefault(name, []).append(values)
        self._written += int(lengths.sum())

    def finish(self) -> None:
        """Open for reading; nothing is appended after it."""
        import pyarrow as pa

        self._file.flush()
        self.shingles.finish()
        self.alone.finish()
        self._offsets = self._take("offsets", np.zeros(0, dtype=np.int64))
        self._lengths = self._take("lengths", np.zeros(0, dtype=np.int32))
        self._ids = self._take("ids", np.zeros((0, _ID_BYTES), dtype=np.uint8))
        self.documents: NDArray[np.int64] = self._take("documents", np.zeros(0, dtype=np.int64))
        """A number for each record's document: the first 64 bits of its id."""
        self.contents: NDArray[np.uint64] = self._take("contents", np.zeros((0, 2), dtype=np.uint64))
        """Keys of question and answer in normal form, shape (records, 2)."""
        self.questions: NDArray[np.uint64] = self._take("questions", np.zeros((0, 2), dtype=np.uint64))
        """Keys of all that precedes the answer but the system message, in normal form, shape (records, 2); zeros where nothing does."""
        self.inputs: NDArray[np.uint64] = self._take("inputs", np.zeros((0, 2), dtype=np.uint64))
        """Keys of the materials, as `questions`."""
        self.instructions: NDArray[np.uint64] = self._take("instructions", np.zeros((0, 2), dtype=np.uint64))
        """Keys of the instructions of records that bring material, as `questions`."""
        self.tokens: NDArray[np.int64] = self._take("tokens", np.zeros(0, dtype=np.int32)).astype(np.int64)
        worth = (("quality", np.float32), ("dates", np.int64), ("answers", np.int32))
        self.worth = Worth(*(self._take(name, np.zeros(0, dtype=kind)) for name, kind in worth))
        facts = pa.Table.from_batches(self._facts, schema=pa.schema([(name, pa.string()) for name in _TEXTS]))
        for name in ("source", "licence"):
            facts = facts.set_column(_TEXTS.index(name), name, facts[name].dictionary_encode().unify_dictionaries())
        self._columns = facts.combine_chunks()  # a row in many chunks takes a search through all of them
        self._facts.clear()

    def __len__(self) -> int:
        return len(self._offsets)

    def id(self, number: int) -> str:
        """A record's id."""
        return bytes(self._ids[number]).hex()

    def source(self, number: int) -> str:
        """The raw file that a record is from."""
        return str(self._columns["source"][number].as_py())

    def locator(self, number: int) -> str:
        """A record's place in its source."""
        return str(self._columns["locator"][number].as_py())

    def licences(self) -> tuple[list[str], NDArray[np.int64]]:
        """All licences, and the place among them of each record's."""
        return self._encoded("licence")

    def line(self, number: int) -> bytes:
        """One record as a line of JSON, without its end."""
        return os.pread(self._file.fileno(), self._lengths[number], self._offsets[number])

    def lines_as_now(self) -> Callable[[int], bytes]:
        """Gives records as `line` does, but as they are at this moment, whatever is replaced later."""
        lengths, offsets = self._lengths.copy(), self._offsets.copy()
        return lambda number: os.pread(self._file.fileno(), lengths[number], offsets[number])

    def lines(self, numbers: NDArray[np.int64]) -> Iterator[bytes]:
        """Several records as lines of JSON, one at a time."""
        return map(self.line, numbers.tolist())

    def read(self, number: int) -> AlpacaRecord:
        """One record, texts and all."""
        return AlpacaRecord.model_validate_json(self.line(number))

    def take_band_keys(self) -> Iterator[NDArray[np.uint32] | Crossing]:
        """For each band the keys of all records; the table lets go of them.

        Records that bring material meet each other by what is asked and answered alone, and the other records as wholes.
        """
        keys, alone, self._keys, self._alone_keys = self._keys, self._alone_keys, [], []
        material = self.alone.sizes() > 0
        for band in range(len(keys[0]) if keys else 0):
            whole = np.concatenate([part[band] for part in keys])
            own = whole.copy() if material.any() else whole
            own[material] = np.concatenate([part[band] for part in alone])
            yield own
            if material.any() and not material.all():
                yield Crossing(whole, material)

    def replace(self, number: int, record: AlpacaRecord, content: str, near: NearDuplicates) -> None:
        """Put `record`, known by `content`, in the place of another that asked the same. Its tokens stay those of the old one until they are set.

        `reopen` follows before anything is read.
        """
        line = record.model_dump_json().encode() + b"\n"
        self._file.seek(self._written)
        self._file.write(line)
        self._offsets[number], self._lengths[number] = self._written, len(line) - 1
        self._written += len(line)
        self._ids[number] = np.frombuffer(bytes.fromhex(record.id), dtype=np.uint8)
        normal = normalise([content])
        self.contents[number] = content_keys(normal)[0]
        self.shingles.replace(number, shingle(normal, words=near.shingle_words, characters=near.shingle_characters)[0])
        alone = normalise([read_material(record).alone])
        self.alone.replace(number, shingle(alone, words=near.shingle_words, characters=near.shingle_characters)[0])

    def reopen(self) -> None:
        """Open what was replaced for reading."""
        self._file.flush()
        self.shingles.reopen()
        self.alone.reopen()

    def ranks(self) -> NDArray[np.int64]:
        """Each record's place by source, locator (numbers in it by value) and id: the same however they arrived."""
        import pyarrow as pa

        names, sources = self._encoded("source")
        by_name = np.empty(len(names), dtype=np.int32)
        by_name[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_ID_BYTES), len(self), [None, pa.py_buffer(self._ids)])
        order = ascending_order(pa.table({"source": by_name[sources], "place": self._columns["place"], "id": ids}))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    def _encoded(self, name: str) -> tuple[list[str], NDArray[np.int64]]:
        column = self._columns[name].combine_chunks()
        if not len(column):
            return [], np.zeros(0, dtype=np.int64)
        return column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)

    def _take(self, name: str, empty: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([empty, *self._parts.pop(name, [])]).astype(empty.dtype, copy=False)


def natural(locator: str) -> str:
    """A locator in a form that sorts `line 9` before `line 10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), locator)


def _raw_ids(column: "pa.Array") -> NDArray[np.uint8]:
    """Ids of 64 hex digits as rows of 32 bytes."""
    return np.frombuffer(bytes.fromhex("".join(column.to_pylist())), dtype=np.uint8).reshape(-1, _ID_BYTES)
