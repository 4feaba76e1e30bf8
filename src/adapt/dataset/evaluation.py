"""Reads evaluation sets for decontamination: every text in a file, whatever its fields are called, with its place.

A text that stands beside a question as something to answer from (`context`, `passage`, `input` ...) is marked as reference text. An
`input` is none where the same instruction comes with several: then the instruction is a task, and the input is what is asked.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from adapt.errors import InputError

_Row = tuple[str, Any]
_LONGEST_CELL = 1 << 30
_QUESTIONS = {"question", "instruction", "query", "prompt", "problem", "问题", "指令"}
_REFERENCES = {
    "input", "context", "contexts", "passage", "passages", "document", "documents", "evidence", "evidences", "background", "article", "articles",
    "reference", "references", "referencetext", "paragraph", "paragraphs", "table", "tables", "story", "statute", "statutes", "law", "laws",
    "knowledge", "material", "materials", "support", "supportingfacts", "source", "sourcetext", "retrieved", "retrievedcontexts",
    "上下文", "文章", "材料", "背景", "法条",
}  # fmt: skip
"""Names of fields, in small letters and without marks."""
_MARKS = re.compile(r"[\W_]+")


class EvaluationText(NamedTuple):
    """One text of an evaluation set."""

    name: str
    """`file:place`."""
    text: str
    is_reference: bool
    """Whether it stands beside a question as something to answer from."""


def read_texts(root: Path, path: str) -> Iterator[EvaluationText]:
    """Texts of the file `path`, relative to `root`. Raises InputError when it is missing, of an unknown kind or broken."""
    file = root / path
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: evaluation sets are read from {', '.join(_READERS)}", hint="convert it, or name another file in decontamination.against"
        )
    if not file.is_file():
        raise InputError(f"{path}: the evaluation set does not exist", hint="decontamination.against names files relative to the workspace")
    try:
        tasks = _find_tasks(value for _, value in reader(file))
        for place, value in reader(file):
            yield from (EvaluationText(f"{path}:{name}", text, given) for name, text, given in _texts(value, place, tasks, given=False))
    except RecursionError:
        raise InputError(f"{path}: JSON nested too deeply", hint="an evaluation set holds texts in a few levels of lists and objects") from None
    except (ValueError, csv.Error, OSError) as error:  # JSON, UTF-8 and Parquet raise these
        raise InputError(f"{path}: {error}", hint="the evaluation set is broken, or is not what its suffix says") from None


def _json(path: Path) -> Iterator[_Row]:
    yield "", json.loads(path.read_text(encoding="utf-8-sig"))


def _json_lines(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"line {number}", json.loads(line)


def _table(path: Path) -> Iterator[_Row]:
    csv.field_size_limit(_LONGEST_CELL)  # the module's own limit of 131072 is below long passages
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), 1):
            if None in row or None in row.values():
                raise ValueError(
                    f"row {number} has more or fewer cells than there are columns; a quote out of place joins rows, a bare comma parts cells"
                )
            yield f"row {number}", row


def _parquet(path: Path) -> Iterator[_Row]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for number, row in enumerate(batch.to_pylist(), number + 1):  # noqa: B020 (goes on where the last batch ended)
                yield f"row {number}", row


def _text(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig") as file:
        yield from ((f"line {number}", line) for number, line in enumerate(file, 1) if line.strip())


def _find_tasks(values: Iterable[Any]) -> set[int]:
    """Hashes of the questions that come with several inputs, wherever they stand."""
    inputs: defaultdict[int, set[int]] = defaultdict(set)
    waiting = iter(values)
    for value in waiting:
        for row in _objects(value):
            question = _question_of(row)
            if question is not None and isinstance(given := row.get("input"), str) and given.strip():
                inputs[hash(question)].add(hash(given))
    return {question for question, given in inputs.items() if len(given) > 1}


def _objects(value: Any) -> Iterator[dict[Any, Any]]:
    """All objects inside a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _question_of(row: dict[Any, Any]) -> str | None:
    return next((text for name, text in row.items() if _plain(name) in _QUESTIONS and isinstance(text, str) and text.strip()), None)


def _texts(value: Any, place: str, tasks: set[int], *, given: bool) -> Iterator[tuple[str, str, bool]]:
    """All texts inside a value, each with the way to it and whether it is reference text; `given` says that all of the value is."""
    if isinstance(value, str):
        yield place, value, given
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place} {key}".strip(), tasks, given=given or _is_reference(key, value, tasks))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _texts(inner, f"{place} {number}".strip(), tasks, given=given)


def _is_reference(key: Any, row: dict[Any, Any], tasks: set[int]) -> bool:
    """Whether the field `key` of a row is reference text: named so, without a question of its own, and one stands beside it or below, as in SQuAD."""
    if _plain(key) not in _REFERENCES or _asks(row[key]):
        return False
    question = _question_of(row)
    if question is None:
        return _asks(row)
    return not (key == "input" and hash(question) in tasks)


def _asks(value: Any) -> bool:
    return any(_question_of(row) is not None for row in _objects(value))


def _plain(name: Any) -> str:
    return _MARKS.sub("", str(name)).lower()


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
    ".txt": _text,
}
