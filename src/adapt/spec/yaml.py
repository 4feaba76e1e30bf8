"""Reads YAML that people write: strict where plain YAML surprises, and every complaint names the line.

Enters: a path. Leaves: plain dicts, lists and scalars. Refused: bytes that are not UTF-8, duplicate keys, anchors and
aliases (a few lines of them can grow to gigabytes, and specs inherit from params.yaml instead), tags, and files over 1 MiB.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from adapt.errors import Problem, SpecError

MAX_BYTES = 1 << 20


class _Loader(yaml.SafeLoader):
    pass


def _compose_node(self: Any, parent: Any, index: Any) -> Any:
    event = self.peek_event()
    anchor = getattr(event, "anchor", None)
    if getattr(event, "tag", None) is not None:
        raise yaml.MarkedYAMLError(problem=f"tags are not allowed (found '{event.tag}')", problem_mark=event.start_mark)
    if anchor is not None:
        raise yaml.MarkedYAMLError(problem=f"anchors and aliases are not allowed (found '{anchor}')", problem_mark=event.start_mark)
    return yaml.SafeLoader.compose_node(self, parent, index)


def _mapping(self: Any, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = self.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(problem=f"key {key!r} is not text; put it in quotes", problem_mark=key_node.start_mark)
        if key in mapping:
            raise yaml.MarkedYAMLError(problem=f"duplicate key '{key}'", problem_mark=key_node.start_mark)
        mapping[key] = self.construct_object(value_node, deep=True)
    return mapping


def _parts(error: yaml.MarkedYAMLError) -> tuple[str | None, str | None]:
    """What was expected, where the problem alone is half a sentence, and the problem."""
    problem = error.problem or "not valid YAML"
    return (error.context if problem.startswith("but ") else None), problem


def _timestamp_as_text(self: Any, node: yaml.ScalarNode) -> str:
    return str(self.construct_scalar(node))


def _whole_number(self: Any, node: yaml.ScalarNode) -> int:
    return int(self.construct_scalar(node))


def _text(self: Any, node: yaml.ScalarNode) -> str:
    text = str(self.construct_scalar(node))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise yaml.MarkedYAMLError(problem="half of a surrogate pair is not text", problem_mark=node.start_mark) from None
    return text


_INT = re.compile(r"[-+]?[0-9]+$")
"""YAML 1.2's whole numbers, as DVC reads params.yaml: 010 is ten, and 1:30 is text."""
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _INT if tag.endswith(":int") else pattern) for tag, pattern in resolvers]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:str", _text)
_Loader.compose_node = _compose_node  # type: ignore[method-assign]
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _timestamp_as_text)


def read_yaml(path: Path, *, shown: str) -> dict[str, Any]:
    """Read a mapping from the YAML file at `path`; `shown` is how errors name the file.

    An empty file is an empty mapping. Raises SpecError for anything that is not one plain mapping.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SpecError([Problem(shown, "no such file")]) from None
    except OSError as error:
        raise SpecError([Problem(shown, f"cannot be read: {error.strerror}")]) from None
    return parse_yaml(raw, shown=shown)


def parse_yaml(raw: bytes, *, shown: str) -> dict[str, Any]:
    """As `read_yaml`, of the bytes of a file."""
    if len(raw) > MAX_BYTES:
        raise SpecError([Problem(shown, f"{len(raw)} bytes; a spec has at most {MAX_BYTES}")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = f"line {line}: byte 0x{raw[error.start]:02x} is not UTF-8"
        raise SpecError([Problem(shown, message, hint="save the file as UTF-8")]) from None
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise SpecError([Problem(shown, where + ", ".join(part for part in _parts(error) if part))]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError([Problem(shown, f"not valid YAML: {str(error).splitlines()[0]}")]) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError([Problem(shown, f"a mapping of sections is expected, found {type(value).__name__}")])
    return value
