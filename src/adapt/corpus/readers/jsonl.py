"""Lines of JSON: Alpaca objects, ShareGPT `conversations`, OpenAI `messages`; one line, one draft."""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.rows import MESSAGES, chosen, question, usual_name
from adapt.records import Message
from adapt.spec.corpus import FieldNames

_ROLES = {
    "system": "system",
    "human": "user", "user": "user", "prompter": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
}  # fmt: skip
_ROLE_KEYS = ("role", "from", "speaker")
_CONTENT_KEYS = ("content", "value", "text")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_jsonl(file: TextIO, name: str, fields: FieldNames) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every line that is not blank."""
    count = 0
    for number, line in enumerate(file, 1):
        if line.strip("\ufeff \t\r\n"):
            count += 1
            yield _read_line(line, name, f"line {number}", fields)
    if not count:
        yield Rejected("", "empty_file", "The file has no lines.")


def _read_line(line: str, name: str, locator: str, fields: FieldNames) -> Draft | Rejected:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return Rejected(locator, "invalid_json", "The line is not valid JSON.")
    if not isinstance(value, dict):
        return Rejected(locator, "invalid_json", f"The line holds a JSON {type(value).__name__}, not an object.")
    turns = fields.messages or usual_name(value, MESSAGES)
    if turns is not None and isinstance(value.get(turns), list):
        return _read_chat(value[turns], name, locator)
    if fields.messages is not None:
        return Rejected(locator, "missing_field", "There is no list of turns under the key that the spec names.")
    instruction, material, output = (_text(value.get(key)) if key else "" for key in chosen(fields, value))
    return question(instruction, material, output, name, locator)


def _read_chat(turns: list[Any], name: str, locator: str) -> Draft | Rejected:
    messages: list[Message] = []
    for number, turn in enumerate(turns, 1):
        role = _ROLES.get(_first(turn, _ROLE_KEYS).strip().casefold()) if isinstance(turn, dict) else None
        content = _first(turn, _CONTENT_KEYS) if role else ""
        if role is None:
            return Rejected(locator, "missing_field", f"Turn {number} of the chat is of no known role.")
        if not content and role != "system":
            return Rejected(locator, "missing_field", f"Turn {number} of the chat is empty.")
        if content:
            messages.append(Message.model_validate({"role": role, "content": content}))
    roles = {message.role for message in messages}
    if "assistant" not in roles or "user" not in roles:
        return Rejected(locator, "missing_field", f"The chat has no {'assistant' if 'assistant' not in roles else 'user'} turn.")
    return Draft(source=name, locator=locator, kind="chat", messages=tuple(messages))


def _first(turn: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((_text(turn[key]) for key in keys if key in turn), "")


def _text(value: Any) -> str:
    """A JSON value as text: strings, numbers, and OpenAI's lists of text parts; anything else is no text."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value).strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list) and value and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        return "\n".join(_text(part.get("text")) for part in value).strip()
    return ""
