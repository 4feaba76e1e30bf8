"""docs/spec.md, written from the models: every section, every field, its type, bounds and default."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.problems import DISCRIMINATORS, bare, members, models_in

_HEAD = """\
# Spec reference

Written by `make generate` from the models in `src/adapt/spec/`; do not edit.

A spec is a file `specs/<name>.yaml`; its name is the adapter's. `params.yaml` has the same sections: what stands there is
the default of every spec, and a spec overrides it field by field. Lists are replaced whole. A section that names another
`kind` or `format` replaces the default's whole section; another `method` keeps the fields that all methods share, but for `learning_rate`.
Unknown fields are refused.
"""


def reference_text() -> str:
    """The reference as Markdown."""
    parts = [_HEAD]
    for name, field in Params.model_fields.items():
        note = " (params.yaml only)" if name not in AdapterSpec.model_fields else ""
        parts.append(f"## `{name}`{note}\n\n{field.description}\n")
        parts.extend(_section(name, field))
    return "\n".join(parts)


def _section(path: str, field: FieldInfo) -> Iterator[str]:
    models = _models_below(Annotated[field.annotation, field])
    if not models:
        yield _table([(path, field)])
    for model in models:
        tag = _tag(model)
        if tag:
            yield f"### `{path}` with `{tag[0]}: {tag[1]}`\n\n{' '.join((model.__doc__ or '').split())}\n"
        yield _table(list(_rows("", model)))


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of `model`, and below each the fields of the models that it holds."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        for inner in _models_below(Annotated[field.annotation, field]):
            mark = "[]." if get_origin(members(field.annotation)[0]) is tuple else "."
            yield from _rows(f"{prefix}{name}{mark}", inner)


def _table(rows: list[tuple[str, FieldInfo]]) -> str:
    lines = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for path, field in rows:
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{path}` | {_type(field)} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _models_below(kind: Any) -> list[type[BaseModel]]:
    """The models that a field holds: itself, in a union, in a list or as a mapping's values."""
    found = models_in(kind)
    for member in members(kind):
        if get_origin(member) in (tuple, list):
            found += _models_below(get_args(member)[0])
        elif get_origin(member) is dict:
            found += _models_below(get_args(member)[1])
    return found


def _tag(model: type[BaseModel]) -> tuple[str, str] | None:
    for name in DISCRIMINATORS:
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            return name, " | ".join(str(value) for value in get_args(field.annotation))
    return None


def _type(field: FieldInfo) -> str:
    words = [word for member in members(field.annotation) for word in _words(member)]
    if type(None) in get_args(bare(field.annotation)):
        words.append("null")
    bounds = [bound for item in field.metadata for bound in _bounds(item)]
    return ", ".join(words + bounds)


def _words(kind: Any) -> list[str]:
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if kind in names:
        return [names[kind]]
    if get_origin(kind) is Literal:
        return [f"`{value}`" for value in get_args(kind)]
    if get_origin(kind) in (tuple, list):
        inner = " or ".join(word for member in members(get_args(kind)[0]) for word in _words(member))
        return [f"list of {inner}"]
    if get_origin(kind) is dict:
        return ["mapping by name"]
    return ["section"]


def _bounds(item: Any) -> Iterator[str]:
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    for name, word in words.items():
        if (value := getattr(item, name, None)) is not None:
            yield f"{word} {value}"
    if pattern := getattr(item, "pattern", None):
        yield f"form `{pattern}`".replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, tuple):
        return "`[" + ", ".join(_item(entry) for entry in value) + "]`"
    return f"`{ {None: 'null', True: 'true', False: 'false'}.get(value, value) if not isinstance(value, (dict, float)) else value }`"


def _item(entry: Any) -> str:
    """A value as YAML would write it."""
    if isinstance(entry, BaseModel):
        content = entry.model_dump(mode="json", exclude_defaults=True)
        return "{" + ", ".join(f"{key}: {_item(value)}" for key, value in content.items()) + "}"
    if entry is None or isinstance(entry, bool):
        return {None: "null", True: "true", False: "false"}[entry]
    return str(entry)
