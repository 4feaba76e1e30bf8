"""Where the letters and digits of the documents went: into records, to rules, or into no record of their own.

A record's own characters are those that no other record of its document has: what is asked and answered in a turn and not the turns before it,
the body of a section and not the heading that asks for it. What no record owns stands in headings, titles, system messages and earlier turns.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from adapt.dataset.formatters.result import Candidate
from adapt.records import AlpacaRecord, Document, LedgerRow, Shape
from adapt.text.letters import count_letters, count_letters_each

GREAT_SHARE = 1 / 3
"""Share of a document's characters from which one rule's part of it is said."""
_LEAST_LETTERS = 300
"""Letters and digits below which a document says little: a page of one sentence is lost as a whole or not at all."""
MOST_EXAMPLES = 5
_SAMPLE = 60


class DocumentLoss(Shape):
    """A document of running text of which one rule took a third or more."""

    source: str
    locator: str
    share: float
    """Of the document's letters and digits."""
    sample: str
    """How the longest part begins that went."""

    @property
    def sentence(self) -> str:
        """For a person to read."""
        place = ", ".join(text for text in (self.source, self.locator) if text)
        return f"{place} ({self.share:.0%}), such as: {self.sample}"


class DocumentLosses(Shape):
    """The documents of running text of which `rule` took a third or more."""

    rule: str
    documents: int
    examples: tuple[DocumentLoss, ...]
    """Those that lost most, at most MOST_EXAMPLES."""

    @property
    def sentence(self) -> str:
        """For a person to read."""
        count = "one document" if self.documents == 1 else f"{self.documents:,} documents"
        return f"{self.rule} took over a third of {count}: {self.examples[0].sentence}"


class Share(NamedTuple):
    """What a rule took of a document, in one record or part."""

    rule: str
    letters: int
    text: str
    """How it begins."""


def count_own(document: Document, record: AlpacaRecord, letters: int) -> int:
    """The characters of a record that no other record of its document, of so many letters and digits, has."""
    if record.origin is not None:
        return 0
    if document.kind == "question":  # its one record has all of its texts but a worse answer
        return letters - count_letters(document.rejected)
    texts = {
        "text": (record.output,),
        "chat": (record.instruction, record.output),
        "preference": (record.instruction, record.output, record.rejected),
    }[document.kind]
    return sum(map(count_letters, texts))


def count_documents(documents: Sequence[Document]) -> list[int]:
    """All characters of each document's texts, the title left out."""
    return count_letters_each(["".join(_texts_of(document)) for document in documents])


def _texts_of(document: Document) -> Iterator[str]:
    yield from (document.text, document.instruction, document.input, document.output, document.rejected)
    for message in document.messages:
        yield message.content


class LossFinder:
    """Finds the documents that lost much; holds no more of them than are shown."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: defaultdict[str, list[DocumentLoss]] = defaultdict(list)

    def add(self, document: Document, letters: int, taken: Iterable[Share]) -> None:
        """Add a document of so many letters and digits with all that rules took of it."""
        if document.kind != "text" or letters < _LEAST_LETTERS:
            return
        by_rule: defaultdict[str, list[Share]] = defaultdict(list)
        for share in taken:
            by_rule[share.rule].append(share)
        for rule, shares in by_rule.items():
            lost = sum(share.letters for share in shares) / letters
            if lost >= GREAT_SHARE:
                sample = " ".join(max(shares, key=lambda share: share.letters).text.split())[:_SAMPLE]
                example = DocumentLoss(source=document.source, locator=document.locator, share=round(min(lost, 1.0), 4), sample=sample)
                self._note(rule, 1, [example])

    def add_all(self, losses: Iterable[DocumentLosses]) -> None:
        """Add what another finder found."""
        for loss in losses:
            self._note(loss.rule, loss.documents, loss.examples)

    def find(self) -> tuple[DocumentLosses, ...]:
        """By rule, the rule first that took most documents."""
        order = sorted(self._counts, key=lambda rule: (-self._counts[rule], rule))
        return tuple(DocumentLosses(rule=rule, documents=self._counts[rule], examples=tuple(self._examples[rule])) for rule in order)

    def _note(self, rule: str, count: int, examples: Iterable[DocumentLoss]) -> None:
        self._counts[rule] += count
        best = sorted([*self._examples[rule], *examples], key=lambda loss: (-loss.share, loss.source, loss.locator))
        self._examples[rule] = best[:MOST_EXAMPLES]


def find_losses(
    documents: Sequence[Document],
    letters: Sequence[int],
    owners: Sequence[int],
    candidates: Sequence[Candidate],
    own: Sequence[int],
    broken: Sequence[str | None],
    parts: Iterable[LedgerRow],
) -> tuple[DocumentLosses, ...]:
    """The documents of a batch of which one rule took a third or more.

    `letters` has the letters and digits of each document; `owners` are places in `documents`; `own` has the own characters
    of each candidate, `broken` the rule that drops it; `parts` are the rows of what never became a candidate.
    """
    taken: defaultdict[str, list[Share]] = defaultdict(list)
    for owner, candidate, count, rule in zip(owners, candidates, own, broken, strict=True):
        if rule:
            taken[documents[owner].id].append(Share(rule, count, candidate.record.output[: 4 * _SAMPLE]))
    for row in parts:
        if row.characters:
            taken[row.record].append(Share(row.rule, row.characters, row.locator))
    finder = LossFinder()
    for document, whole in zip(documents, letters, strict=True):
        if document.id in taken:
            finder.add(document, whole, taken[document.id])
    return finder.find()
