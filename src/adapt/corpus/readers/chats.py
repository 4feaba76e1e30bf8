"""Conversations: lists of turns, transcripts, prompts with completions, preference pairs, and `history` beside a question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapt.corpus.draft import Edit
from adapt.corpus.readers.history import listed, parsed, read_history, read_texts
from adapt.corpus.readers.roles import ASSISTANT, SYSTEM, USER
from adapt.corpus.readers.texts import as_text
from adapt.corpus.readers.transcripts import read_transcript
from adapt.corpus.readers.turns import BrokenChatError, Roles, Said, Turn, has_turns, read_content, read_turns
from adapt.records import UNLEARNED

_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \t]*")


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference pair."""

    before: tuple[Turn, ...]
    question: str
    better: str
    worse: str
    edits: tuple[Edit, ...]


def find_turns(value: Any, *, named: bool, roles: Roles | None = None) -> Said | None:
    """The conversation that a field for turns holds: a list, the same as text, or a transcript. None where it holds none.

    Texts without roles are turns only where the spec has `named` the field. Raises BrokenChatError for turns that cannot be read.
    """
    value = listed(parsed(value))
    if isinstance(value, list | tuple):
        if named and len(value) > 1 and all(isinstance(item, str) for item in value):
            return _whole(Said(read_texts(list(value), roles)))
        return _whole(read_turns(list(value), roles))
    if not isinstance(value, str) or not value.strip():
        return None
    turns = read_transcript(value, roles)
    if turns:
        return _whole(Said(turns))
    if named:
        hint = "begin turns with User: and Assistant:, say whose names they are in fields: {roles: {NAME: user}}, or place instruction and output"
        raise BrokenChatError(f"The turns are text that does not begin with a speaker who is known; {hint}.", "unknown_role")
    return None


def read_prompted(prompt: Any, completion: Any, roles: Roles | None = None) -> Said | None:
    """The conversation of a prompt and a completion of which one at least is turns; None where both are texts. Of the turns of the prompt nothing is
    learned, as TRL does. Raises BrokenChatError."""
    if not has_turns(prompt) and not has_turns(completion):
        return None
    asked, answered = _turns(prompt, USER, roles), _turns(completion, ASSISTANT, roles)
    turns = (*_as_context(asked.turns), *answered.turns)
    return _whole(Said(turns, (*asked.edits, *answered.edits)))


def read_followed(history: Any, system: str, question: str, answer: str, roles: Roles | None = None) -> Said | None:
    """The conversation of an Alpaca record with a `history` or a system message; None when it has neither. Raises BrokenChatError."""
    before = read_history(history, roles)
    if not before.turns and not system:
        return Said((), before.edits) if before.edits else None
    told = [(SYSTEM, system)] if system else []
    return Said((*told, *before.turns, (USER, question), (ASSISTANT, answer)), before.edits)


def read_pair(prompt: Any, chosen: Any, rejected: Any, *, history: Any = None, system: str = "", roles: Roles | None = None) -> Pair:
    """Earlier turns, question, better and worse answer of a preference pair.

    The answers are texts, lists of turns, or transcripts with `Human:` and `Assistant:` (Bai et al. 2022); so is the prompt, which may be missing
    where the answers begin with it. Raises BrokenChatError.
    """
    asked = _turns(prompt, USER, roles)
    read = (_turns(chosen, ASSISTANT, roles), _turns(rejected, ASSISTANT, roles))
    better, worse = (_as_said(said.turns) for said in read)
    for turns, which in ((better, "better"), (worse, "worse")):
        if not turns or turns[-1][0] != ASSISTANT or not turns[-1][1]:
            raise BrokenChatError(f"There is no {which} answer.")
    before = better[:-1] or _as_said(asked.turns)
    if (worse[:-1] or _as_said(asked.turns)) != before:
        raise BrokenChatError("The two answers do not follow the same conversation.")
    if not before or before[-1][0] != USER or not before[-1][1]:
        raise BrokenChatError("There is no question before the answers.")
    if better[-1] == worse[-1]:
        raise BrokenChatError("There is no worse answer: both are the same.")
    earlier = read_history(history, roles)
    told = ((SYSTEM, system),) if system and before[0] != (SYSTEM, system) else ()
    edits = (*asked.edits, *read[0].edits, *read[1].edits, *earlier.edits)
    return Pair((*told, *earlier.turns, *before[:-1]), before[-1][1], better[-1][1], worse[-1][1], edits)


def _whole(said: Said) -> Said:
    """The same, if it has a user and an assistant. Raises BrokenChatError."""
    roles = {ASSISTANT if role == UNLEARNED else role for role, _ in said.turns}
    for needed in (ASSISTANT, USER):
        if needed not in roles:
            raise BrokenChatError(f"The chat has no {needed} turn.")
    return said


def _as_context(turns: Sequence[Turn]) -> list[Turn]:
    return [(UNLEARNED if role == ASSISTANT else role, text) for role, text in turns]


def _as_said(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Turns whether they are learned or not: of those before a pair nothing is."""
    return tuple((ASSISTANT if role == UNLEARNED else role, text) for role, text in turns)


def _turns(value: Any, role: str, roles: Roles | None) -> Said:
    if has_turns(value):
        return read_turns([value] if isinstance(value, dict) else list(value), roles)
    text = as_text(read_content(value, f"The {'prompt' if role == USER else 'answer'}").text)
    turns = _transcript(text) or (((role, text),) if text else ())
    return Said(turns)


def _transcript(text: str) -> tuple[Turn, ...]:
    """Turns of a transcript; none when the text does not begin as one. An assistant who has not spoken yet is left out."""
    if not text.startswith(("Human:", "Assistant:")):
        return ()
    _, *parts = _SPEAKER.split(text)
    turns = [("user" if name == "Human" else "assistant", said.strip()) for name, said in zip(parts[::2], parts[1::2], strict=True)]
    return tuple(turns[:-1] if turns[-1] == ("assistant", "") else turns)
