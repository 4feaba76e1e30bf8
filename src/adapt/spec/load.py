"""Reads params.yaml and specs/*.yaml, merges them, and validates; every problem of every file is reported at once."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from adapt.errors import Problem, SpecError
from adapt.spec.adapter import ADAPTER_NAME, AdapterSpec, Params
from adapt.spec.capability import capability_problems
from adapt.spec.common_train import CommonTrain
from adapt.spec.problems import DISCRIMINATORS, spec_problems
from adapt.spec.serving import NAME_OF_BASE
from adapt.spec.yaml import read_yaml

PARAMS = "params.yaml"
BUILT_IN = {
    "base": {"kind": "bundled"},
    "prompt": {"kind": "model"},
    "train": {"method": "lora", "objective": {"kind": "sft"}},
    "engine": {"kind": "local"},
}
"""The choices in force when neither params.yaml nor the spec makes one."""

M = TypeVar("M", bound=AdapterSpec)


def load_params(root: Path) -> Params:
    """The validated params.yaml of the workspace at `root`."""
    own = read_params(root)
    return _validated(Params, merge(BUILT_IN, own), {PARAMS: own})


def load_specs(root: Path, paths: Iterable[Path]) -> dict[str, AdapterSpec]:
    """The specs at `paths` by adapter name, each merged over params.yaml.

    Raises SpecError that holds every problem of params.yaml and of all the specs.
    """
    return load_over(root, paths, read_params(root))


def read_params(root: Path) -> dict[str, Any]:
    """What params.yaml says, not validated."""
    return _read(root / PARAMS, PARAMS)


def load_over(root: Path, paths: Iterable[Path], defaults: Mapping[str, Any]) -> dict[str, AdapterSpec]:
    """As `load_specs`, with `defaults` in place of what params.yaml says."""
    specs: dict[str, AdapterSpec] = {}
    problems: dict[Problem, None] = {}
    try:
        _validated(Params, merge(BUILT_IN, defaults), {PARAMS: defaults})
    except SpecError as error:
        problems.update(dict.fromkeys(error.problems))
    inherited = {key: value for key, value in merge(BUILT_IN, defaults).items() if key in AdapterSpec.model_fields}
    for path in paths:
        try:
            specs[path.stem] = _load_spec(root, path, inherited)
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SpecError(list(problems))
    return specs


def merge(defaults: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`override` over `defaults`, mapping by mapping; lists and scalars are replaced whole.

    A mapping that names another `kind` or `format` than its default replaces it whole, since the default's other fields
    belong to another choice. One that names another `method` keeps the fields that all methods share, but for the learning rate, which one that
    names another `objective` does not keep either.
    """
    merged = dict(defaults)
    for key, value in override.items():
        default = merged.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            merged[key] = merge(_still_fitting(default, value), value)
        else:
            merged[key] = value
    return merged


def _still_fitting(default: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    changed = [name for name in DISCRIMINATORS if isinstance(value.get(name), str) and value[name] != default.get(name)]
    if not changed:
        same = "objective" not in value or _kind(value) == _kind(default)
        return default if same else {key: kept for key, kept in default.items() if key != "learning_rate"}
    if changed == ["method"]:
        return {key: kept for key, kept in default.items() if key in CommonTrain.model_fields and key != "learning_rate"}
    return {}


def _kind(train: Any) -> Any:
    """The objective's kind in a section `train` that may be anything."""
    objective = train.get("objective") if isinstance(train, Mapping) else None
    return objective.get("kind") if isinstance(objective, Mapping) else objective


def _read(path: Path, shown: str) -> dict[str, Any]:
    """A file's content, objectives that are named by a bare string spelled out, so that they merge as others do."""
    own = read_yaml(path, shown=shown)
    steps = own.get("steps")
    holders = [own, *(steps.values() if isinstance(steps, dict) else ())]
    for holder in holders:
        train = holder.get("train") if isinstance(holder, dict) else None
        if isinstance(train, dict) and isinstance(train.get("objective"), str):
            train["objective"] = {"kind": train["objective"]}
    return own


def _with_inherited(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A spec over params.yaml, with what depends on more than one section: exports that it takes away, what its steps inherit, and gates, which are
    inherited by specs of the same objective alone."""
    merged = merge(defaults, own)
    if isinstance(exports := merged.get("export"), dict):
        merged["export"] = {name: export for name, export in exports.items() if export is not None}
    if isinstance(steps := merged.get("steps"), dict):
        shared = {"train": defaults.get("train"), "lora": merged.get("lora", {})}
        merged["steps"] = {name: merge(shared, step) if isinstance(step, Mapping) else step for name, step in steps.items()}
    train, evaluate, said = merged.get("train"), merged.get("evaluate"), own.get("evaluate")
    if _kind(train) != _kind(defaults.get("train")) and isinstance(evaluate, Mapping) and not (isinstance(said, Mapping) and "gates" in said):
        merged["evaluate"] = {key: value for key, value in evaluate.items() if key != "gates"}
    return merged


def _load_spec(root: Path, path: Path, defaults: Mapping[str, Any]) -> AdapterSpec:
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if not re.fullmatch(ADAPTER_NAME, path.stem):
        hint = "use lower-case letters, digits and single hyphens, beginning with a letter"
        raise SpecError([Problem(shown, f"'{path.stem}' cannot be an adapter's name", hint=hint)])
    if path.stem == NAME_OF_BASE:
        message = f"a server calls the base model '{NAME_OF_BASE}', so no adapter can have that name"
        raise SpecError([Problem(shown, message, hint="rename the file")])
    own = _read(path, shown)
    spec = _validated(AdapterSpec, _with_inherited(own, defaults), {shown: own, PARAMS: defaults})
    if problems := capability_problems(spec, own):
        raise SpecError([Problem.of_text(shown, problem) for problem in problems])
    return spec


def _validated(model: type[M], data: Mapping[str, Any], origin: Mapping[str, Mapping[str, Any]]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SpecError(spec_problems(error, model, origin)) from None
