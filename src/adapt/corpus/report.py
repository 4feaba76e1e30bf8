"""What the corpus stage did, in counts."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from adapt.artifact.losses import MOST_LOSSES, Loss, Losses
from adapt.corpus.pieces import DOCUMENT, NOTE
from adapt.corpus.readers.documents import READ_AS
from adapt.corpus.sources.inputs import Found
from adapt.records import Shape
from adapt.text.letters import count_letters_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

OTHER_FIELDS = "other_fields"
_TEXTS = ("text", "instruction", "input", "output", "rejected")
_CODEC = re.compile(READ_AS + r"([a-z0-9_-]+)")


class SourceCounts(Shape):
    """What one entry of `corpus.sources` gave."""

    inputs: int
    """Files, members, queries ... read."""
    pieces: int
    """Pieces that they held."""
    documents: int
    """Pieces that became documents."""


class Characters(Shape):
    """Letters and digits of what was read: `kept` and all of `removed` together. Rows that could not be read as text are not in it."""

    kept: int
    """In documents, titles left out."""
    removed: dict[str, int]
    """By rule; below zero where more came than went. `other_fields`: fields of records that are no text of a document, such as titles and dates."""
    rows_unread: int
    """Rows that no reader could read as text."""


class CorpusReport(Shape):
    """Counts for people and for report.json; no times, so that equal builds give equal bytes. `pieces` are documents and quarantined ones."""

    files: dict[str, int]
    """Files read, by reader."""
    files_refused: int
    """Links and other names that may not be read."""
    files_unmatched: int
    """Files that no source matched, or whose ending `reader: auto` does not know."""
    pieces: int
    """Drafts, rejected pieces and refused files."""
    documents: dict[str, dict[str, int]]
    """Documents by kind and language."""
    sources: tuple[SourceCounts, ...]
    """In the order of `corpus.sources`."""
    licences: dict[str, int]
    """Documents by licence; empty: not known."""
    encodings: dict[str, int]
    """Files of text that are not UTF-8, by the encoding that they were read as."""
    ledger: dict[str, dict[str, int]]
    """Ledger rows by action and rule."""
    characters: Characters
    losses: tuple[Loss, ...]
    """Sources of which one rule took a quarter or more, largest first; at most `adapt.artifact.losses.MOST_LOSSES`."""
    losses_beyond: int
    """Such losses that are not listed."""

    def summary(self) -> str:
        """One line that says what became of the files."""
        parts = [f"{sum(self.files.values())} files read"]
        parts += [f"{count} as {codec}" for codec, count in self.encodings.items()]
        parts += [f"{count} {rule}" for rule, count in self.ledger.get("quarantined", {}).items()]
        if self.files_unmatched:
            parts.append(f"{self.files_unmatched} files that no source matches or whose ending is unknown")
        return ", ".join(parts)


class Tally:
    """Counts as the stage goes."""

    def __init__(self, found: Found, sources: int) -> None:
        self._found = found
        self._sources = sources
        self._pieces: Counter[int] = Counter()
        self._made: Counter[int] = Counter()
        self._documents: Counter[tuple[Any, ...]] = Counter()
        self._licences: Counter[tuple[Any, ...]] = Counter()
        self._rows: Counter[tuple[Any, ...]] = Counter()
        self._kept = 0
        self._removed: Counter[str] = Counter()
        self._unread = 0
        self._encodings: Counter[str] = Counter()
        self._losses = Losses(whole_from=2)
        self._source = ""
        self._source_rows = 0
        self._source_lost: Counter[str] = Counter()

    def add(self, batch: "pa.RecordBatch", sources: "NDArray[np.int64]") -> None:
        """Count a batch of finished pieces; `sources` are the places of the sources that they are from."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        states = batch.column("state").to_numpy()
        self._pieces.update(dict(enumerate(np.bincount(sources[states != NOTE]).tolist())))
        self._made.update(dict(enumerate(np.bincount(sources[states == DOCUMENT]).tolist())))
        made = batch.filter(pa.array(states == DOCUMENT))
        documents = made.select(["kind", "language", "licence"])
        self._kept += sum(count_letters_of(made.column(name)) for name in _TEXTS)
        self._kept += count_letters_of(made.column("messages").flatten().field("content"))
        self._removed[OTHER_FIELDS] += pc.sum(made.column("unused")).as_py() or 0
        self._documents += _counted(documents, ["kind", "language"])
        self._licences += _counted(documents, ["licence"])
        self._count_losses(batch.filter(pa.array(states != NOTE)))

    def add_ledger(self, rows: "pa.RecordBatch") -> None:
        """Count ledger rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += _counted(rows, ["action", "rule"])
        unread = pc.and_(pc.equal(rows["action"], "quarantined"), pc.is_null(rows["characters"]))
        self._unread += pc.sum(unread).as_py() or 0
        for taken in pa.Table.from_batches([rows.select(["rule", "characters"])]).group_by("rule").aggregate([("characters", "sum")]).to_pylist():
            self._removed[taken["rule"]] += taken["characters_sum"] or 0
        self._encodings += _codecs(rows)

    def _count_losses(self, batch: "pa.RecordBatch") -> None:
        """Count what rules took of each source; the pieces of a source follow each other."""
        import numpy as np
        import pyarrow.compute as pc

        if not len(batch):
            return
        column = batch.column("source").dictionary_encode()
        codes, names = column.indices.to_numpy(), column.dictionary.to_pylist()
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        rows, parts = batch.column("rows"), batch.column("rows").flatten()
        taken = pc.equal(parts.field("action"), "quarantined")
        owners = pc.list_parent_indices(rows).filter(taken).to_numpy()
        rules = parts.field("rule").filter(taken).to_pylist()
        runs = np.searchsorted(starts, owners, side="right") - 1
        lost: dict[int, Counter[str]] = {}
        for run, rule in zip(runs.tolist(), rules, strict=True):
            lost.setdefault(run, Counter())[rule] += 1
        for run, (start, size) in enumerate(zip(starts.tolist(), np.diff(starts, append=len(codes)).tolist(), strict=True)):
            if names[codes[start]] != self._source:
                self._close_source()
                self._source = names[codes[start]]
            self._source_rows += size
            self._source_lost.update(lost.get(run, {}))

    def _close_source(self) -> None:
        if self._source_rows:
            self._losses.add(self._source, self._source_rows, self._source_lost)
        self._source_rows, self._source_lost = 0, Counter()

    def report(self) -> CorpusReport:
        """The counts so far; nothing is added after it."""
        self._close_source()
        losses = self._losses.find()
        inputs = Counter(found.source for found in self._found.inputs)
        return CorpusReport(
            files=dict(sorted(Counter(found.reader for found in self._found.inputs).items())),
            files_refused=len(self._found.refused),
            files_unmatched=self._found.unmatched,
            pieces=sum(self._pieces.values()) + len(self._found.refused),
            documents=_nested(self._documents),
            sources=tuple(
                SourceCounts(inputs=inputs[place], pieces=self._pieces[place], documents=self._made[place]) for place in range(self._sources)
            ),
            licences={licence: count for (licence,), count in sorted(self._licences.items())},
            encodings=dict(sorted(self._encodings.items())),
            ledger=_nested(self._rows),
            characters=Characters(
                kept=self._kept,
                removed={rule: count for rule, count in sorted(self._removed.items()) if count},
                rows_unread=self._unread,
            ),
            losses=losses[:MOST_LOSSES],
            losses_beyond=max(0, len(losses) - MOST_LOSSES),
        )


def _codecs(rows: "pa.RecordBatch") -> Counter[str]:
    """Files by the encoding that rows say they were read as."""
    import pyarrow as pa
    import pyarrow.compute as pc

    told = pc.is_in(rows.column("rule"), value_set=pa.array(["repair_encoding", "decode"]))
    reasons = rows.column("reason").filter(told)
    return Counter(found[1] for reason in reasons.to_pylist() if (found := _CODEC.search(reason)))


def _counted(batch: "pa.RecordBatch", names: list[str]) -> Counter[tuple[Any, ...]]:
    """How often each combination of values occurs."""
    import numpy as np

    columns = [batch.column(name).dictionary_encode() for name in names]
    codes, sizes = np.zeros(len(batch), np.int64), [max(1, len(column.dictionary)) for column in columns]
    for column, size in zip(columns, sizes, strict=True):
        codes = codes * size + column.indices.to_numpy()
    counts = np.bincount(codes)
    found = np.flatnonzero(counts)
    values = [[column.dictionary[at].as_py() for at in part] for column, part in zip(columns, np.unravel_index(found, sizes), strict=True)]
    return Counter(dict(zip(zip(*values, strict=True), counts[found].tolist(), strict=True)))


def _nested(counts: Counter[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counts.items()):
        nested.setdefault(outer, {})[inner] = count
    return nested
