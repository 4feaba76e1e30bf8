"""The turns of a conversation, in the forms in which data sets write them.

A turn is an object with a role and its content (OpenAI, ShareGPT, Anthropic, LangChain), an object whose keys are the roles (`{"human": ...,
"assistant": ...}`), or a pair of role and content. Enters: lists of such turns. Leaves: roles and texts, and notes of what was left out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from adapt.corpus.draft import Edit, QuarantineRule
from adapt.corpus.readers.media import KINDS, is_empty, kind_of_key, kind_of_tag, media_columns
from adapt.corpus.readers.roles import ASSISTANT, REASONING, SYSTEM, TOOL, USER, role_of, shown
from adapt.corpus.readers.texts import as_text
from adapt.records import UNLEARNED

Turn = tuple[str, str]
"""Role (system, user, assistant or unlearned) and content."""
Roles = Mapping[str, str]
"""Roles by the spec's own words for them."""
_ROLE_KEYS = ("role", "from", "speaker", "sender", "author", "角色")
_CONTENT_KEYS = ("content", "value", "text", "message", "utterance", "parts", "内容")
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "thoughts", "thought", "chain_of_thought")
_TOOL_KEYS = ("tool_calls", "function_call", "tool_call", "tool_call_id")
_REASONING_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "think"})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_TOOL_PARTS = frozenset({
    "tool_use", "tool_result", "tool_call", "tool_calls", "tool_response", "function_call", "function_call_output", "server_tool_use",
})  # fmt: skip
_LEARNED_KEYS = ("weight", "train", "training", "trainable", "is_trainable", "loss", "loss_mask", "loss_weight", "loss_scale", "learn")
"""A turn for which one of these is 0 or false is not learned: OpenAI and Mistral, Axolotl, ms-swift."""
_MASKED_KEYS = ("masked", "mask", "is_masked", "ignore_loss")
_OFF = frozenset({"false", "0", "0.0", "no", "off"})
_ON = frozenset({"true", "1", "1.0", "yes", "on"})


class BrokenChatError(Exception):
    """The turns are no conversation that can be learned from. Says why, without a word of them, and by which rule they are refused."""

    def __init__(self, reason: str, rule: QuarantineRule = "missing_field") -> None:
        super().__init__(reason)
        self.rule = rule


class Said(NamedTuple):
    """What was read of turns."""

    turns: tuple[Turn, ...]
    edits: tuple[Edit, ...] = ()
    """What was left out of them."""


class Content(NamedTuple):
    """The text of a turn, and whether reasoning stood apart from it."""

    text: str
    reasoned: bool = False


def read_turns(turns: list[Any], roles: Roles | None = None) -> Said:
    """Turns of a list; an empty system turn is left out, and so is reasoning that stands apart from an answer, with a note.

    Raises BrokenChatError for turns of roles that are not known, without content, with images, sounds or files, and for calls of tools.
    """
    read: list[Turn] = []
    reasoned = 0
    for number, written in enumerate(turns, 1):
        turn = written
        if turn.__class__ is dict and len(turn) == 2 and not roles and (plain := _plain(turn)):
            read.append(plain)
            continue
        if isinstance(turn, list | tuple) and len(turn) == 2 and all(isinstance(part, str) for part in turn) and role_of(turn[0], roles):
            turn = {"role": turn[0], "content": turn[1]}
        if not isinstance(turn, dict):
            raise BrokenChatError(f"Turn {number} of the chat is of no known role.")
        for role, content in _of_object(turn, number, roles):
            reasoned += content.reasoned
            if role == REASONING:
                reasoned += 1
            elif content.text:
                read.append((role, content.text))
            elif role != SYSTEM:
                raise BrokenChatError(f"Turn {number} of the chat is empty.")
    return Said(tuple(read), reasoning_left_out(reasoned))


def reasoning_left_out(turns: int) -> tuple[Edit, ...]:
    """The note that the reasoning of some turns was left out; nothing of none."""
    if not turns:
        return ()
    return (Edit("drop_reasoning", f"Reasoning that stands apart from {turns} {'answer' if turns == 1 else 'answers'} was left out.", turns),)


def read_content(value: Any, place: str) -> Content:
    """The text of a turn's content, which may be of parts. `place` is where it stands, for errors. Raises BrokenChatError."""
    if isinstance(value, str):
        if kind := kind_of_tag(value):
            raise needs(kind, place)
        return Content(value.strip())
    if isinstance(value, dict):
        value = value["parts"] if isinstance(value.get("parts"), list) else [value]
    if not isinstance(value, list | tuple) or not any(isinstance(part, dict) for part in value):
        return Content(as_text(value))
    texts: list[str] = []
    reasoned = False
    for part in value:
        text, apart = _of_part(part, place)
        reasoned |= apart
        if text:
            texts.append(text)
    return Content("\n".join(texts), reasoned)


def has_turns(value: Any) -> bool:
    """Whether a value is a turn, or a list of turns, that name their roles."""
    first = value[0] if isinstance(value, list | tuple) and value else value
    return isinstance(first, dict) and any(key in first for key in _ROLE_KEYS[:4])


def has_parts(value: Any) -> bool:
    """Whether a value is a list of parts of content."""
    return isinstance(value, list) and any(isinstance(part, dict) and ("type" in part or KINDS.keys() & part.keys()) for part in value)


def needs(kind: str, place: str) -> BrokenChatError:
    """The error of what cannot be read without an image, a sound, a video or another file."""
    return BrokenChatError(f"{place} has {KINDS[kind]}, which no model here is trained on.", f"needs_{kind}")  # type: ignore[arg-type]


def needs_tools(place: str) -> BrokenChatError:
    """The error of calls of tools."""
    return BrokenChatError(f"{place} calls a tool, is what one gave, or says which there are; tools are not read.", "needs_tools")


def is_off(value: Any) -> bool:
    """Whether a value says no: false, 0, or a word for it."""
    if isinstance(value, str):
        return value.strip().casefold() in _OFF
    return isinstance(value, int | float | Decimal) and value <= 0


def is_on(value: Any) -> bool:
    """Whether a value says yes: true, 1, or a word for it."""
    return value.strip().casefold() in _ON if isinstance(value, str) else isinstance(value, int | float | Decimal) and value == 1


def _plain(turn: dict[str, Any]) -> Turn | None:
    """The usual turn: a role and a text, and nothing else; None for any other."""
    (first, name), (second, text) = turn.items()
    if first not in _ROLE_KEYS or second not in _CONTENT_KEYS or name.__class__ is not str or text.__class__ is not str:
        return None
    role = role_of(name)
    text = text.strip()
    return (role, text) if text and role in (USER, ASSISTANT, SYSTEM) and "</" not in text else None


def _of_object(turn: dict[str, Any], number: int, roles: Roles | None) -> list[tuple[str, Content]]:
    place = f"Turn {number} of the chat"
    if any(turn.get(key) for key in _TOOL_KEYS):
        raise needs_tools(place)
    key = next((key for key in _ROLE_KEYS if key in turn), None)
    if key is None and isinstance(turn.get("type"), str) and role_of(turn["type"], roles):  # LangChain
        key, turn = "type", {**turn, **turn["data"]} if isinstance(turn.get("data"), dict) else turn
    if key is None:
        return _by_roles(turn, number, roles)
    name = as_text(turn[key]["role"] if isinstance(turn[key], dict) and "role" in turn[key] else turn[key])
    role = role_of(name, roles) if name else None
    if role is None:
        said = f": {shown(name)}; say whose it is, as in fields: {{roles: {{NAME: user}}}}" if name else ""
        raise BrokenChatError(f"Turn {number} of the chat is of no known role{said}.", "unknown_role" if name else "missing_field")
    if role == TOOL:
        raise needs_tools(place)
    if role == ASSISTANT and (turn.get("channel") == "analysis"):  # Harmony
        role = REASONING
    if len(turn) > 2:
        for kind, other in media_columns(turn):
            if not is_empty(turn[other]):
                raise needs(kind, place)
    content = read_content(next((turn[key] for key in _CONTENT_KEYS if key in turn), None), place)
    reasoned = content.reasoned or any(as_text(turn.get(key)) for key in REASONING_KEYS)
    return [(UNLEARNED if role == ASSISTANT and not _is_learned(turn) else role, Content(content.text, reasoned))]


def _by_roles(turn: dict[str, Any], number: int, roles: Roles | None) -> list[tuple[str, Content]]:
    """The turns of an object whose keys are roles: what the user says comes before the answer, however they are ordered."""
    found: dict[str, list[Content]] = {}
    for key, value in turn.items():
        role = role_of(key, roles) if isinstance(key, str) else None
        if role == TOOL and value:
            raise needs_tools(f"Turn {number} of the chat")
        if role in (SYSTEM, USER, ASSISTANT, REASONING) and value is not None:
            found.setdefault(role, []).append(read_content(value, f"Turn {number} of the chat"))
    if not found.keys() & {USER, ASSISTANT, SYSTEM}:
        raise BrokenChatError(f"Turn {number} of the chat is of no known role.")
    if ASSISTANT in found and not _is_learned(turn):
        found[UNLEARNED] = found.pop(ASSISTANT)
    return [
        (role, Content("\n\n".join(each.text for each in found[role] if each.text), any(each.reasoned for each in found[role])))
        for role in (SYSTEM, USER, REASONING, ASSISTANT, UNLEARNED)
        if role in found
    ]


def _is_learned(turn: dict[str, Any]) -> bool:
    if any(key in turn and turn[key] is not None and is_off(turn[key]) for key in _LEARNED_KEYS):
        return False
    if any(is_on(turn[key]) for key in _MASKED_KEYS if key in turn):
        return False
    spans = turn.get("train_detail")  # Axolotl: of a turn that is learned in part, the whole is context
    return not (isinstance(spans, list) and any(isinstance(span, dict) and span.get("train") is False for span in spans))


def _of_part(part: Any, place: str) -> tuple[str, bool]:
    """The text of a part, and whether it is reasoning apart from the answer."""
    if not isinstance(part, dict):
        return as_text(part), False
    type = part.get("type")
    if type in _REASONING_PARTS:
        return "", True
    if type in _TOOL_PARTS:
        raise needs_tools(place)
    if type in _TEXT_PARTS or (type is None and as_text(part.get("text"))):
        text = part.get("text")
        return as_text(text.get("value") if isinstance(text, dict) else text), False
    if type == "refusal":
        return as_text(part.get("refusal")), False
    named = (type,) if isinstance(type, str) else tuple(key for key, value in part.items() if value)
    kind = next((kind for name in named if (kind := kind_of_key(name))), None)
    if kind:
        raise needs(kind, place)
    if type is None and not any(part.values()):
        return "", False
    raise BrokenChatError(f"{place} has a part of a type that is not known.", "unknown_part")
