"""Holds section `corpus` against what is there, before anything is built: folder, globs, columns, environment
variables.

Enters: the section and the folder of the raw files. Leaves: problems as `field: message` with a hint on a
line of its own, all of them at once. Names of files and the first records of a few are read; URLs, databases
and hubs are not asked.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from adapt.corpus.pii.guard import Guard
from adapt.corpus.readers.checking import check_fields
from adapt.corpus.sources.files import find_inputs, walk_names
from adapt.corpus.sources.members import Member
from adapt.corpus.sources.names import Glob, archive
from adapt.corpus.sources.stores import is_url
from adapt.errors import InputError
from adapt.spec.corpus import CorpusSpec, FileSource, Limits, Source, SqlSource
from adapt.spec.problems import nearest

_COMPARED = 2000
"""Names that a glob is compared with to say what it may have meant."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def corpus_problems(corpus: CorpusSpec, raw: Path, *, shown: str, workspace: Path) -> list[str]:
    """Problems of the section whose raw files lie in `raw`, which messages call `shown`."""
    problems = [*_variables(corpus)]
    local = [(place, source) for place, source in enumerate(corpus.sources) if _is_local(source)]
    if local and not raw.is_dir():
        return [*problems, _without_folder(raw, shown)]
    names = list(walk_names(raw)) if local else []
    if local and not names:
        return [*problems, f"corpus.path: the folder {shown} holds no files\nhint: {_where_to_put(raw, shown)}"]
    fruitless = set()
    for place, source in local:
        try:
            glob = Glob(source.glob, place)
        except InputError as error:
            problems.append(str(error))
            fruitless.add(place)
            continue
        if not any(glob.matches(name) or (archive(name) is not None and glob.reaches(name)) for name in names):
            message = f"corpus.sources.{place}.glob: no file of {shown} matches '{source.glob}'"
            problems.append(f"{message}\nhint: {_instead(source.glob, names)}")
            fruitless.add(place)
    return problems + _columns(corpus, raw, workspace, fruitless) if len(fruitless) < len(local) else problems


def _without_folder(raw: Path, shown: str) -> str:
    return f"corpus.path: the folder {shown} does not exist\nhint: {_where_to_put(raw, shown)}"


def _where_to_put(raw: Path, shown: str) -> str:
    if raw.with_name(f"{raw.name}.dvc").is_file():
        return f"DVC tracks it: fetch it with `dvc pull {shown}`"
    beside = list(raw.parent.iterdir()) if raw.parent.is_dir() else []
    guess = nearest(raw.name, [path.name for path in beside if path.is_dir() and path != raw])
    where = f"set corpus.path to {shown.removesuffix(raw.name)}{guess}, or " if guess else ""
    return f"{where}put the raw files there, or set corpus.path in the spec"


def _instead(glob: str, names: list[str]) -> str:
    """What the glob may have meant, else what there is."""
    compared = names[:_COMPARED]
    if "*" in glob or "?" in glob or "[" in glob:
        parts = ((name.rpartition("/"), Path(name).suffix) for name in compared)
        choices = {f"{folder}{slash}*{suffix}" for (folder, slash, _), suffix in parts}
    else:
        choices = set(compared)
    if guess := nearest(glob, sorted(choices)):
        return f"did you mean '{guess}'?"
    endings = Counter(Path(name).suffix or name for name in names)
    return "there are " + ", ".join(f"{count} {ending}" for ending, count in endings.most_common(6))


def _columns(corpus: CorpusSpec, raw: Path, workspace: Path, fruitless: Iterable[int]) -> list[str]:
    """Problems of the fields: of the sources that read files from the corpus folder, archives left closed."""
    problems, left_out = [], set(fruitless)
    sources = tuple(source if _is_local(source) else _NOTHING for source in corpus.sources)
    try:
        found = find_inputs(raw, sources, corpus.limits, workspace=workspace, listing=_closed, quiet=True)
    except InputError:  # nothing but archives, which stay closed; or a glob that was reported already
        return []
    for place, source in enumerate(sources):
        inputs = [entry for entry in found.inputs if entry.source == place]
        if place in left_out or not inputs:
            continue
        try:
            check_fields(source, inputs, limits=corpus.limits, root=workspace)
        except InputError as error:
            problems.append(str(error))
    return problems


def _is_local(source: Source) -> TypeGuard[FileSource]:
    return isinstance(source, FileSource) and not is_url(source.glob)


def _closed(path: str, limits: Limits) -> Iterator[Member]:
    """The members of an archive that stays closed."""
    return iter(())


_NOTHING = FileSource(glob="\0")
"""A source that no file matches, in the place of one that is not asked."""


def _variables(corpus: CorpusSpec) -> Iterator[str]:
    try:
        Guard(corpus.pii.model_copy(update={"names": None, "person": "allow", "address": "allow"}))
    except InputError as error:
        yield f"corpus.pii.pseudonym_key: {error}"
    for place, source in enumerate(corpus.sources):
        for name in _VARIABLE.findall(source.url) if isinstance(source, SqlSource) else ():
            if name not in os.environ:
                message = f"corpus.sources.{place}.url: the environment variable {name} is not set"
                yield f"{message}\nhint: export it before the build"
