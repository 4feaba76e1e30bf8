"""Reads one file, or one source without files, as the corpus stage does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.portion import Portion, divide
from adapt.corpus.readers.reading import read_portion
from adapt.corpus.sources.inputs import RawInput, ReaderName
from adapt.records import LedgerRow
from adapt.spec.corpus import CorpusSpec, Limits, Source

Piece = Draft | Rejected | LedgerRow


def source_of(**settings: Any) -> Source:
    """A source from what a spec would say of it."""
    entry = settings if "kind" in settings else {"glob": "*", **settings}
    (source,) = CorpusSpec.model_validate({"sources": [entry]}).sources
    return source


def input_of(path: Path, reader: ReaderName) -> RawInput:
    return RawInput(name=path.name, source=0, reader=reader, path=str(path), size=path.stat().st_size)


def pieces(path: Path, reader: ReaderName, *, limits: Limits | None = None, **settings: Any) -> list[Piece]:
    """Everything that a file gives, over all of its portions."""
    source, limits = source_of(**settings), limits or Limits()
    portions = divide(input_of(path, reader), source, limits)
    found = (piece for portion in portions for piece in read_portion(portion, source, limits=limits, adverts="drop", root=path.parent))
    return list(map(_uncounted, found))


def read(path: Path, content: str | bytes, *, limits: Limits | None = None, reader: ReaderName | None = None, **settings: Any) -> list[Piece]:
    """The same of a file that is written first; read by its ending."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    endings: dict[str, ReaderName] = {".md": "markdown", ".txt": "text"}
    return pieces(path, reader or endings.get(path.suffix) or path.suffix[1:], limits=limits, **settings)  # type: ignore[arg-type]


def read_source(root: Path | None = None, **settings: Any) -> list[Piece]:
    """Everything that a source without files gives."""
    source = source_of(**settings)
    portion = Portion(RawInput(name=f"{source.kind}:made", source=0, reader=source.kind))  # type: ignore[arg-type]
    return list(map(_uncounted, read_portion(portion, source, limits=Limits(), adverts="drop", root=root)))


def _uncounted(piece: Piece) -> Piece:
    """A piece without counts of characters, which tests/corpus/test_characters.py holds against what was written."""
    if isinstance(piece, Rejected):
        return piece._replace(characters=None)
    return replace(piece, unused=0) if isinstance(piece, Draft) else piece


def asked(piece: Piece) -> tuple[str, str, str]:
    """Question, material and answer of a draft."""
    assert isinstance(piece, Draft), piece
    return piece.instruction, piece.input, piece.output
