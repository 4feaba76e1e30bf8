"""Record tables for tests, filled without a build."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adapt.artifact.digest import digest_text
from adapt.artifact.progress import QuietProgress
from adapt.dataset.dedup.fingerprints import fingerprint
from adapt.dataset.dedup.minhash import choose_bands
from adapt.dataset.duplicates import Kept, drop_duplicates
from adapt.dataset.formatters.result import known_by, record_id
from adapt.dataset.shared_input import read_material
from adapt.dataset.table import UNDATED, RecordTable, Worth, natural
from adapt.records import AlpacaRecord
from adapt.spec.dataset import DatasetSpec, NearDuplicates

CUT = choose_bands(0.7, 256, 0.999)


def record(output: str, instruction: str = "", *, source: str = "a.jsonl", line: int = 1, language: str = "en", licence: str = "") -> AlpacaRecord:
    asked = instruction or f"question {source} {line}"
    return AlpacaRecord(
        id=record_id(asked, "", output),
        instruction=asked,
        output=output,
        language=language,
        source=source,
        locator=f"line {line}",
        document=digest_text(source, str(line), output),
        licence=licence,
    )


def answers(*outputs: str) -> list[AlpacaRecord]:
    """Records with these answers, line after line."""
    return [record(output, line=line) for line, output in enumerate(outputs, 1)]


@contextmanager
def filled(folder: Path, records: Sequence[AlpacaRecord], *, at_once: int = 100, **worth: Sequence[float]) -> Iterator[RecordTable]:
    """A table with the records, appended `at_once` at a time; `worth` may give quality, dates and answers."""
    count = len(records)
    quality = np.array(worth.get("quality", [0.0] * count))
    dates = np.array(worth.get("dates", [UNDATED] * count), dtype=np.int64)
    lengths = np.array([len(each.output) for each in records], dtype=np.int64)
    folder.mkdir(exist_ok=True)
    with RecordTable(folder) as table:
        for begin in range(0, count, at_once):
            part = slice(begin, begin + at_once)
            some = records[part]
            texts = [known_by(each.instruction, each.input, each.output) for each in some]
            columns = {name: [getattr(each, name) for each in some] for name in ("document", "source", "locator", "licence", "language")}
            facts = pa.RecordBatch.from_pydict({"record": [each.id for each in some], **columns, "place": [natural(each.locator) for each in some]})
            table.append(
                facts,
                [each.model_dump_json().encode() for each in some],
                fingerprint(texts, [each.question for each in some], NearDuplicates(), CUT, [read_material(each) for each in some]),
                tokens=np.arange(begin, begin + len(some)),
                worth=Worth(quality[part], dates[part], lengths[part]),
            )
        table.finish()
        yield table


def deduplicate(table: RecordTable, **spec: Any) -> Kept:
    """`drop_duplicates` with fields of the dataset spec; near-duplicates stay unless they are named."""
    with QuietProgress().task("duplicates") as task:
        return drop_duplicates(table, np.arange(len(table)), DatasetSpec(**{"near_duplicates": None, **spec}), task)
