"""Brings an adapter into the one form that every engine reads alike: plain LoRA with nothing left to interpret.

Enters: a finished adapter folder, the prepared base. Leaves: a folder with weights, a short sorted adapter_config.json and the template:
one rank for all modules, smaller ones padded with zeros, and the scaling folded into B (alpha = r), so that rsLoRA and patterns of ranks and
alphas, which some engines read and others ignore, are numbers in the weights.

Nothing is dropped: a tensor or a setting that is not understood is an error. Modules and shapes are held against the headers of the base's
files; neither model is loaded, so this takes a second.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.folder import CONFIG, FORMAT, TEMPLATE, TRAINING, WEIGHTS, write_json, write_tensors
from adapt.artifact.manifest import verify
from adapt.errors import InputError
from adapt.spec.methods import METHODS

if TYPE_CHECKING:
    from torch import Tensor

    from adapt.adapter.methods.plain import Factors

_TENSOR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_LAYER = re.compile(r"\.\d+\.")
_FOLDED = frozenset({"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora"})
_CARRIED = frozenset({"base_model_name_or_path", "revision", "fan_in_fan_out"})
_OF_TRAINING = frozenset(
    {"lora_dropout", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "loftq_config", "eva_config", "corda_config",
     "lora_ga_config", "inference_mode", "auto_mapping", "peft_version", "peft_type", "task_type", "runtime_config", "qalora_group_size",
     "ensure_weight_tying", "megatron_core"}
)  # fmt: skip
"""Fields that say how the weights came about, or which modules have them; the weights themselves say so better."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {"bias": (None, "none"), "init_lora_weights": (True, False, "gaussian", "eva", "orthogonal")}
"""Values with which a field changes nothing. A start such as PiSSA's is taken away from the base, which no engine knows."""


@dataclass(frozen=True)
class Canonical:
    """What was written."""

    rank: int
    modules: tuple[str, ...]
    """Adapted modules by their names in the base, sorted."""


class BaseShapes:
    """Shapes of a base's two-dimensional weights by module, from the headers of its files."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        self._shapes: dict[str, tuple[int, ...]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    self._shapes[name] = tuple(file.get_slice(name).get_shape())
        if not self._shapes:
            raise InputError(f"base: {folder} holds no safetensors", hint="`adapt build` prepares the base model first")

    def of(self, module: str) -> tuple[int, ...] | None:
        """Shape of a module's weight (out, in), or None where there is none. Some checkpoints leave out the first part of the names, and some
        with further towers have `language_model.model` for `model.language_model`."""
        names = (module, module.partition(".")[2], module.replace("model.language_model.", "language_model.model.", 1))
        found = (self._shapes.get(f"{name}.weight") for name in names)
        return next((shape for shape in found if shape is not None and len(shape) == 2), None)

    def linear(self) -> Iterator[str]:
        """Names of the weights of layers, as the files have them, without `.weight`."""
        return (
            name[: -len(".weight")] for name, shape in self._shapes.items() if len(shape) == 2 and name.endswith(".weight") and _LAYER.search(name)
        )


def canonicalise(adapter: Path, base: Path, folder: Path) -> Canonical:
    """Write the adapter in folder `adapter` as plain LoRA into `folder`, which exists; `base` is the prepared base's folder.

    Raises InputError when the method cannot become plain LoRA, or when the weights are not those of an adapter on this base.
    """
    from adapt.adapter.methods.plain import plain_tensors

    verify(adapter)
    config, factors = read_factors(adapter, BaseShapes(base))
    rank, tensors = plain_tensors(factors)
    write_tensors(folder / WEIGHTS, tensors)
    write_json(folder / CONFIG, _plain_config(config, rank, _targets(sorted(factors), base)))
    shutil.copyfile(adapter / TEMPLATE, folder / TEMPLATE)
    return Canonical(rank=rank, modules=tuple(sorted(factors)))


def read_factors(adapter: Path, shapes: BaseShapes) -> tuple[dict[str, Any], Factors]:
    """The adapter's config, and A (rank, in) and B (out, rank) of every module with the scaling folded into B, float32.

    Raises InputError as `canonicalise` does.
    """
    from safetensors.torch import load_file

    config = json.loads((adapter / CONFIG).read_bytes())
    _check_method(adapter, config)
    if not (adapter / WEIGHTS).is_file():
        raise InputError(f"{adapter} has no {WEIGHTS}; other files of weights are never read", hint="build the adapter again")
    sides = _sides(load_file(adapter / WEIGHTS))
    factors = {module: _factors(module, pair, config, shapes.of(module)) for module, pair in sorted(sides.items())}
    if not factors:
        raise InputError(f"{adapter / WEIGHTS} holds no tensors, so it is no adapter", hint="build the adapter again")
    return config, factors


def _check_method(adapter: Path, config: Mapping[str, Any]) -> None:
    kind = str(config.get(FORMAT) or config.get("peft_type"))
    training = json.loads((adapter / TRAINING).read_bytes()) if (adapter / TRAINING).is_file() else {}
    method = METHODS.get(training.get("method", ""))
    shown = method.name if method else kind
    if kind == "LORA" and not (unknown := sorted(_not_understood(config))):
        return
    reason = f"its {', '.join(unknown)} changes what it computes" if kind == "LORA" else f"it is stored as {kind}"
    merges = method.mergeable if method else kind not in ("PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING")
    hint = "export it as merged, which vLLM serves as a model of its own" if merges else "it cannot be merged either: talk to it with `adapt chat`"
    raise InputError(f"{adapter.name}: an adapter of method {shown} cannot become plain LoRA: {reason}", hint=hint)


def _not_understood(config: Mapping[str, Any]) -> Iterator[str]:
    known = _FOLDED | _CARRIED | _OF_TRAINING
    for field, value in config.items():
        if field in _NEUTRAL:
            if value not in _NEUTRAL[field]:
                yield f"{field} {value!r}"
        elif field not in known and value not in (None, False, [], {}, ""):
            yield field


def _sides(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    sides: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _TENSOR.fullmatch(name)
        if found is None:
            raise InputError(f"{WEIGHTS} holds {name!r}, which is no part of plain LoRA, and nothing may be dropped", hint="export it as merged")
        sides.setdefault(found["module"], {})[found["side"]] = tensor
    return sides


def _factors(module: str, pair: Mapping[str, Tensor], config: Mapping[str, Any], shape: tuple[int, ...] | None) -> tuple[Tensor, Tensor]:
    """A and B of one module, checked."""
    if set(pair) != {"A", "B"}:
        raise InputError(f"{WEIGHTS}: {module} has lora_{next(iter(pair))} and not its other half", hint="build the adapter again")
    a, b = pair["A"].float(), pair["B"].float()
    if shape is None:
        raise InputError(
            f"{WEIGHTS}: {module} is adapted, and the base has no weight of that name",
            hint="it is an adapter for another base; or it adapts a tied output head, which only a merged export can hold",
        )
    wanted = shape[::-1] if config.get("fan_in_fan_out") else shape
    found = (*b.shape[:1], *a.shape[1:])
    rank = _of_pattern(config.get("rank_pattern"), module, config["r"])
    if found != wanted or a.shape[0] != rank or b.shape[1] != rank:
        sizes = f"A {tuple(a.shape)}, B {tuple(b.shape)}"
        raise InputError(
            f"{WEIGHTS}: {module} has {sizes}, and on this base rank {rank} asks for A {(rank, wanted[1])}, B {(wanted[0], rank)}",
            hint="it is an adapter for another base, or its config was edited: build it again",
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise InputError(f"{WEIGHTS}: {module} holds what is not a number", hint="train again, with a lower learning rate")
    return a, b * (_of_pattern(config.get("alpha_pattern"), module, config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank))


def _of_pattern(pattern: Mapping[str, float] | None, module: str, usual: Any) -> Any:
    from peft.utils.other import get_pattern_key

    found = pattern or {}
    return found.get(get_pattern_key(list(found), module), usual)


def _targets(modules: list[str], base: Path) -> list[str]:
    """The modules as an engine may name them: by their last parts where all of that name are adapted, in full otherwise."""
    adapted = set(modules)
    last = {module.rpartition(".")[2] for module in modules}
    ends = {name for name in BaseShapes(base).linear() if name.rpartition(".")[2] in last}
    whole = len(ends) == len(adapted) and all(_LAYER.search(module) for module in modules)
    return sorted(last) if whole else modules


def _plain_config(config: Mapping[str, Any], rank: int, targets: list[str]) -> dict[str, Any]:
    return {
        **{field: config.get(field) for field in sorted(_CARRIED)},
        "bias": "none",
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
    }
