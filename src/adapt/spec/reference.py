"""docs/spec.md, written from the models: every section, every field, its type, bounds and default."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.docstrings import documented_fields
from adapt.spec.patterns import FORMS
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
    for name, field in documented_fields(Params).items():
        note = " (params.yaml only)" if name not in AdapterSpec.model_fields else ""
        parts.append(f"## `{name}`{note}\n\n{field.description}\n")
        parts.extend(_section(name, field))
    return "\n".join(parts)


def _section(path: str, field: FieldInfo) -> Iterator[str]:
    models = _models_below(Annotated[field.annotation, field])
    if not models:
        yield _table([_Row(path, field)])
    told: dict[type[BaseModel], str] = {}
    for model in models:
        tag = _tag(model)
        if tag:
            yield f"### `{path}` with `{tag[0]}: {tag[1]}`\n\n{' '.join((model.__doc__ or '').split())}\n"
        yield _table(_rows("", documented_fields(model), told))


class _Row(NamedTuple):
    path: str
    field: FieldInfo
    note: str = ""


def _rows(prefix: str, fields: Mapping[str, FieldInfo], told: dict[type[BaseModel], str], note: str = "") -> Iterator[_Row]:
    """Fields, and below each those of the models that it holds; a model that stands in several places is told at the first."""
    for name, field in fields.items():
        path = f"{prefix}{name}"
        models = _models_below(Annotated[field.annotation, field])
        known = next((told[model] for model in models if model in told), None)
        yield _Row(path, field, note if known is None else f"{note}As `{known}`. ")
        if models and known is None:
            told.update(dict.fromkeys(models, path))
            mark = "[]." if get_origin(members(field.annotation)[0]) is tuple else "."
            yield from _rows_of_any(f"{path}{mark}", models, told)


def _rows_of_any(prefix: str, models: list[type[BaseModel]], told: dict[type[BaseModel], str]) -> Iterator[_Row]:
    """What all of a union's members have, then what each has of its own."""
    first, *rest = (documented_fields(model) for model in models)
    common = {name for name in first if all(_same(first[name], fields.get(name)) for fields in rest)}
    yield from _rows(prefix, {name: first[name] for name in first if name in common}, told)
    for model, fields in zip(models, (first, *rest), strict=True):
        tag = _tag(model) if len(models) > 1 else None
        own = {name: field for name, field in fields.items() if name not in common and not (tag and name == tag[0])}
        yield from _rows(prefix, own, told, f"With `{tag[0]}: {tag[1]}`. " if tag else "")


def _same(field: FieldInfo, other: FieldInfo | None) -> bool:
    return other is not None and (field.annotation, field.description) == (other.annotation, other.description)


def _table(rows: Iterable[_Row]) -> str:
    lines = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        meaning = " ".join(f"{row.note}{row.field.description or ''}".split()).replace("|", "\\|")
        lines.append(f"| `{row.path}` | {_type(row.field)} | {_default(row.field)} | {meaning} |")
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
    words = list(dict.fromkeys(word for member in members(field.annotation) for word in _words(member)))
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
        inner = " or ".join(dict.fromkeys(word for member in members(get_args(kind)[0]) for word in _words(member)))
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
        yield FORMS[pattern].expected


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, str):
        return f"`{json.dumps(value, ensure_ascii=False) if not value.strip() else value}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(_item(entry) for entry in value) + "]`"
    return f"`{value if isinstance(value, dict) else _item(value)}`"


def _item(entry: Any) -> str:
    """A value as YAML would write it."""
    if isinstance(entry, BaseModel):
        content = entry.model_dump(mode="json", exclude_defaults=True)
        return "{" + ", ".join(f"{key}: {_item(value)}" for key, value in content.items()) + "}"
    if entry is None or isinstance(entry, bool):
        return {None: "null", True: "true", False: "false"}[entry]
    return str(entry)
