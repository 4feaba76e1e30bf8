"""verdicts.parquet: what became of every record that was made, and what every rule measured of it.

While a build runs, what is known of the records from the start rests in a file of Arrow batches, and in memory lies only what is decided
later: a few bytes a record. At the end both are sorted by source, place and id, and written.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.losses import Loss, Losses
from adapt.dataset.filters import PASSES, explain
from adapt.dataset.order import ascending_order
from adapt.dataset.rules import Rule, early_columns, late_columns
from adapt.dataset.split import SPLITS
from adapt.errors import InputError
from adapt.records import LedgerRow

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "verdicts.parquet"
DROPPED = "dropped"
OUTCOMES = (*SPLITS, DROPPED)
TEXTS = ("record", "document", "source", "locator", "language", "licence", "label")
"""Columns of text that are known from the start."""
_LATE_TEXTS = ("outcome", "rule", "winner", "winner_source", "winner_locator")
_DROPPED = OUTCOMES.index(DROPPED)
_ROWS = 1 << 16


class Verdict(NamedTuple):
    """One row of verdicts.parquet."""

    record: str
    document: str
    source: str
    locator: str
    language: str
    licence: str
    label: str
    outcome: str
    """One of OUTCOMES."""
    rule: str | None
    """The first rule that the record broke."""
    winner: str | None
    """Duplicates: id of the record that was kept instead; contamination: name of the evaluation text."""
    winner_source: str | None
    """Duplicates: where that record is from. Copies are told apart by their places: equal content has equal ids."""
    winner_locator: str | None
    characters: int
    """Letters and digits of what no other record of its document has: the turn, the body of the section; as it was made."""
    repeats: int | None
    """Training records: how often mixing takes it; 0 leaves it out."""
    measured: dict[str, float]
    """What was measured, by the rules' columns."""


def read_verdicts(folder: Path) -> Iterator[Verdict]:
    """Rows of the data set in `folder`, sorted by source, place and id. Raises InputError when the data set has no verdicts."""
    import pyarrow.parquet as pq

    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{folder} has no {FILE}", hint="build the data set with `adapt build`")
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            for row in file.read_row_group(number).to_pylist():
                fixed = {name: row.pop(name) for name in Verdict._fields if name != "measured"}
                yield Verdict(**fixed, measured={name: value for name, value in row.items() if value is not None})


def spool_schema(rules: Sequence[Rule]) -> "pa.Schema":
    """Columns of the batches that `Verdicts.add` takes: texts, the locator in a form that sorts, number of the first broken rule, measures."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in (*TEXTS, "place")]
    return pa.schema([*texts, ("first", pa.int16()), ("characters", pa.int64()), *((name, pa.float64()) for name in early_columns(rules))])


class Verdicts:
    """The verdicts of a build while it runs, numbered in the order of arrival. Its file is gone when it is left."""

    def __init__(self, folder: Path, rules: Sequence[Rule]) -> None:
        import pyarrow as pa

        self.rules = tuple(rules)
        self._numbers = {rule.rule: number for number, rule in enumerate(self.rules)}
        self._path = folder / "verdicts.tmp"
        self._writer = pa.ipc.new_file(str(self._path), spool_schema(rules))
        self._firsts: list[NDArray[np.int16]] = []
        self._characters: list[NDArray[np.int64]] = []
        self._table: Any = None
        self._map: mmap.mmap | None = None
        self._winners: dict[int, tuple[str, int | None]] = {}
        self._corrected: dict[int, dict[str, Any]] = {}

    def add(self, batch: "pa.RecordBatch") -> None:
        """Add records."""
        self._writer.write_batch(batch)
        self._firsts.append(batch.column("first").to_numpy())
        self._characters.append(batch.column("characters").to_numpy())

    def finish(self) -> None:
        """No record is added after it; outcomes can be set."""
        import pyarrow as pa

        self._writer.close()
        with self._path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._table = pa.ipc.open_file(pa.py_buffer(self._map)).read_all()
        self.first = np.concatenate([np.zeros(0, dtype=np.int16), *self._firsts])
        self._firsts.clear()
        self.characters = np.concatenate([np.zeros(0, dtype=np.int64), *self._characters])
        self._characters.clear()
        self.outcome = np.full(len(self.first), _DROPPED, dtype=np.int8)
        self.repeats = np.full(len(self.first), -1, dtype=np.int32)
        self.late = {name: np.full(len(self.first), np.nan) for name in late_columns(self.rules)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        self._table = self._map = None  # unmapped with the last array that looks into it
        self._path.unlink(missing_ok=True)

    def documents(self) -> int:
        """How many documents made a record."""
        import pyarrow.compute as pc

        found = int(pc.count_distinct(self._table["document"]).as_py())
        self._give_back()
        return found

    def __len__(self) -> int:
        return len(self.first)

    def column(self, name: str, rows: NDArray[np.int64]) -> Any:
        """A column that is known from the start, of some rows, as an Arrow array."""
        import pyarrow as pa

        found = self._table[name].take(pa.array(rows))
        self._give_back()
        return found

    def drop(self, row: int, rule: str, score: float | None = None, winner: str | None = None, winner_row: int | None = None) -> None:
        """Note that a record breaks `rule`, first of all that it was asked; `winner_row` is the row of a winner that is a record."""
        number = self._numbers[rule]
        if self.first[row] != PASSES:
            raise AssertionError(f"a record was dropped twice: by {self.rules[self.first[row]].rule} and by {rule}")
        self.first[row] = number
        if winner is not None:
            self._winners[row] = (winner, winner_row)
        if score is not None:
            self.late[self.rules[number].column][row] = score

    def measure(self, column: str, rows: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Note what was measured of records that a rule of `column` did not drop: four digits, rounded down so that none seems to reach its bound."""
        late = self.late[column]
        late[rows] = np.where(np.isnan(late[rows]), np.floor(np.round(values * 10_000, 6)) / 10_000, late[rows])

    def correct(self, row: int, record: str, measured: dict[str, float]) -> None:
        """Note that a record was changed: its new id, and what is measured of it now."""
        self._corrected[row] = {"record": record, **measured}

    def counts(self) -> dict[str, int]:
        """Records dropped by each rule, in the order of the rules."""
        found = np.bincount(self.first[self.first != PASSES], minlength=len(self.rules))
        return {rule.rule: int(count) for rule, count in zip(self.rules, found, strict=True)}

    def characters_dropped(self) -> dict[str, int]:
        """Characters of the records dropped by each rule, in the order of the rules."""
        dropped = self.first != PASSES
        found = np.bincount(self.first[dropped], weights=self.characters[dropped], minlength=len(self.rules))
        return {rule.rule: int(count) for rule, count in zip(self.rules, found, strict=True)}

    def losses(self) -> tuple[Loss, ...]:
        """Sources of which one rule took much, largest first."""
        column = self._table["source"].combine_chunks().dictionary_encode()
        column = column.chunk(0) if hasattr(column, "chunk") else column
        codes, names = column.indices.to_numpy(), column.dictionary.to_pylist()
        self._give_back()
        rows = np.bincount(codes, minlength=len(names))
        dropped = self.first != PASSES
        lost: dict[int, dict[str, int]] = {}
        pairs, counts = np.unique(codes[dropped].astype(np.int64) * len(self.rules) + self.first[dropped], return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            lost.setdefault(pair // len(self.rules), {})[self.rules[pair % len(self.rules)].rule] = count
        found = Losses()
        for code, name in enumerate(names):
            found.add(name, int(rows[code]), lost.get(code, {}))
        return found.find()

    def check(self) -> None:
        """Raises AssertionError unless every record was either dropped by a rule or put into a split."""
        lost = int(((self.first == PASSES) == (self.outcome == _DROPPED)).sum())
        if lost:
            raise AssertionError(f"{lost} records are neither dropped nor in a split, or both")

    def ledger_rows(self) -> Iterator[LedgerRow]:
        """Rows for the records that broke a rule which needs no other record, in the order of arrival."""
        early = [number for number, rule in enumerate(self.rules) if rule.bound != "below"]
        dropped = np.flatnonzero(np.isin(self.first, early))
        for start in range(0, len(dropped), _ROWS):
            rows = dropped[start : start + _ROWS]
            columns = {name: values.to_pylist() for name, values in self._known(rows).items()}
            for place, number in enumerate(self.first[rows].tolist()):
                rule = self.rules[number]
                value = columns[rule.column][place]
                yield LedgerRow.model_construct(
                    record=columns["record"][place],
                    source=columns["source"][place],
                    locator=columns["locator"][place],
                    action="dropped",
                    rule=rule.rule,
                    reason=explain(rule, value),
                    score=None if isinstance(value, str) else value,
                    threshold=None if isinstance(rule.threshold, tuple) else rule.threshold,
                    characters=columns["characters"][place],
                )

    def write(self, path: Path) -> None:
        """Write all verdicts, sorted by source, place and id."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        order = ascending_order(self._table.select(["source", "place", "record"]))
        measures = [*early_columns(self.rules), *late_columns(self.rules)]
        texts = [(name, pa.string()) for name in (*TEXTS, *_LATE_TEXTS)]
        schema = pa.schema([*texts, ("characters", pa.int64()), ("repeats", pa.int32()), *((name, pa.float64()) for name in measures)])
        repeated = ["source", "language", "licence", "label", "outcome", "rule", "winner_source"]
        with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated) as writer:
            for start in range(0, len(order), _ROWS):
                writer.write_batch(self._batch(order[start : start + _ROWS], schema), row_group_size=_ROWS)

    def _batch(self, rows: NDArray[np.int64], schema: "pa.Schema") -> "pa.RecordBatch":
        """Some rows as they are written."""
        import pyarrow as pa

        known = self._known(rows)
        names = pa.array([rule.rule for rule in self.rules])
        first, repeats = self.first[rows], self.repeats[rows]
        columns = {name: known[name] for name in (*TEXTS, "characters", *early_columns(self.rules))}
        columns["outcome"] = pa.array(OUTCOMES).take(pa.array(self.outcome[rows]))
        columns["rule"] = names.take(pa.array(first, mask=first == PASSES))
        columns |= self._winning(rows)
        columns["repeats"] = pa.array(repeats, mask=repeats < 0)
        columns |= {name: pa.array(values[rows], mask=np.isnan(values[rows])) for name, values in self.late.items()}
        return pa.RecordBatch.from_pydict({name: columns[name] for name in schema.names}, schema=schema)

    def _winning(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Id, source and locator of the winners of some rows, as Arrow arrays by column."""
        import pyarrow as pa

        found = [self._winners.get(row, (None, None)) for row in rows.tolist()]
        at = pa.array([place for _, place in found], pa.int64())
        places = {f"winner_{name}": self._table[name].take(at).combine_chunks() for name in ("source", "locator")}
        return {"winner": pa.array([winner for winner, _ in found], pa.string()), **places}

    def _give_back(self) -> None:
        """Pages that were read count as memory of the process until they are given back; the system's cache still has them."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _known(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """What is known of some rows from the start, corrections made, as Arrow arrays by column."""
        import pyarrow as pa

        table = self._table.take(pa.array(rows)).combine_chunks()
        self._give_back()
        columns = {name: table[name].chunk(0) for name in table.column_names}
        changed = [(place, self._corrected[row]) for place, row in enumerate(rows.tolist()) if row in self._corrected] if self._corrected else []
        for name in changed[0][1] if changed else ():
            values = columns[name].to_pylist()
            for place, correction in changed:
                values[place] = correction[name]
            columns[name] = pa.array(values, columns[name].type)
        return columns
