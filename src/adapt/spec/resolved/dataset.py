"""What the dataset stage may read."""

from pydantic import Field

from adapt.spec.base import PinnedBase
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.stage import StageSection


class DatasetSection(StageSection):
    """Read by `adapt.dataset.build`. The base gives the tokenizer that lengths are counted with."""

    dataset: DatasetSpec
    base: PinnedBase
    seed: int
    evaluation_sets: dict[str, str] = Field(default_factory=dict)
    """Digest of each file that `decontamination.against` names."""
    embedding: str | None = None
    """Digest of the folder, or commit, of the embedding model of `semantic_duplicates`; None: there is none, or it is the bundled one."""
    template: str | None = None
    """Text of the synthesis prompt; None: the built-in one."""
