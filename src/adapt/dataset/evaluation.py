"""Reads evaluation sets for decontamination: every text in a file, whatever its fields are called, with its place."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from adapt.errors import InputError

Named = tuple[str, str]
_LONGEST_CELL = 1 << 30


def read_texts(root: Path, path: str) -> Iterator[Named]:
    """Texts of the file `path`, relative to `root`, each named `path:place`. Raises InputError when it is missing, of an unknown kind or broken."""
    file = root / path
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: evaluation sets are read from {', '.join(_READERS)}", hint="convert it, or name another file in decontamination.against"
        )
    if not file.is_file():
        raise InputError(f"{path}: the evaluation set does not exist", hint="decontamination.against names files relative to the workspace")
    try:
        yield from ((f"{path}:{place}", text) for place, text in reader(file))
    except RecursionError:
        raise InputError(f"{path}: JSON nested too deeply", hint="an evaluation set holds texts in a few levels of lists and objects") from None
    except (ValueError, csv.Error, OSError) as error:  # JSON, UTF-8 and Parquet raise these
        raise InputError(f"{path}: {error}", hint="the evaluation set is broken, or is not what its suffix says") from None


def _json(path: Path) -> Iterator[Named]:
    return _strings(json.loads(path.read_text(encoding="utf-8-sig")), "")


def _json_lines(path: Path) -> Iterator[Named]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield from _strings(json.loads(line), f"line {number}")


def _table(path: Path) -> Iterator[Named]:
    csv.field_size_limit(_LONGEST_CELL)  # the module's own limit of 131072 is below long passages
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), 1):
            yield from _strings(row, f"row {number}")


def _parquet(path: Path) -> Iterator[Named]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for number, row in enumerate(batch.to_pylist(), number + 1):  # noqa: B020 (goes on where the last batch ended)
                yield from _strings(row, f"row {number}")


def _text(path: Path) -> Iterator[Named]:
    with path.open(encoding="utf-8-sig") as file:
        yield from ((f"line {number}", line) for number, line in enumerate(file, 1) if line.strip())


def _strings(value: Any, place: str) -> Iterator[Named]:
    """All texts inside a value, each with the way to it."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{place} {key}".strip())
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _strings(inner, f"{place} {number}".strip())


_READERS: dict[str, Callable[[Path], Iterator[Named]]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
    ".txt": _text,
}
