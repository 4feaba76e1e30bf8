"""What passes between the steps of the corpus stage: drafts of documents, and pieces that cannot become one."""

from dataclasses import dataclass
from typing import Literal, Self

from adapt.artifact.digest import digest_text
from adapt.records import Document, Language, LedgerRow, Message, Shape

QuarantineRule = Literal["invalid_json", "missing_field", "undecodable", "empty_file", "unreadable", "no_content"]


class Edit(Shape):
    """A change that was made to a draft. `reason` holds no text of the draft."""

    rule: str
    reason: str
    score: float | None = None


@dataclass(frozen=True)
class Rejected:
    """A file, line or table row that cannot be used. `reason` holds no text of it."""

    locator: str
    rule: QuarantineRule
    reason: str

    def row(self, source: str) -> LedgerRow:
        """The ledger row that says so."""
        return LedgerRow(
            record=f"{source}:{self.locator}", source=source, locator=self.locator, action="quarantined", rule=self.rule, reason=self.reason
        )


class Draft(Shape):
    """A document that is still being cleaned; fields as in `records.Document`."""

    source: str
    locator: str
    kind: Literal["text", "question", "chat"]
    title: str = ""
    text: str = ""
    instruction: str = ""
    input: str = ""
    output: str = ""
    messages: tuple[Message, ...] = ()
    wrapped: bool = False
    """The text may have line breaks at a fixed width, as plain text files do."""
    edits: tuple[Edit, ...] = ()

    def fields(self) -> dict[str, str]:
        """Every text that the draft holds, by a name that a reader of the ledger understands."""
        named = {name: getattr(self, name) for name in ("title", "text", "instruction", "input", "output")}
        return {name: text for name, text in named.items() if text} | {f"turn {n}": turn.content for n, turn in enumerate(self.messages, 1)}

    def edited(self, fields: dict[str, str], edits: list[Edit]) -> Self:
        """A copy with the named texts replaced and the edits noted."""
        if not fields and not edits:
            return self
        messages = tuple(
            Message(role=turn.role, content=fields[f"turn {n}"]) if f"turn {n}" in fields else turn for n, turn in enumerate(self.messages, 1)
        )
        plain = {name: text for name, text in fields.items() if not name.startswith("turn ")}
        return self.model_copy(update={**plain, "messages": messages, "edits": (*self.edits, *edits)})

    def document(self, language: Language) -> Document:
        """The finished document; its id covers source, locator and content."""
        content = (self.title, self.text, self.instruction, self.input, self.output)
        turns = [part for turn in self.messages for part in (turn.role, turn.content)]
        return Document(
            id=digest_text(self.source, self.locator, self.kind, *content, *turns),
            source=self.source,
            locator=self.locator,
            kind=self.kind,
            language=language,
            title=self.title,
            text=self.text,
            instruction=self.instruction,
            input=self.input,
            output=self.output,
            messages=self.messages,
        )
