"""Turns a record into a draft: its fields stand where the spec says, else under their usual names.

Enters: values as JSON has them, or rows of a table. Leaves: drafts, and rejections of records that lack what they need, and a note of what the spec
names and no record had.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers import names
from adapt.corpus.readers.aliases import is_filled, with_differences
from adapt.corpus.readers.asides import Asides, find_asides
from adapt.corpus.readers.chats import find_turns, read_followed, read_pair, read_prompted
from adapt.corpus.readers.dates import iso_date
from adapt.corpus.readers.embedded import as_turns
from adapt.corpus.readers.fields import Getter, NamedField, compiled
from adapt.corpus.readers.paths import Enclosing, Every, Step, outline, walk
from adapt.corpus.readers.recognition import Recognition
from adapt.corpus.readers.roles import folded_roles
from adapt.corpus.readers.texts import as_text
from adapt.corpus.readers.turns import BrokenChatError, Said, has_parts, read_content
from adapt.errors import InputError
from adapt.spec.corpus import Fields
from adapt.spec.problems import nearest
from adapt.text.letters import count_letters, count_letters_in, texts_in

_Form = Literal["chat", "preference", "text", "question"]
_ABOUT = ("licence", "date", "group", "label")
_CONTENT = ("instruction", "input", "output", "rejected", "text", "title", "messages")
_FORMS: dict[str, _Form] = {
    "messages": "chat", "rejected": "preference", "text": "text", "output": "question", "instruction": "question", "input": "question",
}  # fmt: skip
"""The form of a source's records, by the first of these fields that the spec places."""
_FIELDS_OF: dict[_Form, tuple[str, ...]] = {
    "chat": ("system",), "preference": ("instruction", "input", "output", "chosen", "messages", "history", "system"), "text": ("title",),
    "question": ("instruction", "input", "output", "history", "system"),
}  # fmt: skip
"""The fields of each form that are looked for under their usual names."""
_SHAPES = 1024
"""Sets of keys whose usual names are remembered."""


def _nothing(record: Any, enclosing: Enclosing) -> Any:
    return None


_NO_ASIDES = Asides()


@dataclass(slots=True)
class _Shape:
    """Where the fields of records with one set of keys stand."""

    instruction: Getter = _nothing
    input: Getter = _nothing
    output: Getter = _nothing
    chosen: Getter = _nothing
    rejected: Getter = _nothing
    text: Getter = _nothing
    title: Getter = _nothing
    messages: Getter = _nothing
    history: Getter = _nothing
    system: Getter = _nothing
    otherwise: Getter = _nothing
    """Running text, where neither a question nor an answer is filled."""
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Fields with the names of several, of which the first that is filled counts."""
    asides: Asides = _NO_ASIDES


class Lack(NamedTuple):
    """A path of the spec that leads nowhere."""

    written: str
    records: int
    """In how many records it was looked for."""
    outline: str
    """What the first of them has."""


class Unplaced(NamedTuple):
    """What records lack that stand under names which say nothing."""

    what: Literal["question", "answer"]
    there: tuple[str, ...]
    """Names that the first record has."""
    free: str | None
    """The first of them that is not taken for something else."""


class Mapping:
    """How the records of a source become drafts. It counts what it misses in one file: make one for each."""

    def __init__(self, fields: Fields, *, licence: str, place: str, columns: bool = False) -> None:
        """`place` is the source's in the spec, for errors; with `columns`, what the spec writes are names of columns and not paths.

        Raises InputError for a path that cannot be read, and for fields that exclude each other.
        """
        if fields.text is not None and (fields.instruction is not None or fields.output is not None):
            raise InputError(f"{place}.fields: text stands in place of instruction and output", hint="name the text, or a question and its answer")
        self._place, self._licence = place, licence
        self.records = None if fields.records is None or columns else compiled(fields.records, f"{place}.fields.records")
        levels = self.records.steps.count(Every.ITEM) if self.records else 0
        self._named = {
            name: NamedField(source, place=f"{place}.fields.{name}", levels=levels, columns=columns)
            for name in (*_CONTENT, *_ABOUT)
            if (source := getattr(fields, name)) is not None
        }
        self.recognition = Recognition(self._named)
        self.reaches_out = any(named.outermost >= max(levels, 1) for named in self._named.values())
        """Whether a field stands outside the outermost list on the way to the records, so that the whole file is needed."""
        self._form = next((form for field, form in _FORMS.items() if field in self._named), None)
        self._about = tuple(name for name in _ABOUT if name in self._named)
        self._roles = folded_roles(fields.roles or {})
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._records_path = fields.records or ""
        self._records_found = False
        self._records_missed = 0
        self._outline = ""

    def drafts(self, value: Any, source: str, locator: str = "", *, steps: tuple[Step, ...] = ()) -> Iterator[Draft | Rejected]:
        """A draft or a rejection for every record in `value`; `steps` lead to them where the spec does not say."""
        way = steps if self.records is None else self.records.steps
        if not way:
            yield self.draft(value, source, locator)
            return
        found = False
        for record, enclosing, inner in walk(value, way):
            found = True
            yield self.draft(record, source, f"{locator} {inner}".strip(), enclosing)
        if found:
            self._records_found = True
        elif self.records is None:
            yield Rejected(locator, "empty_file", "The list is empty.", 0)
        else:
            yield self.without_records(locator, outline(value))._replace(characters=count_letters_in(value))

    def draft(self, record: Any, source: str, locator: str, enclosing: Enclosing = (), *, letters: int | None = None) -> Draft | Rejected:
        """The draft of one record: preference pair, chat, running text or question, by the fields that it has.

        Letters of the record that are no text of the draft are counted; below zero where it takes more from around the
        record. `letters` says how many there are where the record does not hold all that stands in its place.
        """
        draft = self._draft(record, source, locator, enclosing)
        if isinstance(draft, Rejected):
            return draft._replace(characters=count_letters_in(record) if letters is None else letters)
        unused = _count_unused(record, draft) if letters is None else letters - draft.letters()
        return draft.with_unused(unused) if unused else draft

    def _draft(self, record: Any, source: str, locator: str, enclosing: Enclosing) -> Draft | Rejected:
        if isinstance(record, dict):
            keys = tuple(record)
        elif self._form is not None:
            keys = ()
        else:
            return Rejected(locator, "invalid_json", f"There is a JSON {type(record).__name__}, and an object is expected.")
        shape = self._shapes.get(keys) or self._shape(keys)
        about = self._said_about(record, enclosing) if self._about else {"licence": self._licence}
        try:
            made = self._drafted(shape, record, enclosing, {"source": source, "locator": locator, **about})
        except BrokenChatError as error:
            made = Rejected(locator, error.rule, str(error))
        if shape.aliases:
            made = with_differences(made, record, shape.aliases)
        return shape.asides.judged(made, record) if shape.asides and isinstance(made, Draft) else made

    def require(self, found: Iterable[str], source: str) -> None:
        """Raises InputError when the spec names a column that a table lacks."""
        there = list(found)
        for name, named in self._named.items():
            lacking = next((root for root in named.roots if root not in there), None)
            if lacking is not None:
                guess = nearest(lacking, there)
                hint = f"its columns are {', '.join(there) or 'none'}" + (f"; did you mean '{guess}'?" if guess else "")
                raise InputError(f"{self._place}.fields.{name}: {source} has no column '{lacking}'", hint=hint)

    def unplaced(self) -> Unplaced | None:
        """What no record had a place for; None where some record had all."""
        for shape in self._shapes.values():
            apart = (shape.text, shape.messages, shape.rejected, shape.chosen if shape.output is _nothing else _nothing)
            asked = shape.instruction is not _nothing or shape.input is not _nothing
            if any(getter is not _nothing for getter in apart) or (asked and shape.output is not _nothing):
                return None
        if not self._shapes:
            return None
        first, shape = next(iter(self._shapes.items()))
        used = {root for named in self._named.values() for root in named.roots}
        used |= {found for usual in names.USUAL.values() if (found := names.usual_name(first, usual))}
        free = next((name for name in first if name not in used), None)
        return Unplaced("answer" if shape.output is _nothing else "question", first, free)

    @property
    def idle(self) -> bool:
        """Whether nothing was read by it so far."""
        return not self._shapes and not self._records_missed

    def without_records(self, locator: str, there: str) -> Rejected:
        """The rejection of a value in which the path to the records leads nowhere; `there` is what it has."""
        self._outline = self._outline or there
        self._records_missed += 1
        return Rejected(locator, "missing_field", f"There are no records at '{self._records_path}'.")

    def lacking(self) -> dict[str, Lack]:
        """The fields of the spec that were looked for in what was read so far, and were in no record."""
        lacks = {name: Lack(named.written, named.missed, named.outline) for name, named in self._named.items() if named.missed and not named.found}
        if self._records_missed and not self._records_found:
            lacks["records"] = Lack(self._records_path, self._records_missed, self._outline)
        return lacks

    def _drafted(self, shape: _Shape, record: Any, enclosing: Enclosing, origin: dict[str, str]) -> Draft | Rejected:
        if self._form in (None, "preference"):
            worse = as_turns(shape.rejected(record, enclosing))
            if worse or self._form:
                return self._pair(shape, record, enclosing, worse, origin)
        if self._form in (None, "chat"):
            said = find_turns(as_turns(shape.messages(record, enclosing)), named="messages" in self._named, roles=self._roles)
            if said is not None:
                return _chat(said, as_text(shape.system(record, enclosing)), origin)
            if self._form:
                return self._lacks("list of turns", "messages", origin)
        if shape.text is not _nothing:
            text = as_text(shape.text(record, enclosing))
            if not text:
                return self._lacks("text", "text", origin)
            return Draft(kind="text", title=as_text(shape.title(record, enclosing)), text=text, **origin)  # type: ignore[arg-type]
        return self._question(shape, record, enclosing, origin)

    def _question(self, shape: _Shape, record: Any, enclosing: Enclosing, origin: dict[str, str]) -> Draft | Rejected:
        """A question, or a chat when it is of turns, or turns before it or a system message stand beside it; without an instruction, the material is
        the question."""
        asked, answered = shape.instruction(record, enclosing), shape.output(record, enclosing)
        system = as_text(shape.system(record, enclosing))
        if (said := read_prompted(asked, answered, self._roles)) is not None:
            return _chat(said, system, origin)
        instruction, material = _text(asked), _text(shape.input(record, enclosing))
        output = _text(answered, phrases=True)
        if not instruction:
            instruction, material = material, ""
        if not instruction or not output:
            if not instruction and not output and (text := as_text(shape.otherwise(record, enclosing))):
                return Draft(kind="text", title=as_text(shape.title(record, enclosing)), text=text, **origin)  # type: ignore[arg-type]
            return self._lacks("answer", "output", origin) if instruction else self._lacks("question", "instruction", origin)
        edits: tuple[Edit, ...] = ()
        if shape.history is not _nothing or system:
            whole = f"{instruction}\n\n{material}" if material else instruction
            said = read_followed(shape.history(record, enclosing), system, whole, output, self._roles)
            if said is not None and said.turns:
                return _chat(said, "", origin)
            edits = said.edits if said is not None else ()
        return Draft(kind="question", instruction=instruction, input=material, output=output, edits=edits, **origin)  # type: ignore[arg-type]

    def _pair(self, shape: _Shape, record: Any, enclosing: Enclosing, worse: Any, origin: dict[str, str]) -> Draft:
        asked = shape.instruction(record, enclosing)
        better = as_turns(shape.chosen(record, enclosing))
        pair = read_pair(
            as_turns(asked if asked else shape.messages(record, enclosing)),
            better if is_filled(better) else shape.output(record, enclosing),
            worse,
            history=shape.history(record, enclosing),
            system=as_text(shape.system(record, enclosing)),
            roles=self._roles,
        )
        return Draft(
            kind="preference",
            instruction=pair.question,
            input=_text(shape.input(record, enclosing)),
            output=pair.better,
            rejected=pair.worse,
            messages=pair.before,
            edits=pair.edits,
            **origin,  # type: ignore[arg-type]
        )

    def _lacks(self, what: str, field: str, origin: dict[str, str]) -> Rejected:
        where = f" at '{self._named[field].written}'" if field in self._named else ""
        return Rejected(origin["locator"], "missing_field", f"There is no {what}{where}.")

    def _said_about(self, record: Any, enclosing: Enclosing) -> dict[str, str]:
        said = {name: as_text(self._named[name](record, enclosing)) for name in self._about}
        if "date" in said:
            said["date"] = iso_date(said["date"])
        said["licence"] = said.get("licence") or self._licence
        return said

    def _shape(self, keys: tuple[str, ...]) -> _Shape:
        """What the spec places wins; a form of record that it settles leaves out the usual names of the others."""
        shape = _Shape()
        for field in [name for name in _CONTENT if name in self._named]:
            setattr(shape, field, self._named[field].among(keys))
        for field, usual in names.USUAL.items():
            found = names.usual_names(keys, usual) if field not in self._named else ()
            if found and (self._form is None or field in _FIELDS_OF[self._form]):
                setattr(shape, field, partial(_column, found[0]) if len(found) == 1 else partial(_first_filled, found))
                if len(found) > 1:
                    shape.aliases = (*shape.aliases, (field, found))
        shape.asides = find_asides(keys, {root for named in self._named.values() for root in named.roots})
        if shape.chosen is _nothing or "output" in self._named:
            shape.chosen = shape.output
        if self._form is None and shape.output is not _nothing:
            shape.text, shape.otherwise = _nothing, shape.text
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        self._shapes[keys] = shape
        return shape


def _count_unused(record: Any, draft: Draft) -> int:
    """Letters of a record less those of its draft. Texts that both have are not counted: in most records these are all but a few."""
    texts = [text for name, text in draft.fields().items() if name != "title"]
    unused = 0
    for text in texts_in(record):
        same = text.strip()
        if same in texts:
            texts.remove(same)
        else:
            unused += count_letters(text)
    return unused - sum(map(count_letters, texts))


def _first_filled(found: tuple[str, ...], record: Any, enclosing: Enclosing) -> Any:
    return next((value for name in found if is_filled(value := record.get(name))), None)


def _column(name: str, record: Any, enclosing: Enclosing) -> Any:
    return record.get(name)


def _chat(said: Said, system: str, origin: dict[str, str]) -> Draft:
    """The draft of a conversation, with the system message that stands beside it unless it has one."""
    told = (("system", system),) if system and said.turns[0][0] != "system" else ()
    return Draft(kind="chat", messages=(*told, *said.turns), edits=said.edits, **origin)  # type: ignore[arg-type]


def _text(value: Any, *, phrases: bool = False) -> str:
    return read_content(value, "The record").text if has_parts(value) else as_text(value, phrases=phrases)
