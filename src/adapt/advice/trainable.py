"""Refuses trainings that a build would come to and that could not run: by their settings, by the device, by
the base.

Enters: a workspace with its resolved sections. Leaves: nothing, or every problem by its spec. A bundled
base is judged by what is known of it, others by a probe of their configuration, which loads torch once and
is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from adapt.advice.machine import device_for
from adapt.artifact.digest import digest_value
from adapt.artifact.manifest import section_digest
from adapt.base.bundled import BUNDLED_LAYERS, BUNDLED_LINEAR, BUNDLED_NARROWEST, bundled_modules
from adapt.base.names import check_modules
from adapt.base.pin import CONTENT
from adapt.base.prepare import base_folder
from adapt.errors import InputError, Problem, SpecError
from adapt.export.support import check_form, read_config
from adapt.plan.fingerprint import code_digest, library_versions, remembered
from adapt.plan.memory import recall
from adapt.plan.workspace import Workspace
from adapt.spec.base import BundledBase
from adapt.spec.combinations import device_problems
from adapt.spec.methods import METHODS, fitting_instead
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import FreezeTrain, Ia3Train

_PROBE = "adapt.adapter.probe"


def check_trainable(workspace: Workspace, resolved: Mapping[str, ResolvedAdapter]) -> None:
    """Raise SpecError with every training and export of `resolved` that could not run.

    A hub model that was not downloaded is left to its training.
    """
    problems: dict[Problem, None] = {}
    with remembered(workspace.fingerprints):
        for name, adapter in resolved.items():
            for path, training in {**{f"steps.{step}.": one for step, one in adapter.steps.items()}, "": adapter.train}.items():
                texts = (f"{path}{problem}" for problem in training_problems(workspace, training))
                problems.update(dict.fromkeys(Problem.of_text(f"specs/{name}.yaml", text) for text in texts))
            for key, section in adapter.export.items():
                if (problem := export_problem(workspace, section)) is not None:
                    problems[Problem.of_text(f"specs/{name}.yaml", f"export.{key}: {problem}")] = None
    if problems:
        raise SpecError(list(problems))


def export_problem(workspace: Workspace, section: ExportSection) -> str | None:
    """Why an export could not be right for its base, with a hint; None where nothing is known against it."""
    folder = base_folder(section.base, root=workspace.root, cache=workspace.cache)
    if not (folder / "config.json").is_file():
        return None
    try:
        check_form(section.export, read_config(folder))
    except InputError as error:
        return str(error)
    return None


def training_problems(workspace: Workspace, section: TrainSection) -> Iterator[str]:
    """Why a training of `section` could not run here; each a line, with a hint where there is one."""
    for problem in device_problems(section.train, _device_kind(section)):
        reason, _, remedy = problem.partition("; ")
        yield f"train.{reason}\nhint: {remedy}; with train.device cuda it is checked for a GPU"
    folder = base_folder(section.base, root=workspace.root, cache=workspace.cache)
    if isinstance(section.base.source, BundledBase):
        try:
            _check_bundled(section)
        except InputError as error:
            yield str(error)
    elif (folder / "config.json").is_file():
        found = recall(_key(section, folder), lambda: _refusal(folder, section))
        if found is not None:
            yield str(found)


def _device_kind(section: TrainSection) -> str:
    try:
        return device_for(section.train.device).kind
    except InputError:  # a spec for a GPU is read on a machine without one
        return "cuda"


def _key(section: TrainSection, folder: Path) -> str:
    """What the answer of a probe depends on: of the weights, nothing."""
    names = sorted(path.name for pattern in CONTENT for path in folder.glob(pattern) if path.suffix != ".safetensors")
    files = {name: (folder / name).read_bytes().hex() if name == "config.json" else None for name in names}
    return digest_value(["probe", section_digest(section), files, code_digest(_PROBE), dict(library_versions(_PROBE))])


def _refusal(folder: Path, section: TrainSection) -> str | None:
    from adapt.adapter.probe import refusal

    found = refusal(folder, section)
    return None if found is None else str(found)


def _check_bundled(section: TrainSection) -> None:
    """Raise InputError for what the bundled base does not have, without loading it."""
    train, lora = section.train, section.lora
    method = METHODS[train.method]
    if method.needs in ("biases", "experts"):
        raise InputError(
            f"train.method {method.name} needs {method.needs}, and the bundled base has none",
            hint=f"choose a method that needs none: {fitting_instead(method.needs)}",
        )
    if "target_modules" in method.reads and lora.target_modules != "all-linear":
        check_modules("lora.target_modules", lora.target_modules, BUNDLED_LINEAR, hint="or set it to all-linear")
    if isinstance(train, Ia3Train):
        for field in ("scaled_modules", "scaled_input_modules"):
            names: Any = getattr(train, field)
            if names is not None:
                check_modules(f"train.{field}", names, BUNDLED_LINEAR, hint="leave it unset for peft's choice")
    if method.name in ("pissa", "olora") and lora.rank > BUNDLED_NARROWEST:
        raise InputError(
            f"lora.r is {lora.rank}, and the smallest of the base's adapted matrices has rank {BUNDLED_NARROWEST}",
            hint="lower lora.r",
        )
    if isinstance(train, FreezeTrain):
        _check_thawed(train)


def _check_thawed(train: FreezeTrain) -> None:
    if train.layers > BUNDLED_LAYERS:
        raise InputError(
            f"train.layers is {train.layers}, and the base has {BUNDLED_LAYERS} layers",
            hint=f"set it to {BUNDLED_LAYERS} or less, or train full",
        )
    names = bundled_modules()
    for pattern in train.modules:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(
                f"train.modules: {pattern!r} names no module of the base that has weights of its own",
                hint="give full names or shell patterns, such as model.norm",
            )
