"""Paths into values as JSON has them: `a.b`, `a[0]`, `a[*].b` (all of them), `"odd.key"`, `.` (the value itself), and `^.a` (one `[*]` further out).

The shape is that of JSONPath (RFC 9535) without filters, so that a path says only where something stands. A spec's paths are compiled once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any


class Every(Enum):
    """The step `[*]`: every item of a list."""

    ITEM = "[*]"


Step = str | int | Every
_STEP = re.compile(r"""\[(?:(?P<every>\*)|(?P<place>-?\d+))\]|(?:^|\.)(?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<plain>[^.\[\]"\s][^.\[\]"]*))""")


class PathError(ValueError):
    """The text is no path. Says why."""


class Missing(Enum):
    """What a path leads to where there is nothing."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Several(list[Any]):
    """What a path with `[*]` leads to: values that belong side by side, unlike a list that is one value."""


@dataclass(frozen=True)
class Path:
    """A compiled path."""

    text: str
    """As it was written."""
    up: int
    """How many `[*]` of the path to the records it goes out before it begins."""
    steps: tuple[Step, ...]

    def find(self, value: Any) -> Any:
        """What it leads to from `value`: one value, `Several` when the path has `[*]`, MISSING when there is nothing."""
        for place, step in enumerate(self.steps):
            if step is Every.ITEM:
                found = _all(value, self.steps[place:])
                return Several(found) if found else MISSING
            value = _take(value, step)
            if value is MISSING:
                return MISSING
        return value


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Path:
    """The path that `text` writes. Raises PathError."""
    up, rest = 0, text.strip()
    while rest == "^" or rest.startswith(("^.", "^[")):
        up, rest = up + 1, rest[1:].removeprefix(".") or "."
    if rest == ".":
        return Path(text, up, ())
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at) if at or not rest.startswith(".") else None
        if match is None:
            raise PathError(f"at character {len(text.strip()) - len(rest) + at + 1}")
        steps.append(_step(match))
        at = match.end()
    if not steps:
        raise PathError("it is empty")
    return Path(text, up, tuple(steps))


def _step(match: re.Match[str]) -> Step:
    if match["every"]:
        return Every.ITEM
    if match["place"]:
        return int(match["place"])
    return match["plain"].strip() if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])


def _take(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
        return value[step]
    return MISSING


def _all(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    found = [value]
    for step in steps:
        if step is Every.ITEM:
            found = [item for each in found if isinstance(each, list) for item in each]
        else:
            found = [taken for each in found if (taken := _take(each, step)) is not MISSING]
    return found


Enclosing = tuple[Any, ...]
"""What encloses a record, one value for each `[*]` on the way to it, the outermost first."""


def walk(value: Any, steps: tuple[Step, ...], locator: str = "") -> Iterator[tuple[Any, Enclosing, str]]:
    """Every record that `steps` lead to, with what encloses it and its place, such as `[3].questions[0]`, counted from 0."""
    yield from _walk(value, steps, value, (), locator)


def _walk(value: Any, steps: tuple[Step, ...], anchor: Any, enclosing: Enclosing, locator: str) -> Iterator[tuple[Any, Enclosing, str]]:
    for place, step in enumerate(steps):
        if step is Every.ITEM:
            for number, item in enumerate(value if isinstance(value, list) else ()):
                yield from _walk(item, steps[place + 1 :], item, (*enclosing, anchor), f"{locator}[{number}]")
            return
        value = _take(value, step)
        if value is MISSING:
            return
        locator += f"[{step}]" if isinstance(step, int) else f".{step}" if locator else str(step)
    yield value, enclosing, locator


def outline(value: Any) -> str:
    """The paths that there are in a value, for a hint: keys, and those one level below."""
    if isinstance(value, dict):
        shown = [path for key, below in list(value.items())[:20] for path in _below(_quoted(str(key)), below)]
        return ", ".join(shown[:40]) or "an object without keys"
    return f"a list of {len(value)}: {outline(value[0])}" if isinstance(value, list) and value else f"a {type(value).__name__}"


def _below(key: str, value: Any) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        key, value = f"{key}[*]", value[0]
    return [f"{key}.{_quoted(str(name))}" for name in list(value)[:10]] if isinstance(value, dict) and value else [key]


def _quoted(key: str) -> str:
    plain = _STEP.fullmatch(key)
    return key if plain and plain["plain"] == key else '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'
