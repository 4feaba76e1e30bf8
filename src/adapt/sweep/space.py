"""What a sweep tries: settings as a person writes them, and the trials that they make.

`lora.r=8,16,32` are choices, `train.learning_rate=log(1e-5, 1e-3)` a range. Choices alone make a grid, every combination once; a range is searched.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any

import yaml

from adapt.errors import InputError

SWEPT = ("lora", "train")
"""Sections whose settings can be swept: another of these needs no other data set."""
_RANGE = re.compile(r"(?P<kind>log|uniform|int)\((?P<low>[^,()]+),(?P<high>[^,()]+)\)")


@dataclass(frozen=True)
class Choices:
    """Values that are tried as they stand."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds: real ones, evenly or evenly in their logarithm, or whole ones."""

    kind: str
    low: float
    high: float


Space = Mapping[str, Choices | Range]
"""By the setting's path, such as `lora.r`."""
Settings = Mapping[str, Any]
"""One trial: a value for each path."""


def parse(assignments: Iterable[str]) -> Space:
    """`path=values` each. Raises InputError that names what cannot be read."""
    space: dict[str, Choices | Range] = {}
    for assignment in assignments:
        path, equals, values = assignment.partition("=")
        path = path.strip()
        if not equals or path.partition(".")[0] not in SWEPT or not path.partition(".")[2]:
            raise InputError(
                f"-S {assignment}: a sweep tries settings of the sections {' and '.join(SWEPT)}, each with its values",
                hint="write for example -S lora.r=8,16,32 or -S 'train.learning_rate=log(1e-5,1e-3)'",
            )
        if path in space:
            raise InputError(f"-S {path} is given twice", hint="put all its values into one")
        space[path] = _values(assignment, values.strip())
    if not space:
        raise InputError("there is nothing to try", hint="name settings and values: -S lora.r=8,16,32")
    return space


def check_end(space: Space, trials: int | None) -> None:
    """Raise InputError for a range without a number of trials, which would have no end."""
    if trials is None and any(isinstance(values, Range) for values in space.values()):
        raise InputError("a range has no end of values, and --trials is not given", hint="say how many to try: --trials 20")


def grid(space: Space) -> list[Settings]:
    """Every combination of choices, the last setting changing first."""
    values = [choices.values for choices in space.values() if isinstance(choices, Choices)]
    return [dict(zip(space, combination, strict=True)) for combination in product(*values)]


def corners(space: Space) -> list[Settings]:
    """Every combination of choices and of the bounds of ranges: what a sweep of `space` can reach at its ends."""
    ends = {path: list(values.values) if isinstance(values, Choices) else _bounds(values) for path, values in space.items()}
    return [dict(zip(space, combination, strict=True)) for combination in product(*ends.values())]


def _bounds(values: Range) -> list[int | float]:
    return [int(bound) if values.kind == "int" else bound for bound in (values.low, values.high)]


def _values(assignment: str, text: str) -> Choices | Range:
    if found := _RANGE.fullmatch(text):
        low, high = (_number(assignment, found[bound]) for bound in ("low", "high"))
        if (
            not low < high
            or not all(map(isfinite, (low, high)))
            or (found["kind"] == "log" and low <= 0)
            or (found["kind"] == "int" and (low % 1 or high % 1))
        ):
            raise InputError(f"-S {assignment}: not a range", hint="give the smaller bound first; log takes positive bounds, int whole ones")
        return Range(found["kind"], low, high)
    try:
        values = tuple(yaml.safe_load(part) if not _is_number(part) else _plain(float(part)) for part in _parts(text))
    except yaml.YAMLError:
        raise InputError(f"-S {assignment}: a value that is no YAML", hint="close brackets and quotes: [q_proj, v_proj]") from None
    if not values or any(value is None and part.strip() not in ("null", "~") for value, part in zip(values, _parts(text), strict=True)):
        raise InputError(f"-S {assignment}: an empty value", hint="separate values by commas: 8,16,32")
    if len(set(map(str, values))) < len(values):
        raise InputError(f"-S {assignment}: a value stands twice", hint="give each value once")
    return Choices(values)


def _parts(text: str) -> Sequence[str]:
    """`text` at its commas, but for those in brackets."""
    return [part.strip() for part in re.split(r",(?![^\[\]{}]*[\]}])", text)]


def _number(assignment: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"-S {assignment}: {text.strip()} is not a number", hint="write for example log(1e-5,1e-3)") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(number: float) -> int | float:
    """YAML reads `1e-4` as a string; a person means a number."""
    return int(number) if number.is_integer() and abs(number) < 1 << 53 else number
