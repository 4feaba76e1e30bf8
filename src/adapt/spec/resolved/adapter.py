"""build/resolved/<name>.yaml as a whole."""

from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.train import TrainSection
from adapt.spec.section import Section


class ResolvedAdapter(Section):
    """build/resolved/<name>.yaml."""

    corpus: CorpusSection
    dataset: DatasetSection
    steps: dict[str, TrainSection]
    train: TrainSection
    evaluate: EvaluateSection
    gate: GateSection
    export: dict[str, ExportSection]
