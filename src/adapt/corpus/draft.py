"""What passes between the steps of the corpus stage: drafts of documents, and pieces that cannot become one."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

from adapt.artifact.digest import digest_text
from adapt.records import DocumentKind, LedgerRow
from adapt.text.letters import count_letters

QuarantineRule = Literal[
    "invalid_json", "missing_field", "undecodable", "empty_file", "unreadable", "no_content", "too_large", "unsafe", "personal_data",
    "extra_cells", "missing_cells", "no_header",
    "needs_image", "needs_audio", "needs_video", "needs_file", "needs_tools", "unknown_role", "unknown_history", "unknown_part", "lone_turn",
]  # fmt: skip
"""`extra_cells`, `missing_cells`: a row of a table that its columns do not fit; `no_header`: a table whose first row names no known column;
`too_large`: beyond corpus.limits; `unsafe`: leads out of the corpus; `personal_data`: of a kind whose policy is drop; `needs_...`: what is said
belongs to what is no text; `unknown_...`: turns, or what a question follows on, that are not understood; `lone_turn`: a row is one turn of many."""

Span = tuple[int, int]
"""First character and the one after the last."""


class Edit(NamedTuple):
    """A change that was made to a draft. `reason` holds no text of the draft."""

    rule: str
    reason: str
    score: float | None = None
    field: str | None = None
    """Which text was edited, by its name in `Draft.fields`."""
    spans: tuple[Span, ...] = ()
    """Where the replacements stand in the text as it is after this edit."""
    characters: int = 0
    """Letters and digits that went, less those that came in their place."""


class Rejected(NamedTuple):
    """A file, line or table row that cannot be used. `reason` holds no text of it."""

    locator: str
    rule: QuarantineRule
    reason: str
    characters: int | None = None
    """Its letters and digits; None where it could not be read as text."""

    def row(self, source: str) -> LedgerRow:
        """The ledger row that says so."""
        return LedgerRow(
            record=f"{source}:{self.locator}", source=source, locator=self.locator, action="quarantined", rule=self.rule, reason=self.reason,
            characters=self.characters,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that is still being cleaned; fields as in `records.Document`."""

    source: str
    locator: str
    kind: DocumentKind
    title: str = ""
    text: str = ""
    instruction: str = ""
    input: str = ""
    output: str = ""
    rejected: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    """Role (system, user, assistant or unlearned) and content of each turn."""
    licence: str = ""
    date: str = ""
    group: str = ""
    label: str = ""
    wrapped: bool = False
    """The text may have line breaks at a fixed width, as plain text files do."""
    edits: tuple[Edit, ...] = ()
    unused: int = 0
    """Letters and digits of its record that are no text of the draft: other fields, titles, dates."""

    def fields(self) -> dict[str, str]:
        """Every text that the draft holds, by a name that a reader of the ledger understands."""
        found: dict[str, str] = {}
        if self.title:
            found["title"] = self.title
        if self.text:
            found["text"] = self.text
        if self.instruction:
            found["instruction"] = self.instruction
        if self.input:
            found["input"] = self.input
        if self.output:
            found["output"] = self.output
        if self.rejected:
            found["rejected"] = self.rejected
        for number, (_, content) in enumerate(self.messages, 1):
            found[f"turn {number}"] = content
        return found

    def edited(self, fields: dict[str, str], edits: list[Edit]) -> Self:
        """A copy with the named texts replaced and the edits noted."""
        if not fields and not edits:
            return self
        plain = {name: text for name, text in fields.items() if not name.startswith("turn ")}
        messages = self.messages
        if len(plain) < len(fields):
            messages = tuple((role, fields.get(f"turn {number}", content)) for number, (role, content) in enumerate(self.messages, 1))
        return replace(self, **plain, messages=messages, edits=(*self.edits, *edits))  # type: ignore[arg-type]

    def with_unused(self, unused: int) -> Self:
        """A copy with that count; `dataclasses.replace` takes ten times as long, and most records have one."""
        return type(self)(
            self.source, self.locator, self.kind, self.title, self.text, self.instruction, self.input, self.output, self.rejected,
            self.messages, self.licence, self.date, self.group, self.label, self.wrapped, self.edits, unused,
        )  # fmt: skip

    def letters(self) -> int:
        """Letters and digits of its texts, the title left out: it is a copy of a heading, or stands in a field of its own."""
        return sum(count_letters(text) for name, text in self.fields().items() if name != "title")

    def identity(self) -> str:
        """The id of the document that the draft becomes as it stands: it covers source, locator and content."""
        content = (self.title, self.text, self.instruction, self.input, self.output, self.rejected)
        return digest_text(self.source, self.locator, self.kind, *content, *(part for turn in self.messages for part in turn))
