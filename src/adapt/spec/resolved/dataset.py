"""What the dataset stage may read."""

from adapt.spec.base import PinnedBase
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.stage import StageSection


class DatasetSection(StageSection):
    """Read by `adapt.dataset.build`. The base gives the tokenizer that lengths are counted with."""

    dataset: DatasetSpec
    base: PinnedBase
    seed: int
