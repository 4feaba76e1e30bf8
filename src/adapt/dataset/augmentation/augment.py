"""Training records in, changed copies of them out, each naming its parent and its method.

Whether a record is copied, and what is changed in it, follows from the seed and the record alone: a record more or less changes no other copy.
A copy keeps source, document, licence and label of its parent, so that it stays on the same side of every split.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

from adapt.artifact.progress import QuietProgress, Task
from adapt.dataset.augmentation.chance import Chance
from adapt.dataset.augmentation.rewriting import Rewriting, can_be_rewritten, digest_of, read_text
from adapt.dataset.augmentation.rules import RULES
from adapt.dataset.formatters.result import record_id
from adapt.dataset.synthesis.store import AnswerStore
from adapt.dataset.synthesis.talk import Failure, Messages
from adapt.dataset.synthesis.teacher import Teacher
from adapt.records import AlpacaRecord, Origin
from adapt.spec.synthesis import Augmentation

_RECORDS_AT_ONCE = 512


@dataclass
class _Copy:
    """A copy in the making."""

    record: AlpacaRecord
    entry: Augmentation
    number: int
    """Which copy of its record by this entry, from 0."""
    key: str
    """Method, and its place among entries of that method."""
    rewritten: dict[str, str] = field(default_factory=dict)
    """What a teacher made of its parts."""
    prompts: list[Messages] = field(default_factory=list)


def augment(
    records: Iterable[AlpacaRecord],
    entries: tuple[Augmentation, ...],
    *,
    teacher: Teacher | None,
    cache: Path | None,
    seed: int,
    task: Task | None = None,
) -> Iterator[AlpacaRecord]:
    """Changed copies of `records`, in their order and in that of the `entries`; about `share` times as many as there are records for each entry.

    Fewer come out where nothing may be changed, where the teacher refuses or changes a number, and where two copies of a record are the same.
    `teacher` and the folder `cache` of its answers are needed by `paraphrase` and `back_translation` only; `task` advances by one for each
    answer. Raises InputError where the teacher cannot go on, and at the end when it left a prompt without an answer.
    """
    waiting = iter(records)
    if not any(entry.taught for entry in entries):
        while group := list(islice(waiting, _RECORDS_AT_ONCE)):
            yield from _finish(_plan(group, entries, seed), seed, "")
        return
    if teacher is None or cache is None:
        raise AssertionError("a spec with such an entry names a teacher, and answers need a folder")
    with AnswerStore(cache) as store, QuietProgress().task("answers") as silent:
        while group := list(islice(waiting, _RECORDS_AT_ONCE)):
            copies = _plan(group, entries, seed)
            _rewrite([copy for copy in copies if copy.entry.taught], teacher, store, task or silent)
            yield from _finish(copies, seed, teacher.name)
        store.require_answers(teacher)


def _plan(records: list[AlpacaRecord], entries: tuple[Augmentation, ...], seed: int) -> list[_Copy]:
    """The copies that are to be made."""
    named = [(f"{entry.method} {sum(other.method == entry.method for other in entries[:place])}", entry) for place, entry in enumerate(entries)]
    return [
        _Copy(record, entry, number, key)
        for record in records
        for key, entry in named
        for number in range(int(entry.share + Chance(str(seed), "copies", key, record.id).share()))
    ]


def _finish(copies: list[_Copy], seed: int, teacher: str) -> Iterator[AlpacaRecord]:
    """The copies that differ from their record and from each other."""
    for _, of_record in groupby(copies, key=lambda copy: copy.record.id):
        seen: set[str] = set()
        for copy in of_record:
            parts = copy.rewritten if copy.entry.taught else _change(copy, seed)
            made = _make(copy, parts, teacher) if parts else None
            if made is not None and made.id not in seen | {copy.record.id}:
                seen.add(made.id)
                yield made


def _change(copy: _Copy, seed: int) -> dict[str, str]:
    """The parts that a rule changes."""
    parts: dict[str, str] = {}
    for part in dict.fromkeys(copy.entry.parts):
        text = getattr(copy.record, part)
        chance = Chance(str(seed), copy.key, str(copy.number), part, copy.record.id)
        changed = RULES[copy.entry.method](text, copy.entry.strength, chance) if text else None
        if changed is not None and changed.strip():
            parts[part] = changed
    return parts


def _rewrite(copies: list[_Copy], teacher: Teacher, store: AnswerStore, task: Task) -> None:
    """Ask the teacher about the parts of all copies, step by step."""
    ways = [(copy, part, _way(copy, part)) for copy in copies for part in dict.fromkeys(copy.entry.parts)]
    going = [(copy, part, way, way.text) for copy, part, way in ways if can_be_rewritten(way.text, way.language)]
    for step in range(2):
        prompts = [way.ask(step, text) for _, _, way, text in going]
        attempts = sorted({copy.number for copy, *_ in going})
        answers: dict[int, str | Failure] = {}
        for number in attempts:
            places = [place for place, (copy, *_) in enumerate(going) if copy.number == number]
            answers |= zip(places, store.ask(teacher, [prompts[place] for place in places], number, task), strict=True)
        further = []
        for place, (copy, part, way, _) in enumerate(going):
            answer = answers[place]
            if isinstance(answer, Failure):
                continue
            copy.prompts.append(prompts[place])
            if step + 1 < way.steps:
                further.append((copy, part, way, read_text(answer)))
            elif (text := way.accept(read_text(answer))) is not None:
                copy.rewritten[part] = text
        going = further


def _way(copy: _Copy, part: str) -> Rewriting:
    pivot = copy.entry.pivot if copy.entry.method == "back_translation" else None
    return Rewriting(getattr(copy.record, part), copy.record.language, pivot)


def _make(copy: _Copy, parts: dict[str, str], teacher: str) -> AlpacaRecord:
    taught = copy.entry.taught
    changed = copy.record.model_copy(
        update={
            **parts,
            "origin": Origin(
                method=copy.entry.method,
                parent=copy.record.id,
                teacher=teacher if taught else "",
                prompt=digest_of(copy.prompts) if taught else "",
            ),
        }
    )
    new = record_id(changed.instruction, changed.input, changed.output, changed.system, changed.history, changed.rejected)
    return changed.model_copy(update={"id": new})
