"""Records that say the same in other words, by the cosine of their embeddings (extra `semantic`).

Enters: a table and the records that are left, best first; leaves: those that resemble one that stays. As with near-duplicates a record goes only
when it is itself like one that stays. Every pair is measured, in blocks of a matrix, so nothing is missed by an index; embeddings rest on disk.

Sums of floats depend on their order. Texts are therefore embedded in batches that depend on nothing but the texts, and a cosine is rounded to four
digits before it is held against the threshold: processors differ in the seventh.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapt.base.embedding import embedding_folder
from adapt.dataset.dedup.near import Drop
from adapt.dataset.table import RecordTable
from adapt.errors import InputError
from adapt.spec.dataset import SemanticDuplicates
from adapt.text.scripts import UNSPACED_CLASS

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_BATCH = 64
_BLOCK = 2048
_DIGITS = 4
_READ = {"use_safetensors": True, "dtype": "float32"}
"""How a model is read: in float32 whatever it is stored in, since in sixteen bits the digits that count would depend on the processor."""
_PIECE, _PIECE_UNSPACED = 800, 240
"""Characters that stay below 256 word pieces, which is all that small models read."""
_UNSPACED = re.compile(UNSPACED_CLASS)
_HINT = "pip install 'adapt-build[semantic]', or set dataset.semantic_duplicates to null"


def find_semantic_duplicates(
    table: RecordTable,
    members: NDArray[np.int64],
    spec: SemanticDuplicates,
    embed: Embed | None = None,
    *,
    root: Path | None = None,
    measured: NDArray[np.float64] | None = None,
) -> Iterator[Drop]:
    """The records among `members` (best first) that say the same as one that stays; the winner is the most similar one, then the first.

    `embed` gives for texts their unit vectors, shape (texts, dimensions); `root` is what a model's folder is relative to; `measured` takes, by
    number of the record, the cosine of the most similar one that stays before it. Raises InputError when the model is not there.
    """
    path = table.folder / "embeddings.tmp"
    try:
        _embed_all(table, members, embed or load_embedder(spec, root), path)
        yield from _find(path, members, spec.threshold, measured)
    finally:
        path.unlink(missing_ok=True)


def load_embedder(spec: SemanticDuplicates, root: Path | None = None) -> Embed:
    """The model of `spec`; a folder is relative to `root`. Raises InputError when it or the extra is missing, and when it may not be loaded."""
    try:
        library = import_module("sentence_transformers")
    except ImportError:
        raise InputError("semantic duplicates need sentence-transformers, which is not installed", hint=_HINT) from None
    folder = embedding_folder(spec, root=root or Path())
    try:
        encoder = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=_READ)
    except (OSError, ValueError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"the embedding model {spec.model!r} cannot be loaded: {problem}", hint="name another sentence-transformers model") from None

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        found = encoder.encode(list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, dtype=np.float32)

    return embed


def _embed_all(table: RecordTable, members: NDArray[np.int64], embed: Embed, path: Path) -> None:
    """Write the members' unit vectors, in their order. A long text is embedded in pieces that a model reads whole, and has the mean of them."""
    lengths = np.array([len(_text(line)) for line in table.lines(members)], dtype=np.int64)
    ids = np.array([table.id(number)[:16] for number in members.tolist()])
    with path.open("wb") as file:
        order = np.lexsort((ids, lengths))
        for begin in range(0, len(order), _BATCH):
            places = order[begin : begin + _BATCH]
            pieces = [_pieces(_text(line)) for line in table.lines(members[places])]
            flat = [piece for parts in pieces for piece in parts]
            found = np.concatenate([embed(flat[start : start + _BATCH]) for start in range(0, len(flat), _BATCH)])
            counts = np.array([len(parts) for parts in pieces])
            vectors = np.add.reduceat(found, np.cumsum(counts) - counts).astype("<f4")
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            for place, vector in zip(places.tolist(), vectors, strict=True):
                file.seek(place * vector.nbytes)
                file.write(vector.tobytes())


def _find(path: Path, members: NDArray[np.int64], threshold: float, measured: NDArray[np.float64] | None) -> Iterator[Drop]:
    """Judge block after block: against what earlier blocks kept, then one record after the other."""
    kept: list[NDArray[np.int64]] = []
    for begin in range(0, len(members), _BLOCK):
        places = np.arange(begin, min(begin + _BLOCK, len(members)))
        own = _load(path, places, len(members))
        best, winner = np.full(len(places), -1.0), np.full(len(places), -1)
        for others in kept:
            _improve(best, winner, _cosine(own, _load(path, others, len(members))), others)
        among = _cosine(own, own)
        stays = best < threshold
        for row in np.flatnonzero(stays).tolist():
            stays[row] = not (among[row, :row][stays[:row]] >= threshold).any()
        among[:, ~stays] = -1.0
        among[np.triu_indices(len(places))] = -1.0  # only what stands before it
        _improve(best, winner, among, places)
        if measured is not None:
            measured[members[places]] = np.where(winner < 0, np.nan, best)
        for row in np.flatnonzero(~stays).tolist():
            yield Drop(int(members[places[row]]), int(members[winner[row]]), float(best[row]))
        if stays.any():
            kept.append(places[stays])


def _improve(best: NDArray[np.float64], winner: NDArray[np.int64], cosines: NDArray[np.float64], others: NDArray[np.int64]) -> None:
    """Take in the most similar of `others` for each row; of equally similar ones the first stays."""
    column = np.argmax(cosines, axis=1)
    found = cosines[np.arange(len(cosines)), column]
    better = found > best
    best[better], winner[better] = found[better], others[column[better]]


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.round((one @ other.T).astype(np.float64), _DIGITS), dtype=np.float64)


def _load(path: Path, places: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Vectors of some places, ascending and close together."""
    dimensions = path.stat().st_size // 4 // count
    first, last = int(places[0]), int(places[-1])
    read = np.fromfile(path, dtype="<f4", count=(last - first + 1) * dimensions, offset=first * dimensions * 4)
    return np.asarray(read.reshape(-1, dimensions)[places - first])


def _pieces(text: str) -> list[str]:
    length = _PIECE_UNSPACED if 2 * len(_UNSPACED.findall(text)) > len(text) else _PIECE
    return [text[start : start + length] for start in range(0, len(text), length)] or [""]


def _text(line: bytes) -> str:
    record = json.loads(line)
    return "\n".join(text for text in (record["instruction"], record["input"], record["output"], record["rejected"]) if text)
