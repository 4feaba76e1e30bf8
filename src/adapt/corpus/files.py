"""Finds the raw files of a corpus and decides how each is read.

Enters: the corpus folder and the sources of the spec. Leaves: the files in the order of their names, and what was refused:
links that leave the folder (a corpus must not read the rest of the disk) and things that are not files, such as pipes.
Hidden files and folders are ignored.
"""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapt.corpus.draft import Rejected
from adapt.errors import InputError
from adapt.spec.corpus import FieldNames, Source

log = logging.getLogger(__name__)

ReaderName = Literal["html", "markdown", "text", "csv", "jsonl"]
ENDINGS: dict[str, ReaderName] = {
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".md": "markdown", ".markdown": "markdown",
    ".txt": "text", ".text": "text",
    ".csv": "csv", ".tsv": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
"""How `reader: auto` reads a file, by its ending in lower case."""


@dataclass(frozen=True)
class RawFile:
    """A file of the corpus and the way to read it."""

    path: Path
    name: str
    """Path relative to the corpus folder, with forward slashes."""
    reader: ReaderName
    fields: FieldNames

    @property
    def folder(self) -> str:
        """The folder that holds the file, relative to the corpus folder."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class Found:
    """What a corpus folder holds."""

    files: tuple[RawFile, ...]
    refused: tuple[tuple[str, Rejected], ...]
    """Names that may not be read, and why."""
    unmatched: int
    """Files that no source matched, or whose ending `auto` does not know."""


def find_files(root: Path, sources: tuple[Source, ...]) -> Found:
    """Every readable file under `root`, each with the first source that matches it.

    Raises InputError when `root` is no folder or holds no file.
    """
    if not root.is_dir():
        raise InputError(f"corpus folder {root} does not exist", hint="put the raw files there, or set corpus.path in the spec")
    patterns = [_compiled(place, source.glob) for place, source in enumerate(sources)]
    files: list[RawFile] = []
    refused: list[tuple[str, Rejected]] = []
    used: set[int] = set()
    unmatched = 0
    for name, path, problem in sorted(_walk(root), key=lambda entry: entry[0]):
        place = next((place for place, pattern in enumerate(patterns) if pattern.fullmatch(name)), None)
        reader = None if place is None else _reader(name, sources[place])
        if place is None or (reader is None and problem is None):
            unmatched += 1
            continue
        used.add(place)
        if problem is not None:
            refused.append((name, Rejected("", "unreadable", problem)))
        elif reader is not None:
            files.append(RawFile(path, name, reader, sources[place].fields))
    if not files and not refused and not unmatched:
        raise InputError(f"corpus folder {root} holds no files", hint="put the raw files there, or set corpus.path in the spec")
    _warn_of_unused(sources, used, files)
    return Found(tuple(files), tuple(refused), unmatched)


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over relative paths: `*` and `?` stay within a folder, `**` crosses folders."""
    parts = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])", glob)
    return "".join(parts.get(piece) or (_class(piece) if at % 2 else re.escape(piece)) for at, piece in enumerate(pieces))


def _compiled(place: int, glob: str) -> re.Pattern[str]:
    try:
        return re.compile(glob_pattern(glob), re.DOTALL)
    except re.error:
        raise InputError(f"corpus.sources.{place}.glob: '{glob}' has a range that runs backwards", hint="write ranges as in [a-z]") from None


def _class(piece: str) -> str:
    negated, members = piece[1] == "!", piece[1:-1].lstrip("!").replace("\\", r"\\").replace("^", r"\^").replace("[", r"\[")
    return f"(?!/)[{'^' if negated else ''}{members}]"


def _walk(root: Path) -> list[tuple[str, Path, str | None]]:
    """(name, path, why it may not be read) of everything that is not a folder, links to folders included."""
    entries: list[tuple[str, Path, str | None]] = []
    inside = root.resolve()

    def note(error: OSError) -> None:
        path = Path(str(error.filename))
        entries.append((_shown(path.relative_to(root)), path, "a folder that cannot be listed"))

    for folder, folders, names in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*names, *links]:
            if not name.startswith("."):
                path = Path(folder) / name
                entries.append((_shown(path.relative_to(root)), path, _problem(path, inside)))
    return entries


def _problem(path: Path, inside: Path) -> str | None:
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return "a link that leads nowhere"
        if not target.is_relative_to(inside):
            return "a link that leaves the corpus folder"
        if target.is_dir():
            return "a link to a folder; its files are read where they are"
    return None if path.is_file() else "not a regular file"


def _shown(name: Path) -> str:
    """The name as text, also when its bytes are not UTF-8."""
    return os.fsencode(name.as_posix()).decode("utf-8", "backslashreplace")


def _reader(name: str, source: Source) -> ReaderName | None:
    return source.reader if source.reader != "auto" else ENDINGS.get("." + name.rpartition(".")[2].lower())


def _warn_of_unused(sources: tuple[Source, ...], used: set[int], files: list[RawFile]) -> None:
    for place, source in enumerate(sources):
        if place not in used:
            log.warning("corpus.sources.%d: no file matches '%s', or an earlier source takes them all", place, source.glob)
    fielded = {file.fields for file in files if file.reader in ("csv", "jsonl")}
    for place, source in enumerate(sources):
        if place in used and source.fields != FieldNames() and source.fields not in fielded:
            log.warning("corpus.sources.%d: fields are for csv and jsonl files, and '%s' matches none", place, source.glob)
