"""Reads params.yaml and specs/*.yaml, merges them, and validates; every problem of every file is reported at once."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from adapt.errors import SpecError
from adapt.spec.adapter import ADAPTER_NAME, AdapterSpec, Params
from adapt.spec.capability import capability_problems
from adapt.spec.common_train import CommonTrain
from adapt.spec.problems import DISCRIMINATORS, spec_problems
from adapt.spec.yaml import read_yaml

PARAMS = "params.yaml"
BUILT_IN = {"base": {"kind": "bundled"}, "prompt": {"kind": "model"}, "train": {"method": "lora"}, "engine": {"kind": "local"}}
"""The choices in force when neither params.yaml nor the spec makes one."""

M = TypeVar("M", bound=AdapterSpec)


def load_params(root: Path) -> Params:
    """The validated params.yaml of the workspace at `root`."""
    own = read_yaml(root / PARAMS, shown=PARAMS)
    return _validated(Params, merge(BUILT_IN, own), {PARAMS: own})


def load_specs(root: Path, paths: Iterable[Path]) -> dict[str, AdapterSpec]:
    """The specs at `paths` by adapter name, each merged over params.yaml.

    Raises SpecError that holds every problem of params.yaml and of all the specs.
    """
    defaults = read_yaml(root / PARAMS, shown=PARAMS)
    specs: dict[str, AdapterSpec] = {}
    problems: dict[str, None] = {}
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
    belong to another choice. One that names another `method` keeps the fields that all methods share, but for the learning rate.
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
        return default
    if changed == ["method"]:
        return {key: kept for key, kept in default.items() if key in CommonTrain.model_fields and key != "learning_rate"}
    return {}


def _load_spec(root: Path, path: Path, defaults: Mapping[str, Any]) -> AdapterSpec:
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if not re.fullmatch(ADAPTER_NAME, path.stem):
        raise SpecError(
            [f"{shown}: '{path.stem}' cannot be an adapter's name\nhint: use lower-case letters, digits and single hyphens, beginning with a letter"]
        )
    own = read_yaml(path, shown=shown)
    merged = merge(defaults, own)
    if isinstance(exports := merged.get("export"), dict):
        merged["export"] = {name: export for name, export in exports.items() if export is not None}
    spec = _validated(AdapterSpec, merged, {shown: own, PARAMS: defaults})
    if problems := capability_problems(spec, own):
        raise SpecError([f"{shown}: {problem}" for problem in problems])
    return spec


def _validated(model: type[M], data: Mapping[str, Any], origin: Mapping[str, Mapping[str, Any]]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SpecError(spec_problems(error, model, origin)) from None
