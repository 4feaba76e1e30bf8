"""What a section knows by its content beside folders that DVC watches: base, evaluation sets, an embedding model, and
files of this machine that sources of the corpus name by a URL, a path or a folder.

DVC knows no optional dependency, so `resolve` writes their digests into the section, which a stage depends on. What lies
behind the network has none: it is read when the stage runs.
"""

from collections.abc import Iterator
from pathlib import Path

from adapt.artifact.digest import digest_path, digest_raw, remembered_digest
from adapt.base.embedding import pin_embedding
from adapt.base.pin import pin
from adapt.plan.workspace import Workspace
from adapt.spec.base import PathBase, PinnedBase
from adapt.spec.corpus import CorpusSpec, FileSource, HubSource, Source, SqlSource
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.stage import StageSection

_FILE = "file://"


def pin_local_sources(workspace: Workspace, corpus: CorpusSpec) -> dict[str, str]:
    """Digests of files and folders outside the corpus folder that sources read, by their paths. What is not there has
    none: the stage says so."""
    paths = {path for source in corpus.sources for path in _local_paths(source, workspace.root)}
    return {workspace.shown(path): digest_raw(path) if path.is_dir() else remembered_digest(path) for path in sorted(paths)}


def changed_pins(workspace: Workspace, section: StageSection) -> Iterator[str]:
    """Names of what is there with another content than `section` has. Raises InputError for what has gone."""
    base = getattr(section, "base", None)
    if isinstance(base, PinnedBase) and isinstance(base.source, PathBase) and pin(base.source, root=workspace.root) != base:
        yield base.source.path
    if isinstance(section, DatasetSection):
        sets = section.evaluation_sets.items()
        yield from (path for path, digest in sets if digest_path(workspace.root / path) != digest)
        semantic = section.dataset.semantic_duplicates
        if semantic is not None and pin_embedding(semantic, root=workspace.root) != section.embedding:
            yield semantic.model
    if isinstance(section, CorpusSection):
        present = pin_local_sources(workspace, section.corpus)
        yield from sorted(name for name, _ in present.items() ^ section.local_sources.items())


def _local_paths(source: Source, root: Path) -> list[Path]:
    if isinstance(source, FileSource):
        return _behind(source.glob, root) if source.glob.startswith(_FILE) else []
    if isinstance(source, SqlSource):
        return _database(source.url, root)
    if isinstance(source, HubSource):
        folder = root / source.dataset
        return [folder] if folder.is_dir() else []
    return []


def _behind(url: str, root: Path) -> list[Path]:
    """Files that a `file://` URL leads to; for one that goes into archives, the archives."""
    from fsspec.implementations.local import LocalFileSystem

    path = url.removeprefix(_FILE)
    parts = (path if path.startswith("/") else f"{root.resolve().as_posix()}/{path}").split("/")
    for depth in range(len(parts), 1, -1):
        found = [Path(name) for name in LocalFileSystem().glob("/".join(parts[:depth]))]
        if files := [path for path in found if path.is_file()]:
            return files
    return []


def _database(url: str, root: Path) -> list[Path]:
    """The file of a SQLite database, and that of its changes that are not in it yet."""
    if not url.startswith("sqlite"):
        return []
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        name = make_url(url).database
    except ArgumentError:  # the stage says what is wrong with it
        return []
    path = root / (name or "")
    return [each for each in (path, path.with_name(f"{path.name}-wal")) if each.is_file()]
