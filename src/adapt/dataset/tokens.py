"""Counts tokens with the base model's tokenizer, read from `tokenizer.json` by the `tokenizers` library alone.

Counts are kept from build to build by record id, which covers all text that is counted: with a tokenizer that does not know a script they
are most of the stage's cost, and a changed threshold changes none of them.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.digest import digest_file
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.text.control import escape, escape_pairs

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_COUNTING = 2
"""Raise it when a record's count comes to mean something else."""
_loaded: dict[str, "Tokenizer"] = {}
"""By digest of its file."""
_NO_COUNTS = np.zeros((3, 0), dtype=np.uint64)


class Counting(NamedTuple):
    """How tokens are counted; picklable."""

    tokenizer: Path
    """The file tokenizer.json."""
    digest: str
    """Of that file."""
    content: str | None
    """Its text, for workers that do not see the file."""
    cache: Path | None
    """File of counts from an earlier build; where it is not at hand, all are counted anew."""


def prepare_counting(folder: Path, cache: Path | None, *, sees_files: bool = True) -> Counting:
    """How to count with the tokenizer in `folder`, keeping counts in the folder `cache`; `sees_files` says whether those who count see both.

    Raises InputError when the tokenizer is missing or unreadable.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{folder} has no tokenizer.json", hint="the base model must carry a fast tokenizer; lengths are counted with it")
    digest = digest_file(path)
    content = None if sees_files else path.read_text(encoding="utf-8")
    counting = Counting(path, digest, content, cache / f"tokens-{_COUNTING}-{digest[:16]}.npy" if cache else None)
    load_tokenizer(counting)
    return counting


def load_tokenizer(counting: Counting) -> "Tokenizer":
    """The tokenizer, once for each process, with any truncation and padding off, and without threads of its own.

    Raises InputError when it is unreadable.
    """
    if counting.digest in _loaded:
        return _loaded[counting.digest]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # processes share the cores already
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(counting.tokenizer)) if counting.content is None else Tokenizer.from_str(counting.content)
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{counting.tokenizer} is not a tokenizer that can be read: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    _loaded[counting.digest] = tokenizer
    return tokenizer


def count_all(records: Sequence[AlpacaRecord], counting: Counting) -> NDArray[np.int64]:
    """Tokens of each record, from the cache where it knows them."""
    counts = _look_up(id_keys(record.id for record in records), counting.cache)
    unknown = np.flatnonzero(counts < 0).tolist()
    if unknown:
        counts[unknown] = count_tokens(load_tokenizer(counting), [records[place] for place in unknown])
    return counts


def count_tokens(tokenizer: "Tokenizer", records: Sequence[AlpacaRecord]) -> list[int]:
    """Tokens of each record: of all its conversation's texts, of two answers the longer, without the marks that a template adds.

    Control tokens in a text are plain words, as they are in training.
    """
    control = escape_pairs(token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special)
    texts = [[escape(text, control) for text in _texts(record)] for record in records]
    lengths = iter(map(len, tokenizer.encode_batch_fast([text for turns in texts for text in turns], add_special_tokens=False)))
    counts = [[next(lengths) for _ in turns] for turns in texts]
    return [
        sum(found[:-2]) + max(found[-2:]) if record.rejected else sum(found)
        for record, found in zip(records, counts, strict=True)
    ]  # fmt: skip


def id_keys(ids: Iterable[str]) -> NDArray[np.uint64]:
    """The first 128 bits of hex digests, shape (2, ids)."""
    raw = bytes.fromhex("".join([name[:32] for name in ids]))
    return np.frombuffer(raw, dtype=">u8").reshape(-1, 2).T.astype(np.uint64)


def keep_counts(path: Path, keys: NDArray[np.uint64], tokens: NDArray[np.int64]) -> None:
    """Replace the cached counts by those of this build."""
    order = np.argsort(keys[0], kind="stable")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        np.save(file, np.concatenate([keys, tokens[None].astype(np.uint64)])[:, order])
    aside.replace(path)


def _look_up(keys: NDArray[np.uint64], path: Path | None) -> NDArray[np.int64]:
    """Cached counts, -1 where there is none."""
    known = _read_counts(path, path.stat().st_mtime_ns) if path and path.is_file() else _NO_COUNTS
    if not known.shape[1]:
        return np.full(keys.shape[1], -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(known[0], keys[0]), known.shape[1] - 1)
    found = (known[:2, places] == keys).all(axis=0)
    return np.where(found, known[2, places].astype(np.int64), -1)


@cache
def _read_counts(path: Path, modified: int) -> NDArray[np.uint64]:
    """Counts of an earlier build; none when the file is not one that `keep_counts` wrote."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return _NO_COUNTS
    return found if found.ndim == 2 and found.shape[0] == 3 and found.dtype == np.uint64 else _NO_COUNTS


def _texts(record: AlpacaRecord) -> list[str]:
    """The texts that are counted, the answers last."""
    texts = [record.system] if record.system else []
    for turn in record.history:
        texts += turn
    if record.instruction:
        texts.append(record.question)
    texts.append(record.output)
    if record.rejected:
        texts.append(record.rejected)
    return texts
