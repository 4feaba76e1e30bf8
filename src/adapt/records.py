"""The shapes that rooms exchange as lines of JSON: documents, records and ledger rows."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Language = Literal["en", "zh"]
"""Languages that rules tell apart; a text is `zh` when Han characters lead in it."""


class Shape(BaseModel):
    """Base of the exchanged shapes: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Shape):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Document(Shape):
    """A clean piece of a raw corpus: running text, one question with its answer, or one conversation."""

    id: str
    """Hex digest of source, locator and content: the same input gives the same id on every machine."""
    source: str
    """Path of the raw file, relative to the corpus folder, with forward slashes."""
    locator: str
    """Place inside the file, such as `line 12`; empty for the whole file."""
    kind: Literal["text", "question", "chat"]
    language: Language
    title: str = ""
    """Text: its title, when it has one."""
    text: str = ""
    """Text: the body as Markdown; headings are `#` lines."""
    instruction: str = ""
    """Question: what is asked."""
    input: str = ""
    """Question: the material that the instruction works on."""
    output: str = ""
    """Question: the answer."""
    messages: tuple[Message, ...] = ()
    """Chat: its turns in order."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        full = {"text": bool(self.text), "question": bool(self.instruction and self.output), "chat": bool(self.messages)}
        if not full[self.kind]:
            raise ValueError(f"a document of kind {self.kind!r} without its content")
        return self


class AlpacaRecord(Shape):
    """One training example in Alpaca form, with where it came from."""

    id: str
    """Hex digest of everything that is trained on: instruction, input, output, system and history."""
    instruction: str
    input: str = ""
    output: str
    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier (user, assistant) turns of the same conversation, oldest first."""
    language: Language
    source: str
    """Path of the raw file, relative to the corpus folder."""
    locator: str
    """Place inside that file, section headings included."""
    document: str
    """Id of the document that it was made from; a split never divides a document."""

    @property
    def question(self) -> str:
        """What the user says in the last turn: the instruction, then the input as a paragraph of its own."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that this record stands for, the trained answer last."""
        turns = [Message(role="system", content=self.system)] if self.system else []
        for user, assistant in self.history:
            turns += [Message(role="user", content=user), Message(role="assistant", content=assistant)]
        return (*turns, Message(role="user", content=self.question), Message(role="assistant", content=self.output))


class LedgerRow(Shape):
    """Why something was dropped, edited or quarantined. Holds no personal data: reasons give kinds and counts."""

    record: str
    """Id of the document or record; for what never became one, its `source:locator`."""
    source: str
    locator: str
    action: Literal["dropped", "edited", "quarantined"]
    rule: str
    """The rule's name, such as `near_duplicate` or `mask_email`."""
    reason: str
    """One sentence for a reader."""
    score: float | None = None
    """What the rule measured."""
    threshold: float | None = None
    """What the measure was held against."""
    winner: str | None = None
    """For duplicates: id of the record that was kept instead."""
