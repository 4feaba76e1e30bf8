"""Turns pydantic's errors into the project's: file, field path, what was found, what is allowed, a hint."""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from adapt.errors import Problem
from adapt.spec.patterns import FORMS

DISCRIMINATORS = ("kind", "method", "format")
_SHOWN_CHARACTERS = 80
_EXPECTED = {
    "model_type": "a mapping of fields is expected",
    "model_attributes_type": "a mapping of fields is expected",
    "dict_type": "a mapping is expected",
    "tuple_type": "a list is expected",
    "string_type": "text is expected",
    "int_type": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number is expected",
    "float_parsing": "a number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "finite_number": "a finite number is expected",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must not be empty",
    "too_short": "needs {min_length} entry or more",
}
"""Pydantic's error types that specs meet, in the project's words; others keep pydantic's message."""


class _Complaint(NamedTuple):
    """What is wrong at a place."""

    message: str
    allowed: tuple[str, ...] = ()
    hint: str | None = None


class _Place(NamedTuple):
    path: tuple[str | int, ...]
    kind: Any
    """The type that stands there."""
    parent: Any
    """The type that holds it."""
    inside: bool = False
    """Whether the error lies inside a member of a plain union, which stands for all of them."""


def spec_problems(error: ValidationError, model: type[BaseModel], origin: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """A problem for each of `error`'s errors.

    `origin` maps a file's shown name to what was read from it, most specific file first; a problem is laid at the first
    file in which its path occurs, else at the most specific one.
    """
    problems: dict[Problem, None] = {}
    placed = [(detail, _place(detail["loc"], model)) for detail in error.errors(include_url=False)]
    for detail, place in placed:
        path = place.path
        if detail["type"] == "too_short" and any(len(other.path) > len(path) and other.path[: len(path)] == path for _, other in placed):
            continue  # its entries are wrong, and reported themselves
        if not place.inside and any(other.inside and other.path == path for _, other in placed):
            continue  # said once for all members of the union
        if detail["type"] == "union_tag_invalid":
            path = (*path, _tag_name(detail))
        message, allowed, hint = _complaint(detail, place)
        field = ".".join(map(str, path)) or "(top level)"
        problem = Problem(_file_of(path, origin), message, field=field, found=_found(detail), allowed=allowed, hint=hint)
        problems[problem] = None
    return list(problems)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` most likely meant, or None."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


def _complaint(detail: Any, place: _Place) -> _Complaint:
    error, context, found, kind = detail["type"], detail.get("ctx", {}), detail["input"], place.kind
    if place.inside:
        return _Complaint(f"{_described(kind)} is expected")
    if error == "extra_forbidden":
        return _unknown_field(place)
    if error == "missing":
        return _Complaint("is required")
    if error == "union_tag_not_found":
        return _Complaint(f"{_tag_name(detail)} is required; choose from: {', '.join(_tags(kind))}", tuple(_tags(kind)))
    if error == "union_tag_invalid":
        return _not_a_choice(_tag_name(detail), context["tag"], _tags(kind))
    if error == "value_error":
        return _Complaint(str(context["error"]))
    if _is_plain_union(kind):
        return _Complaint(f"{_shown(found)}: {_described(kind)} is expected")
    if error == "literal_error":
        return _not_a_choice(_entry_name(place.path), found, [str(value) for value in get_args(bare(kind))])
    if error == "string_pattern_mismatch":
        form = FORMS[context["pattern"]]
        return _Complaint(f"{_shown(found)}: {form.expected} is expected", hint=form.hint)
    if error in _EXPECTED:
        return _Complaint(f"{_shown(found)}: {_EXPECTED[error].format(**context)}")
    return _Complaint(f"{_shown(found)}: {detail['msg'][0].lower() + detail['msg'][1:]}")


def _found(detail: Any) -> str | None:
    """What stands there; None where nothing does, or where what is wrong is no single value."""
    if detail["type"] in ("missing", "union_tag_not_found", "value_error"):
        return None
    return _shown(detail["ctx"]["tag"] if detail["type"] == "union_tag_invalid" else detail["input"])


def _tag_name(detail: Any) -> str:
    """The field that tells a union's members apart; a callable discriminator carries its name."""
    return str(detail["ctx"]["discriminator"]).strip("'").removesuffix("()").lstrip("_")


def _entry_name(path: tuple[str | int, ...]) -> str:
    name = next(str(part) for part in reversed(path) if isinstance(part, str))
    return name if isinstance(path[-1], str) else f"entry of {name}"


def _unknown_field(place: _Place) -> _Complaint:
    name = str(place.path[-1])
    known = sorted({field for model in models_in(place.parent) for field in model.model_fields})
    guess = nearest(name, known)
    hint = f"did you mean '{guess}'?" if guess else None
    if place.path in (("server",), ("engine",), ("rollout",), ("trackers",)):
        hint = f"the {name} is one for all adapters; set it in params.yaml"
    return _Complaint(f"unknown field '{name}'; allowed: {', '.join(known)}", tuple(known), hint)


def _not_a_choice(name: str, found: Any, choices: list[str]) -> _Complaint:
    guess = nearest(str(found), choices)
    article = "an" if name[0] in "aeiou" else "a"
    message = f"{_shown(found)} is not {article} {name}; choose from: {', '.join(choices)}"
    return _Complaint(message, tuple(choices), f"did you mean '{guess}'?" if guess else None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _file_of(path: tuple[str | int, ...], origin: Mapping[str, Mapping[str, Any]]) -> str:
    return next((name for name, data in origin.items() if _occurs(path, data)), next(iter(origin)))


def _occurs(path: tuple[str | int, ...], data: Any) -> bool:
    for part in path:
        in_mapping = isinstance(data, Mapping) and part in data
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_mapping and not in_list:
            return False
        data = data[part]
    return True


def _place(loc: tuple[str | int, ...], model: type[BaseModel]) -> _Place:
    """Where the user wrote it. Pydantic adds a part for the member of a union that it tried: a discriminated union's tag, a plain union's type."""
    path: list[str | int] = []
    kind: Any = model
    parent: Any = None
    for part in loc:
        if len(members(kind)) > 1:
            if _is_plain_union(kind):
                inside = part is not loc[-1] and any(_is_model(member) for member in members(kind))
                return _Place(tuple(path), kind, parent, inside)
            kind = next((member for member in members(kind) if str(part) in _tags(member)), kind)
            continue
        path.append(part)
        kind, parent = _step(kind, part), kind
    return _Place(tuple(path), kind, parent)


def _step(kind: Any, part: str | int) -> Any:
    """The type one part further down from `kind`."""
    for member in members(kind):
        if _is_model(member) and part in member.model_fields:
            field = member.model_fields[part]
            return Annotated[field.annotation, field]
        if get_origin(member) is dict:
            return get_args(member)[1]
        if get_origin(member) in (tuple, list):
            return get_args(member)[0]
    return None


def bare(kind: Any) -> Any:
    """A type without its annotations."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def members(kind: Any) -> list[Any]:
    """The alternatives of a union, null left out and unions within it opened; of anything else, itself."""
    kind = bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return [member for inner in get_args(kind) if inner is not types.NoneType for member in members(inner)]
    return [kind]


def _is_plain_union(kind: Any) -> bool:
    found = members(kind)
    return len(found) > 1 and not all(_is_model(member) for member in found)


def models_in(kind: Any) -> list[type[BaseModel]]:
    """The models among a type's alternatives."""
    return [member for member in members(kind) if _is_model(member)]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tags(kind: Any) -> list[str]:
    """The tags by which a discriminated union's models are chosen, in their declared order."""
    fields = [model.model_fields[name] for model in models_in(kind) for name in DISCRIMINATORS if name in model.model_fields]
    return [str(value) for field in fields for value in get_args(field.annotation)]


def _described(kind: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a number"}
    parts = []
    for member in members(kind):
        if get_origin(member) is Literal:
            parts += [repr(value) for value in get_args(member)]
        elif _is_model(member):
            required = [name for name, field in member.model_fields.items() if field.is_required()]
            parts.append(f"a mapping with {' and '.join(required)}")
        else:
            parts.append("a list of text" if get_origin(member) in (tuple, list) else names.get(member, str(member)))
    return " or ".join(parts)
