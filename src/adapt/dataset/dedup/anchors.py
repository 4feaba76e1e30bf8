"""The anchors that several texts have, collected on disk: of most anchors there is one, and those need not be held."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.winnowing import Anchors

_SHARD_BITS = 4
_KIND = np.dtype([("hash", "<u8"), ("text", "<i4"), ("unit", "<i4")])


class AnchorFile:
    """Takes anchors of texts, and gives those that stand in two texts or more. Its files are gone when the context is left."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._paths = [folder / f"anchors.tmp.{shard}" for shard in range(1 << _SHARD_BITS)]
        for path in self._paths:
            self._stack.callback(path.unlink, missing_ok=True)
        self._files = [self._stack.enter_context(path.open("wb")) for path in self._paths]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def append(self, anchors: Anchors, numbers: NDArray[np.int64]) -> None:
        """Add anchors; `numbers` gives each text the number by which it goes here."""
        entries = np.empty(len(anchors.hashes), dtype=_KIND)
        entries["hash"], entries["text"], entries["unit"] = anchors.hashes, numbers[anchors.texts], anchors.units
        shard = (anchors.hashes >> np.uint64(64 - _SHARD_BITS)).astype(np.int64)
        for number in np.unique(shard).tolist():
            self._files[number].write(entries[shard == number].tobytes())

    def shared(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Each text with an anchor that another has: its number, and its anchors as a unit and a key, ascending. Texts ascend as well."""
        texts, units, keys, count = [np.zeros(0, "<i4")], [np.zeros(0, "<i4")], [np.zeros(0, dtype=np.int64)], 0
        for file, path in zip(self._files, self._paths, strict=True):
            file.close()
            entries = np.fromfile(path, dtype=_KIND)
            entries = entries[np.lexsort((entries["unit"], entries["text"], entries["hash"]))]
            opens = np.append(True, entries["hash"][1:] != entries["hash"][:-1])[: len(entries)]
            key = np.cumsum(opens) - 1
            changes = np.append(False, entries["text"][1:] != entries["text"][:-1])[: len(entries)] & ~opens
            several = np.bincount(key, weights=changes) > 0
            chosen = several[key]
            texts.append(entries["text"][chosen])
            units.append(entries["unit"][chosen])
            keys.append(key[chosen] + count)
            count += len(several)
        text, unit, own = np.concatenate(texts), np.concatenate(units), np.concatenate(keys)
        order = np.lexsort((unit, text))
        text, unit, own = text[order], unit[order], own[order]
        bounds = np.flatnonzero(np.append(True, text[1:] != text[:-1])[: len(text)])
        for begin, end in zip(bounds.tolist(), [*bounds[1:].tolist(), len(text)], strict=False):
            yield int(text[begin]), list(zip(unit[begin:end].tolist(), own[begin:end].tolist(), strict=True))
