"""One thing to read, whatever kind of source it comes from."""

from dataclasses import dataclass
from typing import Literal

from adapt.corpus.draft import Rejected
from adapt.spec.corpus import FileReader

ReaderName = FileReader | Literal["sql", "hub", "python_docs"]


@dataclass(frozen=True)
class RawInput:
    """A file, a member of an archive, a query, a hub data set or a package. Small, and picklable: workers get these, and open them."""

    name: str
    """What `Document.source` says: path relative to the corpus folder, with forward slashes (`archive.zip/member.xml` for members); else the URL
    without credentials, `sql:<place of the source>`, `hub:<dataset>/<split>` or `python:<package>`."""
    source: int
    """Place of its source in `corpus.sources`."""
    reader: ReaderName
    path: str = ""
    """Absolute local path, or URL that fsspec opens; empty for sql, hub and python_docs."""
    member: str = ""
    """Name inside the archive at `path`."""
    size: int = 0
    """Bytes as stored."""

    @property
    def folder(self) -> str:
        """What repeats across its files is boilerplate: the part of the name before the last slash."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class Found:
    """What the sources of a spec lead to."""

    inputs: tuple[RawInput, ...]
    """In the order of their names."""
    refused: tuple[tuple[str, Rejected], ...]
    """Names that may not be read, and why."""
    unmatched: int
    """Files that no source matched, or whose ending `auto` does not know."""
