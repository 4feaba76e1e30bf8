"""What is compared of records in place of their texts: keys for equality, shingle sets for similarity, band keys for candidates.

Enters: for each record the text that is compared, the question that is asked and, where it brings material, what is asked and answered without it.
Leaves: arrays. Pure, so that it runs in any worker.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.exact import content_keys
from adapt.dataset.dedup.letters import pieces_of
from adapt.dataset.dedup.minhash import Bands, band_keys
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.dedup.shingles import shingle
from adapt.spec.dataset import NearDuplicates


class Fingerprints(NamedTuple):
    """Arrays over some records, in their order."""

    contents: NDArray[np.uint64]
    """Keys of the compared texts in normal form, shape (records, 2)."""
    questions: NDArray[np.uint64]
    """Keys of the questions in normal form, shape (records, 2); zeros where nothing is asked, as in running text."""
    shingles: NDArray[np.uint32]
    """Shingles of the compared texts, ascending in each, one text after the other."""
    counts: NDArray[np.int64]
    """How many shingles each text has."""
    bands: NDArray[np.uint32]
    """Keys of the bands of each text, shape (bands, records); no bands where none are asked for."""
    alone_shingles: NDArray[np.uint32]
    """Shingles of the texts without their material, as `shingles`."""
    alone_counts: NDArray[np.int64]
    """How many each record has; 0 where there is no material."""
    alone_bands: NDArray[np.uint32]
    """Keys of their bands, shape (bands, records that have such shingles)."""
    inputs: NDArray[np.uint64]
    """Keys of the materials in normal form, shape (records, 2); zeros where there is none."""
    instructions: NDArray[np.uint64]
    """Keys of the instructions that come with a material, as `inputs`."""


class Material(NamedTuple):
    """What a record that brings material consists of. All are empty for a record that brings none."""

    instruction: str
    input: str
    alone: str
    """What is asked and answered, without the material."""


_NO_MATERIAL = Material("", "", "")


def fingerprint(
    contents: Sequence[str], questions: Sequence[str], near: NearDuplicates, cut: Bands | None, materials: Sequence[Material] | None = None
) -> Fingerprints:
    """The fingerprints of records with these compared texts and questions, as many of the one as of the other.

    `materials` says what each of them brings. Without `cut` no band keys are made.
    """
    materials = materials or [_NO_MATERIAL] * len(contents)
    made = [_fingerprint(contents[part], questions[part], materials[part], near, cut) for part in pieces_of(contents)]
    columns = zip(Fingerprints._fields, zip(*made, strict=True), strict=True)
    return Fingerprints(*(np.concatenate(arrays, axis=-1 if name.endswith("bands") else 0) for name, arrays in columns))


def _fingerprint(
    contents: Sequence[str], questions: Sequence[str], materials: Sequence[Material], near: NearDuplicates, cut: Bands | None
) -> Fingerprints:
    content = normalise(contents)
    values, counts = shingle(content, words=near.shingle_words, characters=near.shingle_characters)
    apart, sizes = np.zeros(0, dtype=np.uint32), np.zeros(len(contents), dtype=np.int64)
    inputs, instructions = (np.zeros((len(contents), 2), dtype=np.uint64) for _ in range(2))
    if any(material.input for material in materials):
        alone = normalise([material.alone for material in materials])
        apart, sizes = shingle(alone, words=near.shingle_words, characters=near.shingle_characters)
        inputs = _keys([material.input for material in materials])
        instructions = _keys([material.instruction for material in materials])
    bands, apart_bands = (_bands(*sets, cut) for sets in ((values, counts), (apart, sizes[sizes > 0])))
    return Fingerprints(content_keys(content), _keys(questions), values, counts, bands, apart, sizes, apart_bands, inputs, instructions)


def _keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Keys of texts in normal form; zeros for those of which nothing is left."""
    normal = normalise(texts)
    keys = content_keys(normal)
    keys[np.diff(normal.starts) == 0] = 0
    return keys


def _bands(values: NDArray[np.uint32], counts: NDArray[np.int64], cut: Bands | None) -> NDArray[np.uint32]:
    return np.zeros((0, len(counts)), dtype=np.uint32) if cut is None else band_keys(values, counts, cut)
