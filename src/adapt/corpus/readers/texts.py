"""Values of records as text: numbers, truth values, dates, lists, and lists of lists as Markdown tables."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapt.corpus.readers.paths import Several

_SENTENCE_END = re.compile(r"[.!?。！？…;；:：][\"'”’）)]*$")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DEPTH = 4
"""Deepest nesting of lists that is text."""


def as_text(value: Any, *, phrases: bool = False, depth: int = 0) -> str:
    """A value as text without blanks around it; empty for null, objects and numbers that are none (NaN, infinity).

    Items of a list stand on lines of their own; with `phrases`, as for answers, items that are no sentences stand side by side with commas. A list
    of lists is a Markdown table, its first row the header. Parts of OpenAI messages (`type: text`) are taken together.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or depth > _DEPTH:
        return ""
    if isinstance(value, list | tuple):
        return _of_list(value, phrases, depth + 1)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _of_number(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _of_bytes(value)
    return str(value) if isinstance(value, UUID) else ""


def without_surrogates(value: Any) -> Any:
    """A JSON value in which halves of surrogate pairs, which are no characters, are U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def _of_number(value: int | float | Decimal) -> str:
    if isinstance(value, int):
        return json.dumps(value) if -(10**300) < value < 10**300 else ""  # longer ones are no numbers that anybody means
    number = float(value)
    if not math.isfinite(number):
        return ""
    return str(value) if isinstance(value, Decimal) else json.dumps(number)


def _of_bytes(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return ""


def _of_list(items: Sequence[Any], phrases: bool, depth: int) -> str:
    if not isinstance(items, Several) and items and all(isinstance(item, list | tuple) for item in items):
        return _table([[as_text(cell, phrases=True, depth=depth) for cell in row] for row in items])
    texts = [text for item in items if (text := as_text(_part(item), phrases=phrases, depth=depth))]
    if phrases and not any("\n" in text or _SENTENCE_END.search(text) for text in texts[:-1]):
        return ", ".join(texts)
    return "\n".join(texts)


def _part(item: Any) -> Any:
    """The text of an OpenAI text part; other objects are none."""
    return item.get("text") if isinstance(item, dict) and item.get("type") == "text" else item


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    width = max(map(len, cells))
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in cells if any(row)]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]]) if lines else ""
