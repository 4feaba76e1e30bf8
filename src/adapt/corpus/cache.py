"""What an earlier build of the same corpus found, so that only what changed is read and cleaned again.

A generation is a folder: the pieces that were read (`pieces-*.arrow`) and the running texts that were finished (`finished.arrow`), in the order of
that build, with tables of keys; its documents with a table of their row groups (`groups.arrow`); and what archives hold. Keys are digests of all that
an entry depends on: what it was read from, the settings, code and libraries. So an entry that is found is right, and a stale one is never found.
Every build writes a generation of its own, links into it what it takes over whole, and then puts it in the place of the former.
A generation with a wrong checksum, or of another version, is ignored. While one build uses a cache, another goes without.
"""

import json
import logging
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from zlib import crc32

from adapt.artifact.digest import digest_file, digest_value
from adapt.corpus.groups import KeptGroups
from adapt.corpus.store import Store, StoreIndex, as_keys

log = logging.getLogger(__name__)

VERSION = 3
_INDEX = "index.json"
_GENERATIONS = "generation-*"
_BLOCK = 1 << 18


class Generation:
    """What one build left."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        self.folder = folder
        index = json.loads((folder / _INDEX).read_bytes())["index"]
        self.checksums: dict[str, int] = index["checksums"]
        """Of its files, by their names."""
        self.pieces = Store(folder, "pieces", index["pieces"])
        self.finished = Store(folder, "finished", index["finished"])
        inputs = np.load(folder / "inputs.npy")
        keys, places = inputs[:, :2].tobytes(), inputs[:, 2:].tolist()
        self._inputs: dict[bytes, tuple[int, int]] = {keys[16 * at : 16 * at + 16]: (start, count) for at, (start, count) in enumerate(places)}

    @cached_property
    def _ordered(self) -> list[tuple[bytes, int, int]]:
        return sorted(((key, *places) for key, places in self._inputs.items()), key=itemgetter(1))

    @cached_property
    def groups(self) -> KeptGroups:
        """The row groups of its documents."""
        return KeptGroups(self.folder)

    @property
    def next_file(self) -> int:
        """A number that no file of its pieces has in its name, nor any after it."""
        return 1 + max((int(path.stem.partition("-")[2]) for path in self.folder.glob("pieces-*.arrow")), default=-1)

    def input(self, key: bytes) -> tuple[int, int] | None:
        """Where the pieces of an input, or of a portion of one, stand in `pieces`: the first place, and how many. None for one without pieces too."""
        found = self._inputs.get(key)
        return found if found and found[1] else None

    def inside(self, start: int, count: int) -> Iterator[tuple[bytes, int, int]]:
        """What stands among `count` places from `start` on: keys, first places counted from `start`, and numbers of pieces."""
        for at in range(bisect_left(self._ordered, start, key=itemgetter(1)), len(self._ordered)):
            key, first, number = self._ordered[at]
            if first >= start + count:
                return
            if first + number <= start + count:
                yield key, first - start, number


@lru_cache(maxsize=1)
def former_generation(folder: Path) -> Generation:
    """The generation in `folder`, once for each process. The build has checked it, and holds its lock."""
    return Generation(folder)


def write_index(folder: Path, pieces: StoreIndex, finished: StoreIndex, inputs: Iterable[tuple[bytes, int, int]], linked: Mapping[str, int]) -> None:
    """Make a generation of the files in `folder`. `inputs` are keys of inputs and portions, with first place and number of their pieces; `linked` are
    the checksums of files that are linked."""
    import numpy as np

    listed = list(inputs)
    table = np.empty((len(listed), 4), np.uint64)
    table[:, :2] = as_keys([key for key, _, _ in listed])
    table[:, 2:] = np.array([places for _, *places in listed], np.uint64).reshape(len(listed), 2)
    np.save(folder / "inputs.npy", table)
    index = {"version": VERSION, "pieces": pieces.write(folder, "pieces"), "finished": finished.write(folder, "finished")}
    index["checksums"] = {path.name: linked.get(path.name) or _checksum(path) for path in sorted(folder.iterdir())}
    (folder / _INDEX).write_text(json.dumps({"digest": digest_value(index), "index": index}), encoding="utf-8")


class Cache:
    """A folder with the generation of the last build, and room for that of the next; only one build at a time has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.building = folder / "building"
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)
        self.former = next(filter(None, map(_opened, sorted(folder.glob(_GENERATIONS)))), None)
        self.inputs: Sequence[bytes] = ()
        """Keys of the inputs of this build; empty where there is none."""

    def keep(self) -> None:
        """Put what was built in the place of the former generation. Its name is made from its content, so a path never leads to two."""
        kept = self._folder / _GENERATIONS.replace("*", digest_file(self.building / _INDEX)[:16])
        if self.former is None or self.former.folder != kept:
            shutil.rmtree(kept, ignore_errors=True)  # a damaged one
            self.building.rename(kept)
        for folder in self._folder.glob(_GENERATIONS):
            if folder != kept:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened_cache(folder: Path | None) -> Iterator[Cache | None]:
    """The cache in `folder`; None when there is no folder, or when another build has it."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is used by another build; this one goes without", folder)
        yield None
        return
    cache = Cache(folder)
    try:
        yield cache
    finally:
        shutil.rmtree(cache.building, ignore_errors=True)
        lock.release()


def _checksum(path: Path) -> int:
    """CRC-32 of a file: it tells damage, which is all there is to fear from files of our own, at less than half the cost of a digest."""
    checksum, block = 0, memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            checksum = crc32(block[:count], checksum)
    return checksum


def _opened(folder: Path) -> Generation | None:
    """The generation in `folder`, after every file of it was compared with its checksum."""
    import pyarrow as pa

    try:
        told = json.loads((folder / _INDEX).read_bytes())
        index = told["index"]
        if index["version"] != VERSION or digest_value(index) != told["digest"]:
            raise ValueError("another version, or damaged")
        if any(_checksum(folder / name) != digest for name, digest in index["checksums"].items()):
            raise ValueError("damaged")
        return former_generation(folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        log.info("the cache in %s is ignored: %s", folder, error)
        return None
