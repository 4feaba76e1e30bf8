"""What each stage may read: one section per stage, all it depends on and nothing else.

`adapt stage resolve` writes these to build/resolved/<name>.yaml, and DVC re-runs a stage when its section changes.
"""

from adapt.spec.base import PinnedBase
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import DatasetSpec
from adapt.spec.evaluate import EvaluateSpec, Gate
from adapt.spec.export import ExportSpec
from adapt.spec.lora import LoraSpec
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.section import Section
from adapt.spec.serving import ServerSpec
from adapt.spec.train import TrainSpec


class StageSection(Section):
    """What every stage's section carries."""

    code: str
    """Digest of the code that the stage runs: its import closure inside adapt, comments and docstrings stripped."""
    libraries: dict[str, str]
    """Versions of the libraries that the stage imports."""


class CorpusSection(StageSection):
    """Read by `adapt.corpus.build`."""

    corpus: CorpusSpec


class DatasetSection(StageSection):
    """Read by `adapt.dataset.build`. The base gives the tokenizer that lengths are counted with."""

    dataset: DatasetSpec
    base: PinnedBase
    seed: int


class TrainSection(StageSection):
    """Read by `adapt.adapter.train`."""

    base: PinnedBase
    prompt: PinnedPrompt
    lora: LoraSpec
    train: TrainSpec
    seed: int


class EvaluateSection(StageSection):
    """Read by `adapt.evaluate.build`. Gates have a section of their own, so that moving a bound measures nothing anew."""

    base: PinnedBase
    evaluate: EvaluateSpec


class GateSection(StageSection):
    """Read by `adapt.evaluate.judge`."""

    gates: tuple[Gate, ...]


class ExportSection(StageSection):
    """Read by `adapt.export.export`."""

    base: PinnedBase
    export: ExportSpec


class Member(Section):
    """One adapter as the server sees it."""

    base: PinnedBase
    prompt: PinnedPrompt
    enabled: bool


class ServingSection(StageSection):
    """Read by `adapt.serving.render`; one for the workspace."""

    server: ServerSpec
    base: PinnedBase
    """The base that is served: that of params.yaml."""
    prompt: PinnedPrompt
    """The template that is served: that of params.yaml."""
    adapters: dict[str, Member]


class ResolvedAdapter(Section):
    """build/resolved/<name>.yaml."""

    corpus: CorpusSection
    dataset: DatasetSection
    train: TrainSection
    evaluate: EvaluateSection
    gate: GateSection
    export: dict[str, ExportSection]
