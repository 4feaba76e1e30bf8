"""The docstrings of fields, for schema and reference.

Pydantic can read them itself (`use_attribute_docstrings`), but does so whenever a module is imported, which every command would pay for.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


def documented_fields(model: "type[BaseModel]") -> "dict[str, FieldInfo]":
    """The fields of a model in their order, each with its docstring as `description`."""
    told = _docstrings(model)
    return {name: _described(field, told.get(name)) for name, field in model.model_fields.items()}


def describe(schema: dict[str, Any], model: "type[BaseModel]") -> None:
    """Put the docstrings of a model's fields into its JSON schema."""
    for name, text in _docstrings(model).items():
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", text)


def _described(field: "FieldInfo", text: str | None) -> "FieldInfo":
    described = copy(field)
    described.description = field.description or text
    return described


def _docstrings(model: "type[BaseModel]") -> dict[str, str]:
    """By name of the field; what a class says goes before what its bases say."""
    told: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
            told |= _of_module(kind.__module__).get(kind.__qualname__, {})
    return told


@cache
def _of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Docstrings of the attributes of every class of a module, by qualified name of the class."""
    path = sys.modules[name].__file__
    assert path is not None
    return {qualified: dict(_of_class(node)) for qualified, node in _classes(ast.parse(Path(path).read_text(encoding="utf-8")).body, "")}


def _classes(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from _classes(node.body, f"{prefix}{node.name}.")


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """An annotated attribute has as docstring the string that stands right behind it."""
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(value))):
                yield name, inspect.cleandoc(value)
