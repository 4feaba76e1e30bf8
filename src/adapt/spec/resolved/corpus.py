"""What the corpus stage may read."""

from pydantic import Field

from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.stage import StageSection


class CorpusSection(StageSection):
    """Read by `adapt.corpus.build`."""

    corpus: CorpusSpec
    local_sources: dict[str, str] = Field(default_factory=dict)
    """Digests of files and folders of this machine that sources name outside the corpus folder."""
    pseudonym_key: str | None = None
    """Digest of the key of the pseudonyms, from which the key cannot be told; None where none is used, or none was ever there."""
