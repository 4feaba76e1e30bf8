"""What the corpus stage may read."""

from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.stage import StageSection


class CorpusSection(StageSection):
    """Read by `adapt.corpus.build`."""

    corpus: CorpusSpec
    pseudonym_key: str | None = None
    """Digest of the key of the pseudonyms, from which the key cannot be told; None where none is used, or none was ever there."""
