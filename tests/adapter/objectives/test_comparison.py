"""The marks of `adapt.spec.comparison`: a setting of an objective is marked exactly where it changes the validation loss."""

from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.objectives.door import Surroundings, objective_of
from adapt.adapter.passes import Passes
from adapt.spec.comparison import Defines, incomparable
from adapt.spec.lora import LoraSpec
from adapt.spec.objectives import OBJECTIVES
from tests.adapter.test_combinations import TARGETS
from tests.adapter.trainings import record, section, write_dataset

OTHERS: dict[str, Any] = {
    "beta": 0.7, "label_smoothing": 0.2, "desirable_weight": 2.0, "undesirable_weight": 3.0, "odds_weight": 2.0, "gamma": 0.2,
    "centre_weight": 1.0, "temperature": 0.7, "pooling": "last", "max_new_tokens": 40, "clip": 0.1, "inner_iterations": 2,
    "kl_beta": 0.5, "generations": 3, "discount": 0.5, "gae_lambda": 0.5, "value_weight": 1.0,
    "reward": {"functions": [{"kind": "length", "max_tokens": 99, "weight": 2.0}]},
}  # fmt: skip


def model_of(name: str) -> Any:
    return type(section_objective(TARGETS[name]))


def section_objective(value: Any) -> Any:
    from pydantic import TypeAdapter

    from adapt.spec.objective import ObjectiveSpec

    return TypeAdapter[Any](ObjectiveSpec).validate_python(value)


FIELDS = [(name, field) for name in OBJECTIVES for field in model_of(name).model_fields if field != "kind"]


def test_objectives_whose_loss_depends_on_the_pass_are_those_that_are_not_divided(workspace: Path, tmp_path: Path) -> None:
    for name, objective in OBJECTIVES.items():
        if objective.family != "rollout":
            made = objective_of(section(workspace, objective=TARGETS[name], lora=LoraSpec(r=4)), surroundings(workspace, tmp_path))
            assert made.divisible != objective.passwise, name


def surroundings(workspace: Path, tmp_path: Path) -> Surroundings:
    data = tmp_path / "data"
    if not data.exists():
        made = [record(f"Q {n}?", f"Bond {n} is a loan." * (1 + n), rejected="A bird.", label="ab"[n % 2]) for n in range(6)]
        write_dataset(data, made, made)
    base = Base(workspace / "base")
    return Surroundings(base, base.prompt(section(workspace).prompt), data, {}, "cpu")


def validation_loss(workspace: Path, tmp_path: Path, objective: Any) -> float:
    """Of a model with weights that are drawn alike each time, whatever the objective."""
    settings, around = section(workspace, objective=objective, lora=LoraSpec(r=4)), surroundings(workspace, tmp_path)
    attached = attach(around.base, settings, device="cpu", sequences=[])
    made = objective_of(settings, around)
    records = [record(f"Q {n}?", f"Bond {n} is a loan." * (1 + n), rejected="A bird.", label="ab"[n % 2]) for n in range(6)]
    items = [item for one in records for item in made.encode(one, around.prompt)]
    made.prepare(attached, items)
    drawn = torch.Generator().manual_seed(3)
    for weight in (*attached.weights.values(), *made.weights().values()):
        weight.data.add_(torch.randn(weight.shape, generator=drawn) * 0.1)
    attached.model.eval()
    return Passes(attached, made, settings.train).measure(items).loss


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_setting_is_marked_exactly_where_it_changes_the_loss(workspace: Path, tmp_path: Path, name: str, field: str) -> None:
    before = section_objective(TARGETS[name]).model_dump()
    after = {**before, field: OTHERS[field]}
    marked = any(isinstance(mark, Defines) for mark in model_of(name).model_fields[field].metadata)
    losses = [validation_loss(workspace, tmp_path, objective) for objective in (before, after)]
    assert (losses[0] != pytest.approx(losses[1], rel=1e-6)) == marked
    trains = [section(workspace, objective=objective).train for objective in (before, after)]
    assert (incomparable(trains) is not None) == marked
