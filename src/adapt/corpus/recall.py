"""What a piece was read from, as a key; and the pieces of an earlier build that were read from the same.

A key covers the settings, the input's name, and the raw draft without its place; of a file that is read by lines, the raw line in place of the draft,
so that unchanged lines are not even parsed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby, pairwise
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adapt.artifact.digest import digest_folder, digest_value
from adapt.corpus.cache import former_generation
from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.pieces import NO_KEY
from adapt.corpus.readers.portion import Portion
from adapt.corpus.readers.reading import read_lines, read_portion
from adapt.corpus.settings import Settings
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.spool import BATCH_ROWS
from adapt.corpus.store import as_keys
from adapt.records import LedgerRow
from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.corpus import CorpusSection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CONTENT = ("title", "text", "instruction", "input", "output", "rejected", "licence", "date", "group", "label")
_AT_ONCE = 64 << 20
"""A portion of more bytes has a line that is too long to be held, and is read in the bounded way."""


class Raw(NamedTuple):
    """A piece as it was read, and what it was read from."""

    piece: Draft | Rejected | LedgerRow
    source: str
    key: bytes
    size: int
    """Roughly its bytes."""


@dataclass(frozen=True)
class Taken:
    """The pieces of an input that has not changed, in the former generation."""

    start: int
    """Place of the first."""
    count: int
    key: bytes = b""
    """Of the portion that they are of, if they are of one."""


class Known(NamedTuple):
    """Pieces that stand in the former generation."""

    rows: "NDArray[np.int64]"
    """Their places there."""
    first: int | None
    """Number of the first line, when they are of lines one after the other; None: they did not move."""
    size: int
    """Roughly their bytes."""

    def lines(self) -> "NDArray[np.int64]":
        """The numbers of the lines; 0 where pieces did not move."""
        import numpy as np

        return np.zeros(len(self.rows), np.int64) if self.first is None else np.arange(self.first, self.first + len(self.rows))


def settings_key(section: CorpusSection) -> bytes:
    """Digest of all that shapes a piece beside its input: code, libraries, settings, the key of pseudonyms, and the models that find names."""
    pii = section.corpus.pii
    told = {
        "section": section.model_dump(mode="json", exclude={"corpus": {"path", "boilerplate"}}),
        "waits": section.corpus.boilerplate is not None,
        "pseudonyms": environ.get(pii.pseudonym_key or "", ""),
        "names": {} if pii.names is None else {name: _model(name) for name in ("presidio-analyzer", "spacy", *pii.names.models.values())},
    }
    return bytes.fromhex(digest_value(told))[:16]


def input_key(input: RawInput, settings: Settings) -> bytes:
    """Key of everything but the content of an input."""
    return _digest(settings.key, f"{input.source}\0{input.reader}\0{input.member}\0{input.name}".encode("utf-8", "surrogatepass"))


def portion_key(portion: Portion, settings: Settings) -> bytes:
    """Key of a part of a file of lines: its bytes, and which line is the first. Empty for another portion, and where nothing is kept."""
    if not settings.key or not portion.digest:
        return b""
    return _digest(input_key(portion.input, settings), f"{portion.first_line}\0".encode() + portion.digest)


def runs(portions: Iterable[Portion | Taken]) -> Iterator[tuple[Portion | Taken, list[int]]]:
    """Portions to read, and what is taken over as far as it stands together in the former generation, with the counts of its inputs."""
    for taken, group in groupby(portions, key=lambda portion: isinstance(portion, Taken)):
        if not taken:
            yield from ((portion, []) for portion in group)
            continue
        start = end = 0
        counts: list[int] = []
        for portion in group:
            assert isinstance(portion, Taken)
            if counts and portion.start != end:
                yield Taken(start, end - start), counts
                counts = []
            start, end = start if counts else portion.start, portion.start + portion.count
            counts.append(portion.count)
        yield Taken(start, end - start), counts


def raw_pieces(portion: Portion | Taken, settings: Settings) -> Iterator[Raw | Known]:
    """The pieces of a portion, in order; those that the former generation knows are not read."""
    import numpy as np

    if isinstance(portion, Taken):
        assert settings.former is not None
        for start, count, size in former_generation(settings.former).pieces.spans(portion.start, portion.count):
            yield Known(np.arange(start, start + count), None, size)
        return
    if not settings.key:
        yield from (_raw(piece, portion.input.name, NO_KEY) for piece in _read(portion, settings))
        return
    key = input_key(portion.input, settings)
    if portion.end is not None and portion.end - portion.start <= _AT_ONCE and portion.input.reader in ("json", "jsonl"):
        yield from _by_lines(portion, settings, key)
    else:
        for piece in _read(portion, settings):
            yield _raw(piece, portion.input.name, _key_of(piece, key))


def _key_of(piece: Draft | Rejected | LedgerRow, key: bytes) -> bytes:
    """Key of a raw draft, wherever in its source it stands; what is rejected at once needs none."""
    if not isinstance(piece, Draft):
        return NO_KEY
    parts = (*(getattr(piece, name) for name in _CONTENT), *(part for turn in piece.messages for part in turn))
    form = repr((piece.kind, piece.wrapped, piece.edits, [*map(len, parts)]))
    return _digest(key, (form + "".join(parts)).encode("utf-8", "surrogatepass"))


def _by_lines(portion: Portion, settings: Settings, key: bytes) -> Iterator[Raw | Known]:
    """A line that gave one piece, and is its whole place, is that piece's key; other lines are read every time."""
    import numpy as np

    with Path(portion.input.path).open("rb") as file:
        file.seek(portion.start)
        data = file.read((portion.end or 0) - portion.start)
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    bare = [line.rstrip(b"\r") for line in lines] if b"\r" in data else lines
    keys = [sha256(key + line).digest()[:16] for line in bare]
    rows = former_generation(settings.former).pieces.find(as_keys(keys)) if settings.former else np.full(len(lines), -1)
    name, first, now = portion.input.name, portion.first_line, 0

    def unknown() -> Iterator[tuple[int, bytes]]:
        nonlocal now
        for now in np.flatnonzero(rows < 0).tolist():
            yield first + now, lines[now]

    def known(start: int, end: int) -> Iterator[Known]:
        edges = [start, *(start + 1 + np.flatnonzero(np.diff(rows[start:end] >= 0))).tolist(), end]
        for begin, stop in pairwise(edges):
            for at in range(begin, stop if stop > begin and rows[begin] >= 0 else begin, BATCH_ROWS):
                part = slice(at, min(at + BATCH_ROWS, stop))
                yield Known(rows[part], first + at, sum(map(len, lines[part])))

    corpus, done = settings.corpus, 0
    pieces = read_lines(unknown(), portion.input, corpus.sources[portion.input.source], corpus.limits)
    for at, group in groupby(pieces, key=lambda _: now):  # pieces of one line come one after the other, before the next line is asked for
        yield from known(done, at)
        made, done = list(group), at
        alone = len(made) == 1 and made[0].locator == f"line {first + at}" and not isinstance(made[0], LedgerRow)
        for piece in made:
            yield _raw(piece, name, keys[at] if alone else _key_of(piece, key))
    yield from known(done, len(lines))


def _read(portion: Portion, settings: Settings) -> Iterator[Draft | Rejected | LedgerRow]:
    corpus: CorpusSpec = settings.corpus
    source = corpus.sources[portion.input.source]
    return read_portion(portion, source, limits=corpus.limits, adverts=corpus.adverts, root=settings.root, all_encodings=True)


def _raw(piece: Draft | Rejected | LedgerRow, source: str, key: bytes) -> Raw:
    size = 3 * (len(piece.text) + len(piece.output) + len(piece.input)) if isinstance(piece, Draft) else 0
    return Raw(piece, source, key, size)


def _digest(key: bytes, content: bytes) -> bytes:
    return blake2b(key + content, digest_size=16).digest()


def _model(name: str) -> str:
    """Version of a package, or digest of a folder."""
    if Path(name).is_dir():
        return digest_folder(Path(name))
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
