"""What the file system says of a file, which changes whenever its content does."""

import os
from pathlib import Path
from typing import NamedTuple

_GRANULARITY_NS = 2_000_000_000
"""Two changes within this time can leave one timestamp: the coarsest clock of a common file system."""


class Stamp(NamedTuple):
    """The time of the last change of its inode cannot be set by hand, unlike that of its content."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    links: int

    @classmethod
    def of(cls, path: str | Path) -> "Stamp":
        """The stamp of a file, behind links. Raises OSError when it is gone."""
        stat = os.stat(path)  # noqa: PTH116 (one of very many)
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_nlink)

    def is_recent(self, now_ns: int) -> bool:
        """Whether the file may change once more without a change of its stamp."""
        return self.changed_ns > now_ns - _GRANULARITY_NS
