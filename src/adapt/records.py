"""The shapes that rooms exchange as lines of JSON: documents, records and ledger rows."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Language = str
"""ISO 639-1 code, or `und` for a text without letters."""
DocumentKind = Literal["text", "question", "chat", "preference"]


TRAIN, VALIDATION, TEST = "train.jsonl", "validation.jsonl", "test.jsonl"
"""Files of the splits in a data set's folder."""


UNLEARNED = "unlearned"
"""Role of an assistant's turn that the data mark as not to be learned: later turns follow on it, and nothing is learned of it."""


class Shape(BaseModel):
    """Base of the exchanged shapes: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Turn(Shape):
    """One turn of a conversation as it was read."""

    role: Literal["system", "user", "assistant", "unlearned"]
    content: str


class Message(Turn):
    """One turn of a conversation as a model sees it."""

    role: Literal["system", "user", "assistant"]


class Signals(Shape):
    """What was measured of a document's body (its text, its answer, or the answers of its chat). Bounds on them are set in `dataset.quality`,
    where each is described; None where a measure has no meaning, such as a mean word length without spaced words."""

    language_confidence: float = 0.0
    words: float = 0.0
    mean_word_length: float | None = None
    symbols_per_word: float | None = None
    alphabetic_words: float | None = None
    stop_words: int = 0
    bullet_lines: float = 0.0
    ellipsis_lines: float = 0.0
    punctuated_lines: float = 0.0
    short_lines: float = 0.0
    duplicate_lines: float = 0.0
    duplicate_line_characters: float = 0.0
    duplicate_paragraphs: float = 0.0
    top_2gram: float = 0.0
    top_3gram: float = 0.0
    top_4gram: float = 0.0
    duplicate_5gram: float = 0.0
    duplicate_10gram: float = 0.0
    curly_braces: float = 0.0
    placeholders: int = 0
    replacement_characters: float = 0.0


class Document(Shape):
    """A clean piece of raw data: running text, one question with its answer, one conversation, or one preference pair."""

    id: str
    """Hex digest of source, locator and content: the same input gives the same id on every machine."""
    source: str
    """Path of the raw file relative to the corpus folder, with forward slashes; a URL, query or package for other sources."""
    locator: str
    """Place inside the source, such as `line 12`; empty for the whole."""
    kind: DocumentKind
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
    """Question: the answer; preference: the better one, empty where the data call a lone answer bad."""
    rejected: str = ""
    """Preference: the worse answer."""
    messages: tuple[Turn, ...] = ()
    """Chat: its turns in order."""
    licence: str = ""
    """Licence of the content; empty when not known."""
    date: str = ""
    """ISO 8601 date or time of the content; empty when not known."""
    group: str = ""
    """What it belongs to beside its file, such as a case."""
    label: str = ""
    """Its class."""
    signals: Signals = Signals()
    """What was measured of its body."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        full = {
            "text": bool(self.text),
            "question": bool(self.instruction and self.output),
            "chat": bool(self.messages),
            "preference": bool(self.instruction and self.rejected),
        }
        if not full[self.kind]:
            raise ValueError(f"a document of kind {self.kind!r} without its content")
        return self


class Origin(Shape):
    """How a record came to be that stands in no raw file: synthesis or augmentation."""

    method: str
    """`synthesis`, or the method of augmentation."""
    parent: str
    """Id of the document (synthesis) or record (augmentation) that it was made from."""
    start: int | None = None
    """Synthesis: where its passage begins in the document's text, in characters."""
    end: int | None = None
    """Synthesis: where its passage ends."""
    teacher: str = ""
    """Model that made it; empty for rules."""
    prompt: str = ""
    """SHA-256 of the prompt that was sent."""


class AlpacaRecord(Shape):
    """One training example in Alpaca form, with where it came from. In data sets of running text only `output` is filled."""

    id: str
    """Hex digest of everything that is trained on: instruction, input, output, system, history and rejected."""
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
    rejected: str = ""
    """The worse answer, in data sets of preference pairs."""
    licence: str = ""
    label: str = ""
    origin: Origin | None = None
    """How it was made, when a teacher or an augmentation made it."""

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
    """For duplicates: id of the record that was kept instead; for contamination: the evaluation text that was hit."""
    field: str | None = None
    """For edits: the text that was edited, such as `output`."""
    spans: tuple[tuple[int, int], ...] = ()
    """For edits that replace: where the replacements stand in the edited text, in characters; for passages: the runs."""
    characters: int | None = None
    """Letters and digits that went, less those that came in their place; None where that is not known."""
