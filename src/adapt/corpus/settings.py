"""What one build of the corpus stage goes by: what its operators need to know, and where they run."""

from dataclasses import dataclass
from pathlib import Path

from adapt.corpus.cache import Cache
from adapt.corpus.listings import Listings
from adapt.corpus.pii.guard import Guard
from adapt.engine.engine import Engine
from adapt.spec.corpus import CorpusSpec


@dataclass(frozen=True)
class Settings:
    """What operators need to know. Small, and picklable: every task is sent with it."""

    corpus: CorpusSpec
    guard: Guard
    """Made once, where the environment holds the key of the pseudonyms."""
    root: Path
    """The workspace."""
    key: bytes = b""
    """Digest of all that shapes a piece beside its input; empty: nothing is cached, and pieces get no keys."""
    former: Path | None = None
    """Folder of the cache's former generation."""


@dataclass(frozen=True)
class Job:
    """One build."""

    settings: Settings
    engine: Engine
    spool: Path
    """Folder where pieces rest; with a cache, the next generation of it."""
    cache: Cache | None
    listings: Listings
    """What the archives hold, and digests of what is read."""
