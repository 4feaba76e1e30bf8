"""Settings that make a training fit the memory that is there, and the refusal of one that cannot.

Enters: a training and its forecast. Leaves: the first changes, from the cheapest on, whose forecast fits; or an error that names them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapt.advice.forecast import Training, training
from adapt.advice.memory import GIB
from adapt.advice.together import check_together
from adapt.advice.trained import method_of
from adapt.advice.workload import replanned
from adapt.artifact.digest import digest_folder
from adapt.artifact.manifest import read_manifest, section_digest
from adapt.errors import InputError
from adapt.plan.workspace import Workspace
from adapt.spec.common_train import CommonTrain
from adapt.spec.methods import METHODS, settled_lora
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.train import TrainSection
from adapt.spec.steps import named_steps
from adapt.spec.train import TrainSpec

_FEWEST_TOKENS = 64
_MOST_SHOWN = 3


@dataclass(frozen=True)
class Fix:
    """Settings that fit."""

    settings: Mapping[str, Any]
    """By field path, such as `train.batch_tokens`."""
    peak: float
    """Forecast in bytes."""

    def __str__(self) -> str:
        return f"{' and '.join(f'{name}: {_shown(value)}' for name, value in self.settings.items())} ({self.peak / GIB:.1f} GiB)"


def check_fits(workspace: Workspace, resolved: Mapping[str, ResolvedAdapter], *, at_once: int = 1) -> None:
    """Raise InputError when a training of `resolved` that a build would run does not fit the memory that is there now, or when up to `at_once` of
    them do not that would run together.

    A training whose base is not known yet, or whose device is not there, is left to the stage itself.
    """
    levels: dict[int, dict[str, Training]] = defaultdict(dict)
    for name, adapter in resolved.items():
        to_come = _to_come(workspace, name, adapter)
        for stage, section in to_come.items():
            try:
                found = training(workspace, name, section, list(resolved))
            except InputError:
                continue
            if not found.fits:
                raise refusal(stage, found)
            levels[_level(name, section, to_come)][stage] = found
    for trainings in levels.values() if at_once > 1 else ():
        check_together(trainings, at_once=at_once)


def refusal(stage: str, found: Training) -> InputError:
    """The error for a training that does not fit."""
    where = "memory of the GPU" if found.device.kind == "cuda" else "available memory"
    message = f"{stage} is forecast to need {found.peak / GIB:.1f} GiB, and there are {found.device.memory / GIB:.1f} GiB of {where}"
    fixes = [str(fix) for fix in fixes_for(found)]
    ways = "one of these fits: " + "; ".join(fixes) if fixes else "no change of batch, rank, format or method makes it fit: a smaller base would"
    return InputError(message, hint=f"{ways}; `adapt build --force` builds all the same")


def fixes_for(found: Training) -> list[Fix]:
    """Up to three sets of settings that fit, those that change the result least first."""
    fixes = []
    for settings in _changes(found):
        try:
            changed = with_settings(found, settings)
        except ValidationError:  # settings that this training cannot have
            continue
        if changed.fits:
            fixes.append(Fix(settings, changed.peak))
        if len(fixes) == _MOST_SHOWN:
            break
    return fixes


def with_settings(found: Training, settings: Mapping[str, Any]) -> Training:
    """The same training with other settings of sections `train` and `lora`, by field path. Raises ValidationError for those that it cannot have."""
    section = _section_with(found.section, settings)
    workload = replanned(found.workload, section.train, device=found.device.kind, seed=section.seed)
    return replace(found, section=section, workload=workload)


def _section_with(section: TrainSection, settings: Mapping[str, Any]) -> TrainSection:
    train: dict[str, Any] = section.train.model_dump()
    lora: dict[str, Any] = section.lora.model_dump()
    for path, value in settings.items():
        group, _, name = path.partition(".")
        (train if group == "train" else lora)[name] = value
    method = train["method"]
    if method != method_of(section.train):
        train = {name: value for name, value in train.items() if name in CommonTrain.model_fields or name == "method"} | {"learning_rate": None}
    changed: CommonTrain = TypeAdapter[CommonTrain](TrainSpec).validate_python(train)
    return section.model_copy(update={"train": changed, "lora": type(section.lora)(**settled_lora(method, lora))})


def _changes(found: Training) -> Iterator[dict[str, Any]]:
    """Changes to try, the gentlest first: the same step in smaller passes, recomputation, fewer bits, a smaller adapter, another method."""
    train, longest = found.section.train, found.workload.longest
    smaller = [dict(passes) for passes in _smaller_passes(train, longest)]
    yield from smaller
    recomputed = {} if train.gradient_checkpointing else _recomputation(found.section)
    if recomputed:
        yield recomputed
        yield from ({**recomputed, **passes} for passes in smaller)
    least: dict[str, Any] = {**recomputed, **(smaller[-1] if smaller else {})}
    slow = found.device.calibration is not None and found.device.calibration.native == "float32"
    if train.dtype == "float32" and not slow:
        yield {"train.dtype": "bfloat16"}
        yield {"train.dtype": "bfloat16", **least}
        least["train.dtype"] = "bfloat16"
    for method in _lighter_methods(found):
        yield {"train.method": method}
        yield {"train.method": method, **least}
    shorter = longest // 2
    while shorter >= _FEWEST_TOKENS:
        yield {**least, "train.batch_tokens": shorter, "train.max_length_tokens": shorter}
        shorter //= 2
    if train.dtype == "float32" and slow:
        yield {"train.dtype": "bfloat16"}
        yield {**least, "train.dtype": "bfloat16"}


def _recomputation(section: TrainSection) -> dict[str, Any]:
    """Settings that recompute activations; empty where the method cannot. Passes that do so are shared with no other training."""
    checkpointing = {"train.gradient_checkpointing": True}
    for settings in (checkpointing, {**checkpointing, "train.cotraining": "interleaved"}):
        try:
            _section_with(section, settings)
        except ValidationError:
            continue
        return settings
    return {}


def _smaller_passes(train: CommonTrain, longest: int) -> Iterator[dict[str, Any]]:
    """Half the tokens in twice the passes, for as long as the longest record has a place."""
    tokens, passes = train.batch_tokens // 2, train.accumulate * 2
    while tokens >= max(_FEWEST_TOKENS, longest):
        yield {"train.batch_tokens": tokens, "train.accumulate": passes}
        tokens, passes = tokens // 2, passes * 2


def _lighter_methods(found: Training) -> list[str]:
    """Methods that hold less in memory and still end as this one does: as plain LoRA where it does, merged where it does."""
    known = METHODS[method_of(found.section.train)]
    if known.keeps == "inputs of what is trained":
        return ["lora", *(["qlora"] if found.device.kind == "cuda" else [])]
    return ["qlora"] if found.device.kind == "cuda" and known.plain_lora != "no" and not known.quantized_base else []


def _to_come(workspace: Workspace, name: str, adapter: ResolvedAdapter) -> dict[str, TrainSection]:
    """The trainings of adapter `name` that a build would run, by stage."""
    trainings = {f"step@{name}-{step}": (section, workspace.step(name, step)) for step, section in adapter.steps.items()}
    trainings[f"train@{name}"] = adapter.train, workspace.adapter(name)
    return {stage: section for stage, (section, out) in trainings.items() if _would_run(workspace.dataset(name), section, out)}


def _level(name: str, section: TrainSection, to_come: Mapping[str, TrainSection]) -> int:
    """How many trainings of `to_come`, one behind the other, must be over before that of `section` begins: those of one level run together."""
    before = [f"step@{name}-{step}" for step in named_steps(section.train)]
    return max((1 + _level(name, to_come[stage], to_come) for stage in before if stage in to_come), default=0)


def _would_run(dataset: Path, section: TrainSection, out: Path) -> bool:
    """Whether a build would train into `out`: told by manifests alone, so that a build with nothing to do stays quick."""
    try:
        built = read_manifest(out)
    except InputError:
        return True
    return built.section != section_digest(section) or (dataset.is_dir() and built.inputs.get("dataset") != digest_folder(dataset))


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
