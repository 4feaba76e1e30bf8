"""Holds objectives and steps of a valid spec against each other: record forms, what starts from what, gates and exports.

Enters: a spec. Leaves: problems, one line each and a hint, as `adapt.spec.capability` gives them.
"""

from collections.abc import Iterator
from typing import Any

from adapt.spec.adapter import AdapterSpec
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.objectives import OBJECTIVES, Objective
from adapt.spec.steps import named_steps, rewarding_step
from adapt.spec.train import TrainSpec


def chain_problems(spec: AdapterSpec) -> Iterator[str]:
    """What objectives and steps ask for that the spec does not give."""
    trainings = [(f"steps.{name}.train", step.train) for name, step in spec.steps.items()] + [("train", spec.train)]
    for path, train in trainings:
        yield from _form(spec, path, OBJECTIVES[train.objective.kind])
    yield from _references(spec)
    yield from _outcome(spec, OBJECTIVES[spec.train.objective.kind])


def _form(spec: AdapterSpec, path: str, objective: Objective) -> Iterator[str]:
    if spec.dataset.form not in objective.forms:
        reads = f"{objective.name} reads records of form {' or '.join(objective.forms)}, and dataset.form is {spec.dataset.form}"
        fitting = ", ".join(each.name for each in OBJECTIVES.values() if spec.dataset.form in each.forms)
        yield f"{path}.objective: {reads}\nhint: set dataset.form to {objective.forms[0]}, or choose an objective for {spec.dataset.form}: {fitting}"


def _references(spec: AdapterSpec) -> Iterator[str]:
    """Steps are read by what stands behind them, so that there is an order, and each is read by something."""
    known: list[str] = []
    read: set[str] = set()
    for name, step in spec.steps.items():
        yield from _of_one(spec, f"steps.{name}.train", step.train, step.lora, known)
        read |= set(named_steps(step.train))
        known.append(name)
    yield from _of_one(spec, "train", spec.train, spec.lora, known)
    read |= set(named_steps(spec.train))
    for name in spec.steps:
        if name not in read:
            yield f"steps.{name}: no training starts from it or is rewarded by it\nhint: set train.start_from to {name}, or take the step out"


def _of_one(spec: AdapterSpec, path: str, train: TrainSpec, lora: LoraSpec, known: list[str]) -> Iterator[str]:
    fields = {f"{path}.start_from": train.start_from, f"{path}.objective.reward.step": rewarding_step(train)}
    for field, name in fields.items():
        if name is not None and name not in known:
            choices = f"steps before it: {', '.join(known)}" if known else "there are no steps before it"
            yield f"{field}: {name!r} is no step that stands before this training; {choices}\nhint: steps run in the order in which they stand"
    start, reward = train.start_from, rewarding_step(train)
    if start in known:
        yield from _continuation(f"{path}.start_from", train, lora, spec.steps[start].train, spec.steps[start].lora)
    if reward in known and (kind := spec.steps[reward].train.objective.kind) != "reward":
        yield f"{path}.objective.reward.step: step {reward} has objective {kind}, and a reward model is needed\nhint: give it objective reward"


def _continuation(field: str, train: TrainSpec, lora: LoraSpec, start: TrainSpec, start_lora: LoraSpec) -> Iterator[str]:
    """Method and shape must be those of the step."""
    if not METHODS[start.method].continues:
        able = ", ".join(name for name, method in METHODS.items() if method.continues)
        yield f"{field}: what {start.method} saves cannot be trained further\nhint: choose a method that can: {able}"
        return
    ours, theirs = _shape(train, lora), _shape(start, start_lora)
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            found = f"{name} is {ours.get(name)} here and {theirs.get(name)} in the step"
            yield f"{field}: an adapter is trained further in its own shape, and {found}\nhint: give both the same {name}"
            return


def _shape(train: TrainSpec, lora: LoraSpec) -> dict[str, Any]:
    own = {name: value for name, value in train.model_dump().items() if name not in CommonTrain.model_fields}
    return own | {f"lora.{name}": value for name, value in lora.model_dump().items() if name != "lora_dropout"}


def _outcome(spec: AdapterSpec, objective: Objective) -> Iterator[str]:
    for gate in spec.evaluate.gates:
        if gate.metric not in objective.metrics:
            measured = f"objective {objective.name} is measured by {', '.join(objective.metrics)}"
            yield f"evaluate.gates: {gate.metric} is not measured; {measured}\nhint: take the gate out, or bound another metric"
    if objective.family == "head":
        for name in sorted(spec.export):
            yield f"export.{name}: an export has no place for the head of {objective.name}\nhint: set export.{name} to null"
    if spec.evaluate.checks and "checks_passed" not in objective.metrics:
        yield f"evaluate.checks: {objective.name} trains no model that answers questions\nhint: take the checks out"
