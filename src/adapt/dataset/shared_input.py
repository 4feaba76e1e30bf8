"""Questions on one passage or table are no duplicates of each other, however much of their text the material is.

Two records that bring material in `input` are near-duplicates only when they are similar as wholes and in what is asked and answered alone.
Enters: the shingle sets of records without their material, made with the other fingerprints. Leaves: how similar pairs are by these. Such records
become candidates by what is asked and answered (`RecordTable.take_band_keys`), so a thousand questions on one long text cost no more than others.
"""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.near import Measure
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.formatters.result import known_by
from adapt.records import AlpacaRecord


def leave_out_input(record: AlpacaRecord) -> str:
    """What is asked and answered by a record that brings material; empty for a record that brings none."""
    return known_by(record.instruction, "", record.output, record.rejected) if record.input else ""


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
