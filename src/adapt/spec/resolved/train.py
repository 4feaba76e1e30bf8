"""What the train stage may read."""

from typing import Any, Self

from pydantic import model_validator

from adapt.spec.base import PinnedBase
from adapt.spec.combinations import shape_problems
from adapt.spec.lora import LoraSpec, with_settled_lora
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.stage import StageSection
from adapt.spec.train import TrainSpec


class TrainSection(StageSection):
    """Read by `adapt.adapter.train`."""

    base: PinnedBase
    prompt: PinnedPrompt
    lora: LoraSpec
    train: TrainSpec
    seed: int

    @model_validator(mode="before")
    @classmethod
    def _lora_as_the_method_reads_it(cls, values: Any) -> Any:
        return with_settled_lora(values)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        for problem in shape_problems(self.train, self.lora):
            raise ValueError(problem)
        return self
