"""Records that bring material in `input`: a passage or a table to answer from, which other questions may share.

However much of a record's text the material is, it is not what is asked. So two such records are near-duplicates only when they are similar as
wholes and in what is asked and answered alone, and a question counts as known from the test split when its own words stand there, not
when both rest on one statute. An instruction that comes with several inputs is a task, such as "Translate into German.": there the input
is what is asked.

Such records become candidates for near-duplicates by what is asked and answered (`RecordTable.take_band_keys`), so a thousand questions on one long
text cost no more than others.
"""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.fingerprints import Material
from adapt.dataset.dedup.near import Measure
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.formatters.result import known_by
from adapt.records import AlpacaRecord

Keys = NDArray[np.uint64]


def read_material(record: AlpacaRecord) -> Material:
    """What a record that brings material consists of; empty texts for a record that brings none."""
    if not record.input:
        return Material("", "", "")
    return Material(record.instruction, record.input, known_by(record.instruction, "", record.output, record.rejected))


def find_references(inputs: Keys, instructions: Keys) -> NDArray[np.bool_]:
    """Whether the input of each record is reference text: it has one, and its instruction comes with no other. Keys have shape (records, 2)."""
    brings = inputs.any(axis=1)
    pairs = np.unique(np.concatenate([instructions, inputs], axis=1)[brings], axis=0)
    asked, counts = np.unique(pairs[:, :2], axis=0, return_counts=True)
    tasks = asked[counts > 1].copy()
    kind = [("high", np.uint64), ("low", np.uint64)]
    return brings & ~np.isin(np.ascontiguousarray(instructions).view(kind)[:, 0], tasks.view(kind)[:, 0])


def measure_without_input(alone: ShingleFile) -> Measure | None:
    """Jaccard similarity of pairs by their sets in `alone`, 1 where one of the two has none; None when no record has one."""
    sizes = alone.sizes()
    if not sizes.any():
        return None

    def measure(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        similarity = np.ones(len(left), dtype=np.float64)
        both = (sizes[left] > 0) & (sizes[right] > 0)
        similarity[both] = alone.similarity(left[both], right[both])
        return similarity

    return measure
