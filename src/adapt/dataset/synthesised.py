"""Records that a teacher makes of running text, judged by the same rules as all others."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.artifact.documents import from_batch
from adapt.artifact.progress import Task
from adapt.dataset.formatters.result import Formatted
from adapt.dataset.prepare import Prepared, Settings, prepare_made
from adapt.dataset.synthesis.synthesize import synthesize
from adapt.dataset.synthesis.teacher import Teacher
from adapt.spec.synthesis import Synthesis

if TYPE_CHECKING:
    import pyarrow as pa

_PASSAGES_AT_ONCE = 512


def prepare_synthesised(
    batches: Iterable["pa.RecordBatch"],
    synthesis: Synthesis,
    settings: Settings,
    *,
    template: str | None,
    teacher: Teacher,
    cache: Path,
    seed: int,
    task: Task,
) -> Iterator[Prepared]:
    """What the teacher makes of the running text among documents."""
    documents = (document for batch in batches for document in from_batch(batch) if document.kind == "text")
    made = synthesize(documents, synthesis, template=template, teacher=teacher, cache=cache, seed=seed, task=task)
    while group := list(islice(made, _PASSAGES_AT_ONCE)):
        yield prepare_made([passage.document for passage in group], [Formatted(passage.candidates, passage.dropped) for passage in group], settings)
