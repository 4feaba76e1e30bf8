"""A whole spec: one adapter, from raw corpus to serving, after the defaults of params.yaml are filled in."""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from adapt.spec.base import BaseSpec, BundledBase
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import DatasetSpec
from adapt.spec.engine import EngineSpec, LocalEngine
from adapt.spec.evaluate import EvaluateSpec, with_settled_gates
from adapt.spec.export import ExportSpec
from adapt.spec.lora import LoraSpec, with_settled_lora
from adapt.spec.low_rank_train import LoraTrain
from adapt.spec.objective import StepName
from adapt.spec.patterns import PART_NAME
from adapt.spec.prompt import ModelPrompt, PromptSpec
from adapt.spec.section import Section
from adapt.spec.serving import RolloutSpec, ServerSpec, ServingSpec
from adapt.spec.steps import StepSpec
from adapt.spec.trackers import TrackersSpec
from adapt.spec.train import TrainSpec

ADAPTER_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
ExportName = Annotated[str, StringConstraints(pattern=PART_NAME)]


class AdapterSpec(Section):
    """One adapter. The file's name is the adapter's name."""

    description: str = ""
    """What the adapter is for; shown by `adapt show`, read by no stage."""
    base: BaseSpec = BundledBase()
    """The model that the adapter is trained on."""
    corpus: CorpusSpec = CorpusSpec()
    """Raw files to clean documents."""
    dataset: DatasetSpec = DatasetSpec()
    """Clean documents to Alpaca records."""
    prompt: PromptSpec = ModelPrompt()
    """The template that turns a conversation into the text that the model sees."""
    lora: LoraSpec = LoraSpec()
    """Shape of the low-rank adapter."""
    steps: dict[StepName, StepSpec] = Field(default_factory=dict)
    """Trainings that come before the spec's own, in their order, by a name of your choice."""
    train: TrainSpec = LoraTrain()
    """How the adapter is trained."""
    evaluate: EvaluateSpec = EvaluateSpec()
    """What is measured, and what the adapter must reach."""
    export: dict[ExportName, ExportSpec] = Field(default_factory=dict)
    """Forms in which the adapter leaves, by a name of your choice; null takes one away that params.yaml declares."""
    serving: ServingSpec = ServingSpec()
    """Whether the adapter is served."""
    strict: bool | None = None
    """Whether a build ends with exit status 1, its outputs kept, when a source lost a quarter or more of its rows to one rule. Null: where
    the environment variable `CI` is set. Read by no stage."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of every random choice: split, initial weights, order of the records, dropout."""

    @model_validator(mode="before")
    @classmethod
    def _lora_as_the_method_reads_it(cls, values: Any) -> Any:
        return with_settled_gates(with_settled_lora(values))

    @model_validator(mode="after")
    def _reads_what_is_measured(self) -> Self:
        dataset, allowed = self.dataset, self.dataset.languages.allow
        if not self.corpus.measure_quality and "quality" in dataset.prefer:
            raise ValueError("dataset.prefer compares quality, and corpus.measure_quality is false: leave quality out of it, or measure it")
        if not self.corpus.measure_quality and (bounds := dataset.quality.bounds):
            told = ", ".join(bounds[:2]) + (f" and {len(bounds) - 2} more" if len(bounds) > 2 else "")
            raise ValueError(f"dataset.quality bounds {told}, and corpus.measure_quality is false: set dataset.quality.kinds to [], or measure it")
        if self.corpus.language != "identify" and allowed is not None and self.corpus.language not in allowed:
            raise ValueError(f"corpus.language is {self.corpus.language}, which dataset.languages.allow leaves out: nothing would stay")
        return self


class Params(AdapterSpec):
    """params.yaml: defaults that every spec inherits and may override, and what is one for the workspace: server, roll-out, engine and trackers."""

    server: ServerSpec = ServerSpec()
    """The one vLLM server that serves every adapter."""
    rollout: RolloutSpec = RolloutSpec()
    """How `adapt deploy` replaces a version that serves; changes no output."""
    engine: EngineSpec = LocalEngine()
    """Where the corpus and dataset stages run; changes no output."""
    trackers: TrackersSpec = TrackersSpec()
    """Where curves are shown while a training runs; changes no output."""
