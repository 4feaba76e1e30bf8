"""What the train stage may read."""

from adapt.spec.base import PinnedBase
from adapt.spec.lora import LoraSpec
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
