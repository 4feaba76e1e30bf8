"""DVC in a process of its own: `python -m adapt.plan.dvc_process repro ...`. Its stages end with it, and two of its
habits are mended.

DVC knows a file by inode, size and time of change of its content, which an edit can leave as they were; paths in
`FORGOTTEN` are digested anew. And it takes what its cache holds under a digest for what has that digest; here an
object is digested before a stage is restored from it, and a damaged one is dropped, so that the stage runs.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapt.artifact.process import become_builder, die_with_parent

FORGOTTEN = "ADAPT_FORGOTTEN"
"""Environment variable: a file with a JSON list of absolute paths, of which DVC is to believe nothing."""
_FOLDER = ".dir"
"""Ending of the digest of a folder's listing."""


def main(arguments: list[str]) -> int:
    """Run DVC's command line; returns its exit code."""
    die_with_parent()
    become_builder()
    if listing := os.environ.get(FORGOTTEN):
        _forget(json.loads(Path(listing).read_bytes()))
    _check_before_restoring()
    from dvc.cli import main as run

    code: int = run(arguments)
    return code


def _forget(paths: list[str]) -> None:
    """Drop what DVC remembers of `paths`, of what is below them, and of the folders that hold them."""
    from dvc.repo import Repo

    with Repo() as repo:
        hashes = repo.state.hashes
        above = {str(folder) for path in paths for folder in Path(path).parents}
        below = tuple(f"{path}{os.sep}" for path in paths)
        for known in [key for key in hashes if key in above or key in paths or key.startswith(below)]:
            hashes.pop(known, None)


def _check_before_restoring() -> None:
    """Have DVC hold the objects of a stage against their digests before it restores the stage from them."""
    from dvc.stage.cache import StageCache

    create = StageCache._create_stage

    def create_checked(self: Any, cache: Any, wdir: Any = None) -> Any:
        stage = create(self, cache, wdir)
        are_cached = stage.outs_cached
        stage.outs_cached = lambda: not _drop_damaged(stage) and are_cached()
        return stage

    StageCache._create_stage = create_checked


def _drop_damaged(stage: Any) -> bool:
    """Drop the objects of a stage that do not have the digests that they are called by; says whether there were any."""
    damaged = False
    for out in stage.outs:
        if not out.use_cache:
            continue
        for digest in _objects(out.cache, out.hash_info.value):
            path = Path(out.cache.oid_to_path(digest))
            if path.exists() and _md5(path) != digest.removesuffix(_FOLDER):
                damaged = True
                path.unlink(missing_ok=True)
                print(f"warning: DVC's cache held a damaged copy of {out}; it was dropped, and the stage runs anew", file=sys.stderr)
    return damaged


def _objects(cache: Any, digest: str) -> Iterator[str]:
    """The digest of an output, and of the files that it lists if it is a folder with a whole listing."""
    path = Path(cache.oid_to_path(digest))
    yield digest
    if digest.endswith(_FOLDER) and path.exists() and _md5(path) == digest.removesuffix(_FOLDER):
        yield from dict.fromkeys(entry["md5"] for entry in json.loads(path.read_bytes()))


def _md5(path: Path) -> str:
    """DVC's digest of a file; empty for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
