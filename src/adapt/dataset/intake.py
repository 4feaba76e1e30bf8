"""The first pass: prepared batches fill the table of records, the verdicts and the ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.documents import FILE, read_batches, schema
from adapt.artifact.progress import Task
from adapt.dataset.characters import DocumentLosses, LossFinder
from adapt.dataset.ledger import Ledger
from adapt.dataset.prepare import Prepared
from adapt.dataset.table import RecordTable
from adapt.dataset.tokens import id_keys, keep_counts
from adapt.dataset.verdicts import Verdicts
from adapt.engine.engine import Engine
from adapt.engine.local import Inline
from adapt.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]


class Made(NamedTuple):
    """What a pass over the documents made."""

    documents: int
    records: int
    characters: int
    """Letters and digits of the documents."""
    divided: int
    """Sections that became several records."""
    losses: tuple[DocumentLosses, ...]
    """Documents of which one rule took a third or more."""
    parts: Counter[str]
    """Ledger rows for what did not become a record, by rule."""
    part_characters: Counter[str]
    """Letters and digits of these."""


class Taken(NamedTuple):
    """What is known of the records in the table beside what the table knows, by their numbers."""

    rows: Numbers
    """Row of each record among the verdicts."""
    groups: Numbers
    """A number for what each record's document belongs to; -1 for nothing."""


_SMALL_BYTES = 4 << 20
_NONE = np.zeros(0, dtype=np.int64)


def read_documents(corpus: Path) -> Iterator["pa.RecordBatch"]:
    """The batches of a corpus folder's documents. Raises InputError for a missing or broken documents.parquet."""
    import pyarrow as pa

    path = corpus / FILE
    if not path.is_file():
        raise InputError(f"{corpus} has no {FILE}", hint="build the corpus before the dataset")
    try:
        for batch in read_batches(path):
            if batch.schema.names != schema().names:
                raise InputError(f"{path} has other columns than documents have", hint="build the corpus again")
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="build the corpus again") from None


def choose_engine(corpus: Path, engine: Engine) -> Engine:
    """`engine`, or none for a corpus so small that starting workers costs more than it saves."""
    path = corpus / FILE
    small = engine.sees_files and path.is_file() and path.stat().st_size < _SMALL_BYTES
    return Inline() if small else engine


class Intake:
    """Fills a table and the verdicts, and counts on the way."""

    def __init__(self, table: RecordTable, verdicts: Verdicts, ledger: Ledger) -> None:
        self._table, self._verdicts, self._ledger = table, verdicts, ledger
        self._rows: list[Numbers] = []
        self._tokens: list[Numbers] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._groups: list[int] = []
        self._group_numbers: dict[str, int] = {"": -1}
        self._made = 0

    def take(self, batches: Iterable[Prepared], task: Task | None = None) -> Made:
        """Take batches in; `task` advances by one for each document."""
        import pyarrow as pa

        documents = characters = divided = 0
        before, parts, lost, finder = self._made, Counter[str](), Counter[str](), LossFinder()
        for batch in batches:
            documents += batch.documents
            divided += batch.divided
            characters += batch.characters
            finder.add_all(batch.losses)
            for row in batch.parts:
                lost[row.rule] += row.characters or 0
            parts.update(row.rule for row in batch.parts)
            self._ledger.add(batch.parts)
            self._verdicts.add(batch.verdicts)
            passing = batch.passing
            facts = batch.verdicts.take(pa.array(passing.places))
            self._table.append(facts, passing.lines, passing.fingerprints, tokens=batch.tokens[passing.places], worth=passing.worth)
            self._keys.append(id_keys(batch.verdicts.column("record").to_pylist()))
            self._tokens.append(batch.tokens)
            self._rows.append(passing.places + self._made)
            self._groups += [self._group_numbers.setdefault(name, len(self._group_numbers) - 1) for name in passing.groups]
            self._made += len(batch.tokens)
            if task:
                task.advance(batch.documents)
        return Made(documents, self._made - before, characters, divided, finder.find(), parts, lost)

    def finish(self, counts: Path | None) -> Taken:
        """Open table and verdicts for reading; token counts go into the file `counts`."""
        self._table.finish()
        self._verdicts.finish()
        if counts and self._keys:
            keep_counts(counts, np.concatenate(self._keys, axis=1), np.concatenate(self._tokens))
        return Taken(np.concatenate([_NONE, *self._rows]), np.array(self._groups, dtype=np.int64))
