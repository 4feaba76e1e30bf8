"""Finds what there is to read and decides how.

Enters: the corpus folder and the sources of the spec. Leaves: one input for each file, member of an archive, query, hub data set and package, in
the order of their names, and what was refused: links that leave the folder (a corpus must not read the rest of the disk), archive members
that lead elsewhere, things that are not files, and what is beyond the limits. Hidden files and folders are ignored.
"""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Literal, NamedTuple

from adapt.artifact.ignored import ignore_filter
from adapt.corpus.draft import Rejected
from adapt.corpus.sources.archives import close_all, list_members
from adapt.corpus.sources.inputs import Found, RawInput
from adapt.corpus.sources.members import Member
from adapt.corpus.sources.names import Glob, archive, is_hidden, reader_of, shown
from adapt.corpus.sources.stores import is_url, list_url, public
from adapt.corpus.sources.streams import MIB, Refused, too_large
from adapt.errors import InputError
from adapt.spec.corpus import Fields, FileReader, FileSource, HubSource, Limits, PythonDocsSource, Source, SqlSource

log = logging.getLogger(__name__)

_OF_RECORDS = ("csv", "json", "jsonl", "parquet", "xml", "sql", "hub")
"""Readers that `fields` tells where the texts stand."""


def find_inputs(
    root: Path,
    sources: tuple[Source, ...],
    limits: Limits,
    *,
    workspace: Path,
    listing: Callable[[str, Limits], Iterator[Member]] = list_members,
    quiet: bool = False,
) -> Found:
    """Everything readable that the sources lead to, each with the first source that matches it.

    `root` is the corpus folder, needed only when a source reads from it; relative `file://` URLs start at `workspace`. `listing`
    gives the members of an archive. Warns of sources that lead to nothing, unless `quiet`. Raises InputError when
    the folder is missing, when there is nothing at all, when a glob is malformed, and when a URL cannot be listed.
    """
    close_all()
    search = _Search(sources, limits, listing)
    for place, source in enumerate(sources):
        search.add_source(place, source, workspace)
    if search.needs_folder:
        if not root.is_dir():
            raise InputError(f"corpus folder {root} does not exist", hint="put the raw files there, or set corpus.path in the spec")
        ignored: list[str] = []
        for entry in _walk(root, ignored):
            search.add_entry(entry)
        if ignored:
            listed = ", ".join(ignored[:3]) + (" …" if len(ignored) > 3 else "")
            log.warning("%s: .dvcignore hides %d entries, which are not read: %s", root.name, len(ignored), listed)
    if not search.inputs and not search.refused and not search.unmatched:
        raise InputError(f"corpus folder {root} holds no files", hint="put the raw files there, or set corpus.path in the spec")
    if not quiet:
        _warn_of_unused(sources, search)
    return Found(_named_apart(search.inputs), tuple(sorted(search.refused, key=itemgetter(0))), search.unmatched)


def walk_names(root: Path) -> Iterator[str]:
    """Names of all that lies below folder `root` and is not hidden, as globs see them."""
    return (entry.name for entry in _walk(root, []))


class _Entry(NamedTuple):
    """Something that a folder holds: a file, or what may not be entered."""

    name: str
    path: str
    size: int
    refusal: Refused | None = None
    folder: bool = False


class _Search:
    """What has been found so far."""

    def __init__(self, sources: tuple[Source, ...], limits: Limits, listing: Callable[[str, Limits], Iterator[Member]]) -> None:
        self.inputs: list[RawInput] = []
        self.refused: list[tuple[str, Rejected]] = []
        self.unmatched = 0
        self.used: set[int] = set()
        self._limits, self._listing = limits, listing
        self._most = limits.max_file_mib * MIB
        self._readers: list[FileReader | Literal["auto"]] = [source.reader if isinstance(source, FileSource) else "auto" for source in sources]
        self._local = [
            (place, Glob(source.glob, place)) for place, source in enumerate(sources) if isinstance(source, FileSource) and not is_url(source.glob)
        ]
        self.needs_folder = bool(self._local)

    def add_source(self, place: int, source: Source, workspace: Path) -> None:
        """What a source leads to that is not in the corpus folder."""
        if not isinstance(source, FileSource):
            self.used.add(place)
            self.inputs.append(RawInput(_name(source, place), place, source.kind))
        elif is_url(source.glob):
            url, members = _split(source.glob, place)
            for name, path, size in list_url(url, place, workspace):
                if members is not None:
                    self._add_archive(name, path, None, [(place, members)])
                elif archive(name) is not None:
                    self._add_archive(name, path, place, [])
                else:
                    self._add_file(name, path, size, place)

    def add_entry(self, entry: _Entry) -> None:
        """A file of the corpus folder, the members of an archive in it, or what may not be read there."""
        place = _first(self._local, entry.name)
        if entry.refusal is not None:
            if place is not None or (entry.folder and any(glob.reaches(entry.name) for _, glob in self._local)):
                self._refuse(entry.name, entry.refusal, place)
            else:
                self.unmatched += 1
        elif archive(entry.name) is None:
            self._add_file(entry.name, entry.path, entry.size, place)
        elif place is not None or any(glob.reaches(entry.name) for _, glob in self._local):
            self._add_archive(entry.name, entry.path, place, self._local)
        else:
            self.unmatched += 1

    def _add_file(self, name: str, path: str, size: int, place: int | None) -> None:
        reader = None if place is None else self._reader(name, place)
        if place is None or reader is None:
            self.unmatched += 1
        elif size > self._most:
            self._refuse(name, too_large(self._limits), place)
        else:
            self.used.add(place)
            self.inputs.append(RawInput(name, place, reader, path, size=size))

    def _add_archive(self, name: str, path: str, whole: int | None, globs: list[tuple[int, Glob]]) -> None:
        """`whole` is the source that means the archive itself, and so all its members but for those that earlier ones of `globs` match."""
        before = len(self.inputs), len(self.refused), self.unmatched
        try:
            for member in self._listing(path, self._limits):
                if not is_hidden(member.shown) or member.misnamed:
                    shown_name = f"{name}/{member.shown}"
                    places = (_first(globs, shown_name), whole)
                    self._add_member(shown_name, path, member, min((place for place in places if place is not None), default=None))
        except Refused as refusal:
            if refusal.rule != "unreadable":  # what was listed before is no better than the rest
                del self.inputs[before[0] :], self.refused[before[1] :]
                self.unmatched = before[2]
            self._refuse(name, refusal, whole)

    def _add_member(self, name: str, path: str, member: Member, place: int | None) -> None:
        if member.refusal is not None and (place is not None or member.misnamed):
            self._refuse(name, member.refusal, place)
        elif place is None:
            self.unmatched += 1
        elif archive(name) is not None:
            self._refuse(name, Refused("unsafe", "The member is an archive itself; archives in archives are not entered."), place)
        elif (reader := self._reader(name, place)) is None:
            self.unmatched += 1
        else:
            self.used.add(place)
            self.inputs.append(RawInput(name, place, reader, path, member.name, member.size))

    def _refuse(self, name: str, refusal: Refused, place: int | None) -> None:
        if place is not None:
            self.used.add(place)
        self.refused.append((name, refusal.rejected()))

    def _reader(self, name: str, place: int) -> FileReader | None:
        reader = self._readers[place]
        return reader_of(name) if reader == "auto" else reader


def _name(source: SqlSource | HubSource | PythonDocsSource, place: int) -> str:
    if isinstance(source, HubSource):
        return f"hub:{source.dataset}/{source.split}"
    return f"python:{source.package}" if isinstance(source, PythonDocsSource) else f"sql:{place}"


def _split(url: str, place: int) -> tuple[str, Glob | None]:
    """The URL of an archive and what its glob means of it, for a glob that goes into one; else the URL as it is."""
    parts = url.split("/")
    at = next((at for at, part in enumerate(parts[:-1]) if at > 2 and archive(part) is not None), None)
    return (url, None) if at is None else ("/".join(parts[: at + 1]), Glob(public(url), place))


def _first(globs: list[tuple[int, Glob]], name: str) -> int | None:
    return next((place for place, glob in globs if glob.matches(name)), None)


def _walk(root: Path, ignored: list[str]) -> Iterator[_Entry]:
    """Everything below the folder that is not hidden, folders themselves left out unless they may not be entered.

    What DVC ignores is left out, and noted in `ignored`: DVC would not see it change.
    """
    inside = root.resolve()
    ignores = ignore_filter(inside)
    waiting = [("", str(inside))]
    while waiting:
        above, folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = shown(above + entry.name)
                    if ignores(above + entry.name + "/" * entry.is_dir(follow_symlinks=False)):
                        ignored.append(name)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append((f"{above}{entry.name}/", entry.path))
                    elif entry.is_symlink():
                        yield _followed(name, entry.path, inside)
                    elif entry.is_file(follow_symlinks=False):
                        yield _Entry(name, entry.path, entry.stat(follow_symlinks=False).st_size)
                    else:
                        yield _Entry(name, entry.path, 0, Refused("unsafe", "It is a pipe, a socket or a device, not a file."))
        except OSError:
            yield _Entry(shown(above.rstrip("/")) or ".", folder, 0, Refused("unreadable", "The folder cannot be listed."), folder=True)


def _followed(name: str, path: str, inside: Path) -> _Entry:
    try:
        target = Path(path).resolve(strict=True)
        size = target.stat().st_size
    except (OSError, RuntimeError):
        return _Entry(name, path, 0, Refused("unreadable", "The link leads nowhere."))
    if not target.is_relative_to(inside):
        return _Entry(name, path, 0, Refused("unsafe", "The link leaves the corpus folder."), folder=target.is_dir())
    if target.is_dir():
        return _Entry(name, path, 0, Refused("unsafe", "The link leads to a folder of the corpus; its files are read where they are."), folder=True)
    refusal = None if target.is_file() else Refused("unsafe", "It is a pipe, a socket or a device, not a file.")
    return _Entry(name, path, size, refusal)


def _named_apart(inputs: list[RawInput]) -> tuple[RawInput, ...]:
    """In the order of their names. Behind URLs, two sources can lead to one file, which is the first one's, and two files can share a name, as web
    addresses do that differ in their queries: the later ones are numbered."""
    inputs.sort(key=attrgetter("name", "source", "path", "member"))
    ordered: list[RawInput] = []
    for name, group in groupby(inputs, key=attrgetter("name")):
        namesakes: dict[tuple[str | int, str], RawInput] = {}
        for input in group:
            namesakes.setdefault((input.path or input.source, input.member), input)
        ordered += [replace(input, name=f"{name}#{number}") if number > 1 else input for number, input in enumerate(namesakes.values(), 1)]
    return tuple(ordered)


def _warn_of_unused(sources: tuple[Source, ...], search: _Search) -> None:
    fielded = {input.source for input in search.inputs if input.reader in _OF_RECORDS}
    for place, source in enumerate(sources):
        if place not in search.used:
            log.warning("corpus.sources.%d: no file matches '%s', or an earlier source takes them all", place, getattr(source, "glob", ""))
        elif source.fields != Fields() and place not in fielded:
            log.warning("corpus.sources.%d: fields are for readers of records (%s), and it has none", place, ", ".join(_OF_RECORDS))
