"""Files as they were when a stage began to read them, held against what is there when it ends.

A stage that read the old half of a file and the new half of another, or whose input was replaced behind its back, would leave an output that is
recorded as made from something that it was not made from. Nothing of such a run is kept.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapt.artifact.digest import MANIFEST, content_paths, digest_of_files, digest_readable, is_output
from adapt.artifact.manifest import read_manifest
from adapt.artifact.stamp import Stamp
from adapt.errors import InputError


@dataclass(frozen=True)
class Snapshot:
    """The content of a file or folder, and how to see that it is still the same."""

    path: Path
    digest: str
    """Of the file, or of the folder as `digest_folder` gives it; of raw data as `digest_raw` gives it."""
    files: dict[str, str]
    """Digest of each file by its path."""
    raw: bool
    """Whether it is the user's folder, of which DVC ignores some files, rather than an output."""
    _stamps: dict[str, Stamp]
    _taken_ns: int

    @classmethod
    def take(cls, path: Path, *, raw: bool = False) -> "Snapshot":
        """Read and digest all that is there. Raises OSError when there is nothing."""
        names = _paths(path, raw=raw)
        taken, stamps = time.time_ns(), {file: Stamp.of(file) for file in names.values()}
        digests = {name: digest_readable(file) for name, file in names.items()}
        digest = digests[path.name] if path.is_file() else digest_of_files(digests, path, raw=raw)
        return cls(path, digest, {names[name]: found for name, found in digests.items()}, raw, stamps, taken)

    def require_whole(self) -> None:
        """Raises InputError when an output of ours is not what its manifest lists, such as one restored from a damaged copy."""
        folder = self.path.parent if self.path.is_file() else self.path
        if self.raw or not is_output(folder):
            return
        listed = read_manifest(folder).files
        present = {Path(file).relative_to(folder).as_posix(): digest for file, digest in self.files.items()}
        present.pop(MANIFEST, None)
        expected = {self.path.name: listed.get(self.path.name)} if self.path.is_file() else listed
        if differing := sorted(name for name in present.keys() | expected.keys() if present.get(name) != expected.get(name)):
            raise InputError(f"{folder} differs from its manifest: {', '.join(differing[:5])}", hint="build it with `adapt build`")

    def require_unchanged(self) -> None:
        """Raises InputError that names what was changed, added or removed since."""
        if changed := next(self._changes(), None):
            raise InputError(
                f"{changed} was changed while the stage read it; nothing of this run was kept",
                hint="run it again, when the file is as it shall be",
            )

    def _changes(self) -> Iterator[str]:
        present = set(_paths(self.path, raw=self.raw).values())
        yield from sorted(present ^ self.files.keys())
        yield from (file for file in sorted(self.files) if self._differs(file))

    def _differs(self, file: str) -> bool:
        before = self._stamps[file]
        try:
            now = Stamp.of(file)
        except OSError:
            return True
        if now == before:
            return before.is_recent(self._taken_ns) and digest_readable(file) != self.files[file]
        if now._replace(changed_ns=before.changed_ns, links=before.links) == before and now.links != before.links:
            return digest_readable(file) != self.files[file]  # a hard link was made or removed, which is no change of the file
        return True  # also where the bytes are the old ones again: what was read between is not known


def _paths(path: Path, *, raw: bool) -> dict[str, str]:
    if path.is_file():
        return {path.name: str(path)}
    return content_paths(path, raw=raw)
