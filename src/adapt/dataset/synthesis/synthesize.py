"""Running text in, questions and answers out: each document is cut into passages, a teacher writes pairs from each, and what holds becomes records.

A passage from which too few pairs can be used is asked about once more, with what was wrong. Passages go out in rounds of a fixed size, and
what they give comes back in the order of the documents: the answers alone decide the bytes, not when they arrived.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from adapt.artifact.progress import Task
from adapt.dataset.formatters.result import Candidate, make_candidate, place
from adapt.dataset.synthesis.grounding import tokens_of
from adapt.dataset.synthesis.pairs import Fault, Pair, find_fault, read_pairs
from adapt.dataset.synthesis.passages import MIN_WORDS, Passage, Sample, cut_passages
from adapt.dataset.synthesis.prompt import PromptTemplate, complain
from adapt.dataset.synthesis.store import AnswerStore
from adapt.dataset.synthesis.talk import Failure, Messages, digest_messages
from adapt.dataset.synthesis.teacher import Teacher
from adapt.records import Document, LedgerRow, Origin
from adapt.spec.synthesis import Synthesis
from adapt.text.words import count_words

RULES = (
    "short_passage", "not_chosen", "teacher_failed", "unparsable_answer", "malformed_pair", "refers_to_passage", "too_similar_to_question",
    "ungrounded", "repeated_question", "surplus_pair",
)  # fmt: skip
"""Why a passage or a pair gives no record, in the order in which they are looked for."""
_PASSAGES_AT_ONCE = 512
_ATTEMPTS = 2
_UNPARSABLE = Fault("unparsable_answer", "No pair of a question and an answer could be read from what the teacher wrote.")
_PROBLEMS = {
    "unparsable_answer": ("其中没有可读的 JSON 问答对", "no pair could be read from it as JSON"),
    "malformed_pair": ("有的问答对缺少问题或答案", "a pair lacks its question or its answer"),
    "refers_to_passage": ("问题提到了段落本身", "a question mentions the passage"),
    "too_similar_to_question": ("答案只是重复问题", "an answer only repeats its question"),
    "ungrounded": ("答案的内容不在段落中", "an answer says what the passage does not"),
    "repeated_question": ("同一个问题出现了两次", "a question comes twice"),
}


class Synthesised(NamedTuple):
    """What one passage gave: records, and rows for what cannot be used."""

    document: Document
    """Its document, with the passage alone as its text."""
    candidates: list[Candidate]
    dropped: list[LedgerRow]


@dataclass
class _Work:
    """A passage while it is asked about."""

    passage: Passage
    messages: Messages
    made: list[tuple[Pair, Messages]] = field(default_factory=list)
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    """Of the last answer: number of the pair, 0 for the whole, and what is wrong with it."""


def synthesize(
    documents: Iterable[Document], spec: Synthesis, *, template: str | None, teacher: Teacher, cache: Path, seed: int, task: Task
) -> Iterator[Synthesised]:
    """What `teacher` makes of the running text among `documents`, passage by passage in their order; other kinds are passed over.

    `template` is the text of a Jinja prompt, None the built-in one; `cache` the folder that keeps answers; `task` advances by one for each
    answer. With `max_passages` the chosen passages are held in memory, and those that are not chosen come before them. Raises InputError for a
    template that does not render, where the teacher cannot go on, and at the end when it left a prompt without an answer.
    """
    prompt = PromptTemplate(template)
    passages = _choose(documents, spec, seed)
    with AnswerStore(cache) as store:
        while group := list(islice(passages, _PASSAGES_AT_ONCE)):
            works = [_Work(passage, prompt.ask(passage, spec.pairs_per_passage)) for passage, fault in group if fault is None]
            _ask(works, spec, teacher, store, task)
            asked = iter(works)
            for passage, fault in group:
                yield _result(next(asked), teacher) if fault is None else Synthesised(passage.document, [], [_row(passage, 0, fault, "dropped")])
        store.require_answers(teacher)


def _choose(documents: Iterable[Document], spec: Synthesis, seed: int) -> Iterator[tuple[Passage, Fault | None]]:
    """Every passage of the running text, with the reason why it is not asked about."""
    sample = Sample(spec.max_passages, seed) if spec.max_passages else None
    for document in documents:
        for passage in cut_passages(document, spec.passage_words) if document.kind == "text" else ():
            words = count_words(passage.text)
            if words < MIN_WORDS:
                yield passage, Fault("short_passage", f"A passage of fewer than {MIN_WORDS} words.", words, MIN_WORDS)
            elif sample is None:
                yield passage, None
            elif (left := sample.offer(passage)) is not None:
                yield left, Fault("not_chosen", "More passages than dataset.synthesis.max_passages, and chance chose others.")
    for passage in sample or ():
        yield passage, None


def _ask(works: list[_Work], spec: Synthesis, teacher: Teacher, store: AnswerStore, task: Task) -> None:
    """Ask about every passage, and once more about those that gave less than half of the pairs asked for."""
    for attempt in range(1, _ATTEMPTS + 1):
        if not works:
            return
        answers = store.ask(teacher, [work.messages for work in works], attempt, task)
        again = []
        for work, answer in zip(works, answers, strict=True):
            if isinstance(answer, Failure):
                work.faults.append((0, Fault("teacher_failed", answer.reason)))
                continue
            _take(work, read_pairs(answer), spec)
            if 2 * len(work.made) < spec.pairs_per_passage and work.faults and attempt < _ATTEMPTS:
                rule = work.faults[0][1].rule
                work.messages = complain(work.messages, answer, _PROBLEMS[rule], work.passage.document.language)
                again.append(work)
        works = again


def _take(work: _Work, pairs: list[Pair], spec: Synthesis) -> None:
    """Keep the pairs that can be used, up to as many as were asked for, and what is wrong with the others."""
    work.faults = [] if pairs else [(0, _UNPARSABLE)]
    asked = {tuple(tokens_of(pair.question)) for pair, _ in work.made}
    for number, pair in enumerate(pairs, 1):
        fault = find_fault(pair, work.passage.text, spec.min_grounding)
        question = tuple(tokens_of(pair.question))
        if fault is None and question in asked:
            fault = Fault("repeated_question", "The question was asked before, in the same passage.")
        if fault is None and len(work.made) == spec.pairs_per_passage:
            fault = Fault("surplus_pair", "More pairs than were asked for.")
        if fault is not None:
            work.faults.append((number, fault))
        else:
            asked.add(question)
            work.made.append((pair, work.messages))


def _result(work: _Work, teacher: Teacher) -> Synthesised:
    passage = work.passage
    candidates = [_candidate(passage, number, pair, messages, teacher.name) for number, (pair, messages) in enumerate(work.made, 1)]
    return Synthesised(passage.document, candidates, [_row(passage, number, fault, "quarantined") for number, fault in work.faults])


def _candidate(passage: Passage, number: int, pair: Pair, messages: Messages, teacher: str) -> Candidate:
    candidate = make_candidate(passage.document, instruction=pair.question, output=pair.answer, part=f"{passage.part}, pair {number}")
    origin = Origin(
        method="synthesis",
        parent=passage.document.id,
        start=passage.span.start,
        end=passage.span.end,
        teacher=teacher,
        prompt=digest_messages(messages),
    )
    return candidate._replace(record=candidate.record.model_copy(update={"origin": origin}))


def _row(passage: Passage, number: int, fault: Fault, action: Literal["dropped", "quarantined"]) -> LedgerRow:
    return LedgerRow(
        record=passage.document.id,
        source=passage.document.source,
        locator=place(passage.document, f"{passage.part}, pair {number}" if number else passage.part),
        action=action,
        rule=fault.rule,
        reason=fault.reason,
        score=fault.score,
        threshold=fault.threshold,
    )
