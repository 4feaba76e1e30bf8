"""Conversations: ShareGPT and OpenAI turns, the transcripts of preference sets, and `history` beside a question."""

import re
from typing import Any

from adapt.corpus.readers.texts import as_text

Turn = tuple[str, str]
"""Role (system, user or assistant) and content."""

_ROLES = {
    "system": "system", "developer": "system",
    "human": "user", "user": "user", "prompter": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
}  # fmt: skip
_ROLE_KEYS = ("role", "from", "speaker")
_CONTENT_KEYS = ("content", "value", "text")
_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \t]*")


class BrokenChatError(Exception):
    """The turns are no conversation that can be learned from. Says why, without a word of them."""


def read_turns(turns: list[Any]) -> tuple[Turn, ...]:
    """Turns of a ShareGPT or OpenAI list; an empty system turn is left out. Raises BrokenChatError."""
    read: list[Turn] = []
    for number, turn in enumerate(turns, 1):
        role = _ROLES.get(_first(turn, _ROLE_KEYS).casefold()) if isinstance(turn, dict) else None
        content = _first(turn, _CONTENT_KEYS) if role else ""
        if role is None:
            raise BrokenChatError(f"Turn {number} of the chat is of no known role.")
        if content:
            read.append((role, content))
        elif role != "system":
            raise BrokenChatError(f"Turn {number} of the chat is empty.")
    return tuple(read)


def read_chat(turns: list[Any]) -> tuple[Turn, ...]:
    """The same of a whole conversation, which has a user and an assistant. Raises BrokenChatError."""
    read = read_turns(turns)
    roles = {role for role, _ in read}
    for needed in ("assistant", "user"):
        if needed not in roles:
            raise BrokenChatError(f"The chat has no {needed} turn.")
    return read


def read_history(history: Any, system: str, question: str, answer: str) -> tuple[Turn, ...] | None:
    """The conversation of an Alpaca record with a `history` of (user, assistant) pairs or a system message; None when it has neither."""
    pairs = [pair for pair in history if isinstance(pair, list | tuple) and len(pair) == 2] if isinstance(history, list) else []
    earlier = [(as_text(user), as_text(assistant)) for user, assistant in pairs]
    whole = [pair for pair in earlier if all(pair)]
    if not whole and not system:
        return None
    turns = [turn for user, assistant in whole for turn in (("user", user), ("assistant", assistant))]
    return (*([("system", system)] if system else []), *turns, ("user", question), ("assistant", answer))


def read_pair(prompt: Any, chosen: Any, rejected: Any) -> tuple[tuple[Turn, ...], str, str, str]:
    """Earlier turns, question, better and worse answer of a preference pair.

    The answers are texts, lists of turns, or transcripts with `Human:` and `Assistant:` (Bai et al. 2022); so is the prompt, which may be missing
    where the answers begin with it. Raises BrokenChatError.
    """
    asked = _turns(prompt, "user")
    better, worse = _turns(chosen, "assistant"), _turns(rejected, "assistant")
    for turns, which in ((better, "better"), (worse, "worse")):
        if not turns or turns[-1][0] != "assistant" or not turns[-1][1]:
            raise BrokenChatError(f"There is no {which} answer.")
    before = better[:-1] or asked
    if (worse[:-1] or asked) != before:
        raise BrokenChatError("The two answers do not follow the same conversation.")
    if not before or before[-1][0] != "user" or not before[-1][1]:
        raise BrokenChatError("There is no question before the answers.")
    if better[-1] == worse[-1]:
        raise BrokenChatError("There is no worse answer: both are the same.")
    return before[:-1], before[-1][1], better[-1][1], worse[-1][1]


def _turns(value: Any, role: str) -> tuple[Turn, ...]:
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        return read_turns(value)
    text = as_text(value)
    return _transcript(text) or (((role, text),) if text else ())


def _transcript(text: str) -> tuple[Turn, ...]:
    """Turns of a transcript; none when the text does not begin as one. An assistant who has not spoken yet is left out."""
    if not text.startswith(("Human:", "Assistant:")):
        return ()
    _, *parts = _SPEAKER.split(text)
    turns = [("user" if name == "Human" else "assistant", said.strip()) for name, said in zip(parts[::2], parts[1::2], strict=True)]
    return tuple(turns[:-1] if turns[-1] == ("assistant", "") else turns)


def _first(turn: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((as_text(turn[key]) for key in keys if key in turn), "")
