"""Conversations that stand in a record as text: JSON, or Python's notation, as tables hold lists."""

import ast
from typing import Any

from adapt.corpus.readers.parsing import BROKEN, parse_json

_ROLE_KEYS = ("role", "from", "speaker")
_CONTENT_KEYS = ("content", "value", "text")
_NOTATION = 1 << 20
"""Longest text that is read as Python's notation, whose parser is slow and hungry."""


def are_turns(value: Any) -> bool:
    """Whether a value is a list of turns of a conversation."""
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return False
    return all(any(key in turn for key in _ROLE_KEYS) for turn in value) and any(key in value[0] for key in _CONTENT_KEYS)


def as_turns(value: Any) -> Any:
    """The turns that a text holds; any other value as it is."""
    if not isinstance(value, str) or not (text := value.strip()).startswith("[") or not text[1:].lstrip().startswith("{"):
        return value
    found = parse_json(text)
    if found is BROKEN and len(text) <= _NOTATION:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
    return found if are_turns(found) else value
