"""What was said before a question, in the forms that data sets have for it.

Pairs of question and answer (LLaMA-Factory), turns with roles, objects of a question and its answer, texts in turn, a transcript; any of these as
text in JSON or in Python's notation, as tables have it. What is none of these is refused: a question must not be learned without what it follows on.
"""

import ast
import json
from typing import Any

from adapt.corpus.draft import Edit
from adapt.corpus.readers.media import is_empty
from adapt.corpus.readers.roles import role_of
from adapt.corpus.readers.texts import as_text, without_surrogates
from adapt.corpus.readers.transcripts import read_marked, read_transcript
from adapt.corpus.readers.turns import BrokenChatError, Roles, Said, Turn, has_parts, read_content, read_turns

_LONGEST_LITERAL = 1 << 20
"""Longest text in Python's notation that is parsed, in characters."""


def read_history(value: Any, roles: Roles | None = None) -> Said:
    """The turns of a history; none of an empty one. Raises BrokenChatError for what is no history, and for turns that cannot be read."""
    value = parsed(value)
    if is_empty(value):
        return Said(())
    if isinstance(value, str):
        turns = read_transcript(value, roles)
        if not turns:
            raise _unknown("is text without speakers that are known")
        return Said(turns)
    value = listed(value)
    if not isinstance(value, list | tuple):
        raise _unknown("is no list")
    items = [parsed(item) if isinstance(item, str) and item.lstrip()[:1] in ("[", "{") else item for item in value]
    if all(isinstance(item, str) for item in items):
        return Said(read_texts(items, roles))
    if all(isinstance(item, dict) for item in items):
        return read_turns(items, roles)
    if all(isinstance(item, list | tuple) and not has_parts(item) for item in items):
        return _of_pairs(items, roles)
    raise _unknown("has items of several kinds")


def parsed(value: Any) -> Any:
    """The list or object that a text holds in JSON or in Python's notation; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        found = without_surrogates(json.loads(value))
    except (ValueError, RecursionError):
        found = _of_literal(value.strip())
    return found if isinstance(found, list | tuple | dict) else value


def _of_literal(text: str) -> Any:
    if len(text) > _LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def listed(value: Any) -> Any:
    """A list of objects in place of an object of lists (`{"role": [...], "content": [...]}`), and of a lone object; anything else as it is."""
    if not isinstance(value, dict):
        return value
    columns = list(value.values())
    if columns and all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return [value]


def read_texts(texts: list[str], roles: Roles | None = None) -> tuple[Turn, ...]:
    """Turns of texts that each begin with their speaker, or that a user and an assistant say in turn. Raises BrokenChatError for an odd number."""
    turns = read_marked(texts, roles)
    if turns is not None:
        return turns
    if len(texts) % 2:
        raise _unknown("is an odd number of texts, and none says who speaks")
    if not all(text.strip() for text in texts):
        raise _unknown("has an empty text")
    return tuple((("user", "assistant")[number % 2], text.strip()) for number, text in enumerate(texts))


def _of_pairs(pairs: list[Any], roles: Roles | None) -> Said:
    if all(len(pair) == 2 and isinstance(pair[0], str) and role_of(pair[0], roles) for pair in pairs) and len(pairs) > 1:
        return read_turns(pairs, roles)
    if not all(len(pair) == 2 for pair in pairs):
        raise _unknown("has items that are no pairs")
    turns: list[Turn] = []
    halves = 0
    for number, (asked, answered) in enumerate(pairs, 1):
        question, answer = (_text(part, f"Pair {number} of the history") for part in (asked, answered))
        if question and answer:
            turns += [("user", question), ("assistant", answer)]
        elif question or answer:
            halves += 1
    reason = (
        f"{halves} {'pair' if halves == 1 else 'pairs'} of the history without a question or an answer {'was' if halves == 1 else 'were'} left out."
    )
    return Said(tuple(turns), (Edit("drop_half_turn", reason, halves),) if halves else ())


def _text(part: Any, place: str) -> str:
    text = read_content(part, place).text
    if not text and not is_empty(part):
        raise _unknown("has pairs of what is no text")
    return as_text(text)


def _unknown(why: str) -> BrokenChatError:
    hint = "write a list of [question, answer], or of turns with role and content"
    return BrokenChatError(f"The history {why}, so what the question follows on is not known; {hint}.", "unknown_history")
