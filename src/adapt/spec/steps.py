"""Section `steps`: trainings that come before the spec's own, each cached by itself: fine-tuning and a reward model before PPO, for one."""

from collections.abc import Iterator
from typing import Any

from pydantic import model_validator

from adapt.spec.lora import LoraSpec, with_settled_lora
from adapt.spec.low_rank_train import LoraTrain
from adapt.spec.objective import GrpoObjective, PpoObjective
from adapt.spec.section import Section
from adapt.spec.train import TrainSpec


class StepSpec(Section):
    """A training on the spec's base, prompt and records, whose adapter later trainings of the spec start from or are rewarded by."""

    train: TrainSpec = LoraTrain()
    """How it is trained; what is not said here is as in params.yaml."""
    lora: LoraSpec = LoraSpec()
    """Shape of its adapter; what is not said here is as in the spec."""

    @model_validator(mode="before")
    @classmethod
    def _lora_as_the_method_reads_it(cls, values: Any) -> Any:
        return with_settled_lora(values)


def named_steps(train: TrainSpec) -> Iterator[str]:
    """The steps whose adapters a training reads, each once: what it starts from, then its reward model."""
    if train.start_from is not None:
        yield train.start_from
    rewarded = rewarding_step(train)
    if rewarded is not None and rewarded != train.start_from:
        yield rewarded


def rewarding_step(train: TrainSpec) -> str | None:
    """The step whose reward model a training learns from."""
    objective = train.objective
    return objective.reward.step if isinstance(objective, PpoObjective | GrpoObjective) else None
