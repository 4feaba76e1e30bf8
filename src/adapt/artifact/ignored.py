"""Which files DVC does not see, by the patterns of .dvcignore.

What DVC does not see must not shape a stage: its change would rebuild nothing. So readers and digests of raw data leave the same files out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".dvcignore"
_BUILT_IN = (".hg/", ".git/", ".git", ".dvc/")
"""As DVC has them."""


def ignore_filter(folder: Path) -> Callable[[str], bool]:
    """Says of a path below `folder`, given relative to it with forward slashes, whether DVC ignores it.

    Patterns stand in .dvcignore of the DVC repository that the folder lies in, and in the folders down to the file; the innermost that says anything
    decides, as in git. A folder outside any repository has none.
    """
    folder = folder.resolve()
    root = next((above for above in (folder, *folder.parents) if (above / ".dvc").is_dir()), None)
    if root is None:
        return lambda name: False
    before = folder.relative_to(root).as_posix()
    prefix = "" if before == "." else f"{before}/"
    patterns = _Patterns(root)
    return lambda name: patterns.ignore(prefix + name)


class _Patterns:
    """The patterns of a repository, each file of them read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._specs: dict[str, GitIgnoreSpec | None] = {}
        self._folders: dict[str, bool] = {"": False}

    def ignore(self, name: str) -> bool:
        """Whether the file `name`, or a folder whose name ends in a slash, is ignored.

        A folder that is ignored takes along what is in it, whatever is said further down.
        """
        return self._ignores_folder(name.rpartition("/")[0]) or (not name.endswith("/") and self._decide(name))

    def _ignores_folder(self, name: str) -> bool:
        if name not in self._folders:
            self._folders[name] = self._ignores_folder(name.rpartition("/")[0]) or self._decide(f"{name}/")
        return self._folders[name]

    def _decide(self, name: str) -> bool:
        """What the patterns say of one file, or of a folder, whose name ends in a slash."""
        decision: bool | None = None
        parts = name.rstrip("/").split("/")
        for depth in range(len(parts)):
            spec = self._spec("/".join(parts[:depth]))
            included = None if spec is None else spec.check_file("/".join(parts[depth:]) + name[len(name.rstrip("/")) :]).include
            decision = decision if included is None else included
        return bool(decision)

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            self._specs[folder] = self._read(folder)
        return self._specs[folder]

    def _read(self, folder: str) -> GitIgnoreSpec | None:
        from pathspec import GitIgnoreSpec

        try:
            lines = (self._root / folder / IGNORE_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        lines = [*(() if folder else _BUILT_IN), *(line.strip() for line in lines)]
        return GitIgnoreSpec.from_lines(lines) if lines else None
