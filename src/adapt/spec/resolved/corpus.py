"""What the corpus stage may read."""

from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.stage import StageSection


class CorpusSection(StageSection):
    """Read by `adapt.corpus.build`."""

    corpus: CorpusSpec
