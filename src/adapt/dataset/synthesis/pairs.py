"""Questions and answers out of what a teacher wrote, and what is wrong with them.

Teachers are asked for JSON and often wrap it: in a code fence, in thoughts, in an object, with a comma too many, cut off at the end. All
complete objects are taken wherever they stand; where there is none, lines that begin with `Question:` and `Answer:` are.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from adapt.dataset.synthesis.grounding import share_in, tokens_of
from adapt.dataset.synthesis.talk import mend

_DECODER = json.JSONDecoder(strict=False)
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_QUESTION_KEYS = ("question", "q", "instruction", "prompt", "问题", "问")
_ANSWER_KEYS = ("answer", "a", "output", "response", "答案", "回答", "答")
_LABELLED = re.compile(r"[\s*#>\-\d.)]*+(?:(question|q|问题|问)|answer|a|答案|回答|答)\s*+\d*+[\s*]*+[:：][\s*]*+(.*)", re.IGNORECASE)
_POINTS_AT_PASSAGE = re.compile(
    r"\b(?:the|this) (?:\w+ )?(?:passage(?! of)|excerpt)\b|\b(?:according to|based on) (?:the|this) (?:\w+ )?(?:text|document|article|paragraph)\b|"
    r"\bin (?:the|this) (?:\w+ )?(?:text|paragraph)\b|\b(?:above|given|provided) (?:text|document|article|paragraph)\b|"
    r"(?<!日)(?<!基)本文(?![件书化字明学])|[上此该]文(?![件书化字明学])|这篇?文章?(?![件书化字明学])|(?:^|[在据照从，、])文中|[该本]段|段落|这段(?:话|文字)",
    re.IGNORECASE,
)
_LONGEST_ANSWER = 200_000
_ECHO = 0.9


class Pair(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


class Fault(NamedTuple):
    """Why a pair cannot be used. `reason` holds none of its text."""

    rule: str
    reason: str
    score: float | None = None
    threshold: float | None = None


def read_pairs(answer: str) -> list[Pair]:
    """The pairs in a teacher's answer, in their order; a side that is missing or no text is empty."""
    text = _THOUGHTS.sub("", answer[:_LONGEST_ANSWER])
    found = [pair for value in _values(text) for pair in _pairs(value)]
    return found or _labelled_pairs(text)


def find_fault(pair: Pair, passage: str, min_grounding: float) -> Fault | None:
    """What is wrong with a pair made from a passage; None when it can be used."""
    question, answer = tokens_of(pair.question), tokens_of(pair.answer)
    if not question or not answer:
        return Fault("malformed_pair", "A pair without a question or without an answer.")
    if _POINTS_AT_PASSAGE.search(pair.question):
        return Fault("refers_to_passage", "The question speaks of the passage, which nobody sees who asks it.")
    repeated = share_in(pair.answer, pair.question)
    if repeated >= _ECHO:
        return Fault("too_similar_to_question", "The answer repeats the question.", repeated, _ECHO)
    grounding = share_in(pair.answer, passage)
    if grounding < min_grounding:
        return Fault("ungrounded", "Too little of the answer stands in the passage.", round(grounding, 4), min_grounding)
    return None


def _labelled_pairs(text: str) -> list[Pair]:
    """Pairs written as labelled lines; a line without a label goes on with the text before it."""
    said: list[tuple[bool, list[str]]] = []
    for line in text.split("\n"):
        if label := _LABELLED.fullmatch(line.rstrip("\r")):
            said.append((label[1] is not None, [label[2]]))
        elif said:
            said[-1][1].append(line)
    texts = [(asks, "\n".join(lines).strip()) for asks, lines in said]
    return [Pair(question, answer) for (asks, question), (asks_again, answer) in pairwise(texts) if asks and not asks_again]


def _values(text: str) -> Iterator[Any]:
    """Every complete JSON object of a text that is not inside another one."""
    at = text.find("{")
    while at >= 0:
        try:
            value, at = _DECODER.raw_decode(text, at)
            yield value
        except (ValueError, RecursionError):
            at += 1
        at = text.find("{", at)


def _pairs(value: Any) -> Iterator[Pair]:
    """The pairs in an object: itself, or the members of the lists that it holds."""
    if not isinstance(value, dict):
        return
    named = {str(key).casefold().strip(): content for key, content in value.items()}
    question, answer = (next((named[key] for key in keys if key in named), None) for keys in (_QUESTION_KEYS, _ANSWER_KEYS))
    if question is None and answer is None:
        for content in value.values():
            for entry in content if isinstance(content, list) else [content]:
                yield from _pairs(entry)
        return
    yield Pair(_text(question), _text(answer))


def _text(value: Any) -> str:
    return mend(value).strip() if isinstance(value, str) else str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
