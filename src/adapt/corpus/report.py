"""What the corpus stage did, in counts."""

from collections import Counter

from adapt.corpus.files import Found
from adapt.records import Document, LedgerRow, Shape


class CorpusReport(Shape):
    """Counts for people and for report.json; no times, so that equal builds give equal bytes."""

    files: dict[str, int]
    """Files read, by reader."""
    files_refused: int
    """Links and other names that may not be read."""
    files_unmatched: int
    """Files that no source matched, or whose ending `reader: auto` does not know."""
    documents: dict[str, dict[str, int]]
    """Documents by kind and language."""
    ledger: dict[str, dict[str, int]]
    """Ledger rows by action and rule."""

    def summary(self) -> str:
        """One line that says what became of the files."""
        parts = [f"{sum(self.files.values())} files read"]
        parts += [f"{count} {rule}" for rule, count in self.ledger.get("quarantined", {}).items()]
        if self.files_unmatched:
            parts.append(f"{self.files_unmatched} files that no source matches or whose ending is unknown")
        return ", ".join(parts)


class Tally:
    """Counts as the stage goes."""

    def __init__(self, found: Found) -> None:
        self._files = Counter(file.reader for file in found.files)
        self._refused, self._unmatched = len(found.refused), found.unmatched
        self._documents: Counter[tuple[str, str]] = Counter()
        self._rows: Counter[tuple[str, str]] = Counter()

    def add(self, document: Document) -> None:
        """Count a document."""
        self._documents[document.kind, document.language] += 1

    def counted(self, row: LedgerRow) -> LedgerRow:
        """Count a ledger row, and pass it on."""
        self._rows[row.action, row.rule] += 1
        return row

    def report(self) -> CorpusReport:
        """The counts so far."""
        return CorpusReport(
            files=dict(sorted(self._files.items())),
            files_refused=self._refused,
            files_unmatched=self._unmatched,
            documents=_nested(self._documents),
            ledger=_nested(self._rows),
        )


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counts.items()):
        nested.setdefault(outer, {})[inner] = count
    return nested
