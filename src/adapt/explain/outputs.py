"""The outputs of one spec's corpus and dataset stages, as explanations read them: Arrow tables, and texts of single records.

A record that was dropped stands in no split. Its text is made again from its document, by the formatter and with the settings that made it the
first time; when those settings are known no longer, it has no text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import ValidationError

from adapt.artifact.documents import FILE as DOCUMENTS
from adapt.artifact.documents import from_batch, read_some
from adapt.artifact.manifest import read_provenance, section_digest
from adapt.dataset.report import DatasetReport
from adapt.dataset.split import SPLITS
from adapt.dataset.verdicts import DROPPED
from adapt.dataset.verdicts import FILE as VERDICTS
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Document, LedgerRow
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.dataset import DatasetSection

if TYPE_CHECKING:
    import pyarrow as pa

_LEDGER = "ledger.parquet"
_ID = slice(7, 71)
"""Where the id stands in a line of a split: records are written with it as their first field."""
Row = dict[str, Any]
"""A row of verdicts.parquet."""


class Place(NamedTuple):
    """One record. Copies of equal content have equal ids and differ in their places."""

    record: str
    source: str
    locator: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Place":
        """The record of a verdict."""
        return cls(row["record"], row["source"], row["locator"])


@dataclass(frozen=True)
class Outputs:
    """Folders of a built data set."""

    name: str
    corpus: Path
    dataset: Path
    resolved: Path
    """The resolved file, which may be newer than the data set."""

    def require(self) -> "Outputs":
        """Itself, when it is built. Raises InputError when it is not."""
        for path in (self.corpus / "report.json", self.dataset / VERDICTS):
            if not path.is_file():
                raise InputError(f"{self.name} has no data set yet: {path} is missing", hint=f"adapt build {self.name} --to dataset")
        return self

    @cached_property
    def verdicts(self) -> "pa.Table":
        """One row for every record made."""
        import pyarrow.parquet as pq

        return pq.read_table(self.dataset / VERDICTS)

    @cached_property
    def report(self) -> DatasetReport:
        """report.json of the dataset stage. Raises InputError when another version of the program wrote it."""
        try:
            return DatasetReport.model_validate_json((self.dataset / "report.json").read_bytes())
        except ValidationError:
            hint = f"build it again: adapt build {self.name} --to dataset"
            raise InputError(f"{self.dataset / 'report.json'} was written by another version of adapt", hint=hint) from None

    @cached_property
    def corpus_report(self) -> Mapping[str, Any]:
        """report.json of the corpus stage."""
        value: Mapping[str, Any] = json.loads((self.corpus / "report.json").read_text(encoding="utf-8"))
        return value

    @cached_property
    def spec(self) -> DatasetSpec | None:
        """Settings that the data set was made with; None when the resolved file has others by now."""
        try:
            section = DatasetSection.model_validate(yaml.safe_load(self.resolved.read_text(encoding="utf-8"))["dataset"])
        except (OSError, yaml.YAMLError, ValidationError, KeyError, TypeError):
            return None
        return section.dataset if section_digest(section) == read_provenance(self.dataset).section else None

    def ledger_where(self, chosen: "pa.compute.Expression") -> Iterator[LedgerRow]:
        """Rows of both stages that an expression over the columns of a ledger chooses, the corpus first."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for folder in (self.corpus, self.dataset):
            with pq.ParquetFile(folder / _LEDGER) as file:
                for batch in file.iter_batches():
                    yield from map(LedgerRow.model_validate, pa.Table.from_batches([batch]).filter(chosen).to_pylist())

    def ledger_rules(self) -> list[str]:
        """Every rule that has a row in a ledger."""
        import pyarrow.parquet as pq

        columns = [pq.read_table(folder / _LEDGER, columns=["rule"])["rule"] for folder in (self.corpus, self.dataset)]
        return sorted({rule for column in columns for rule in column.unique().to_pylist()})

    def rows_where(self, column: str, values: Iterable[str]) -> list[Row]:
        """Verdicts whose `column` holds one of `values`, in the order of the file."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(sorted(set(values)), pa.string())
        found: list[Row] = self.verdicts.filter(pc.is_in(self.verdicts[column].cast(pa.string()), wanted)).to_pylist()
        return found

    def winners(self, rows: Iterable[Row]) -> dict[Place, Row]:
        """The verdict of each row's winner, by the row's place; rows whose winner is no record of the data set have none."""
        rows = [row for row in rows if row["winner"]]
        found = self.rows_where("record", (row["winner"] for row in rows))
        places = {Place.of(row): row for row in found}
        kept = {row["record"]: row for row in found if row["outcome"] != DROPPED}
        wanted = {Place.of(row): Place(row["winner"], row["winner_source"], row["winner_locator"]) for row in rows}
        return {place: row for place, winner in wanted.items() if (row := places.get(winner) or kept.get(winner.record))}

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        """Documents by id."""
        wanted = set(ids)
        if not wanted:
            return {}
        return {document.id: document for batch in read_some(self.corpus / DOCUMENTS, wanted) for document in from_batch(batch)}

    def records(self, rows: Iterable[Row]) -> dict[Place, AlpacaRecord]:
        """Records by place, for verdict rows: read from the splits, else made again from their documents. Some may not be found."""
        from adapt.dataset.formatters.document import format_document

        rows = list(rows)
        found = self.kept({row["record"] for row in rows if row["outcome"] != DROPPED})
        dropped = {Place.of(row) for row in rows} - found.keys()
        if dropped and self.spec:
            for document in self.documents(row["document"] for row in rows if Place.of(row) in dropped).values():
                made = (candidate.record for candidate in format_document(document, self.spec).candidates)
                found |= {place: record for record in made if (place := _place(record)) in dropped}
        return found

    def kept(self, ids: Set[str]) -> dict[Place, AlpacaRecord]:
        """Records of the splits with one of `ids`."""
        lines = (line for split in SPLITS if ids for line in self.lines(split) if line[_ID] in ids)
        return {_place(record): record for record in map(AlpacaRecord.model_validate_json, lines)}

    def copies(self, digits: str, parents: Set[str]) -> list[AlpacaRecord]:
        """Changed copies of training records whose id begins with `digits` (of none when it is empty), or that were made of one of `parents`."""
        if not self.report.augmentation:
            return []
        begins = (line for line in self.lines("train") if (digits and line.startswith(digits, _ID.start)) or any(id in line for id in parents))
        records = map(AlpacaRecord.model_validate_json, dict.fromkeys(begins))
        return [record for record in records if is_copy(record) and ((digits and record.id.startswith(digits)) or _parent(record) in parents)]

    def lines(self, split: str) -> Iterator[str]:
        """Lines of a split."""
        with (self.dataset / f"{split}.jsonl").open(encoding="utf-8") as file:
            yield from file


def is_copy(record: AlpacaRecord) -> bool:
    """Whether augmentation made it. Such records have no verdict: rules are asked of what they were made of."""
    return record.origin is not None and record.origin.method != "synthesis"


def _parent(record: AlpacaRecord) -> str:
    return record.origin.parent if record.origin else ""


def _place(record: AlpacaRecord) -> Place:
    return Place(record.id, record.source, record.locator)
