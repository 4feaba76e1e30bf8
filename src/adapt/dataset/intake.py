"""The first pass: documents are formatted, filtered and fingerprinted into a RecordTable, and what falls away into ledger rows."""

from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from adapt.artifact.lines import read_lines
from adapt.artifact.progress import Task
from adapt.dataset.filters import Reason, too_long, too_short
from adapt.dataset.formatters.document import format_document
from adapt.dataset.formatters.result import Candidate
from adapt.dataset.table import RecordTable
from adapt.dataset.tokens import count_tokens
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Document, LedgerRow
from adapt.spec.dataset import DatasetSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_RECORDS_AT_ONCE = 1024
_CHARACTERS_AT_ONCE = 1 << 21


def read_documents(corpus: Path) -> Iterator[Document]:
    """The documents of a corpus folder. Raises InputError for a missing or broken documents.jsonl."""
    path = corpus / "documents.jsonl"
    number = 0
    try:
        for number, document in enumerate(read_lines(path, Document), start=1):  # noqa: B007 (the number is read where reading fails)
            yield document
    except FileNotFoundError:
        raise InputError(f"{corpus} has no documents.jsonl", hint="build the corpus before the dataset") from None
    except ValidationError as error:
        message = f"{path}: line {number + 1} is not a document: {error.errors()[0]['msg']}"
    except UnicodeDecodeError as error:
        message = f"{path}: after line {number}: byte 0x{error.object[error.start]:02x} is not UTF-8"
    else:
        return
    raise InputError(message, hint="build the corpus again")


class Intake:
    """Fills a table, and counts on the way."""

    def __init__(self, spec: DatasetSpec, tokenizer: "Tokenizer", table: RecordTable) -> None:
        self._spec, self._tokenizer, self._table = spec, tokenizer, table
        self.documents = 0
        self.documents_without_record = 0
        self.candidates = 0
        self.dropped: list[LedgerRow] = []

    def take(self, documents: Iterable[Document], task: Task) -> None:
        """Take all documents in."""
        waiting: list[Candidate] = []
        characters = 0
        for document in documents:
            task.advance()
            made = format_document(document, self._spec)
            self.documents += 1
            self.documents_without_record += not made.candidates
            self.candidates += len(made.candidates)
            self.dropped += made.dropped
            for candidate in made.candidates:
                waiting.append(candidate)
                characters += sum(len(message.content) for message in candidate.record.messages)
                if len(waiting) >= _RECORDS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
                    self._keep(waiting)
                    waiting, characters = [], 0
        if waiting:
            self._keep(waiting)

    def _keep(self, candidates: list[Candidate]) -> None:
        """Filter candidates, and put what passes into the table."""
        lengths = self._spec.lengths
        enough = [candidate for candidate in candidates if not self._dropped(candidate.record, too_short(candidate.record, lengths.min_output_words))]
        tokens = count_tokens(self._tokenizer, [candidate.record for candidate in enough])
        reasons = [too_long(count, lengths.max_record_tokens) for count in tokens]
        fits = [not self._dropped(candidate.record, reason) for candidate, reason in zip(enough, reasons, strict=True)]
        if any(fits):
            self._table.append(list(compress(enough, fits)), list(compress(tokens, fits)))

    def _dropped(self, record: AlpacaRecord, reason: Reason | None) -> bool:
        if reason is None:
            return False
        self.dropped.append(
            LedgerRow(
                record=record.id,
                source=record.source,
                locator=record.locator,
                action="dropped",
                rule=reason.rule,
                reason=reason.sentence,
                score=reason.score,
                threshold=reason.threshold,
            )
        )
        return True
