"""Puts documents in the order of their ids without holding them in memory: they wait on disk, only ids and places are kept."""

from pathlib import Path
from types import TracebackType
from typing import Self

from adapt.records import Document


class DocumentSpool:
    """Documents on their way to disk, in the order of arrival; a context manager. True when it holds any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: list[tuple[str, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, document: Document) -> None:
        """Append a document."""
        line = document.model_dump_json().encode() + b"\n"
        self._file.write(line)
        self._places.append((document.id, self._end, len(line)))
        self._end += len(line)

    def write_sorted(self, path: Path) -> None:
        """Write all documents as lines of JSON, sorted by id."""
        with self._path.open("rb") as source, path.open("wb") as target:
            for _, begin, length in sorted(self._places):
                source.seek(begin)
                target.write(source.read(length))
