"""Members of archives: listed in one pass, then opened in any order.

Enters: zips and tars, local or behind a URL. Leaves: their members, or what is wrong with each; nothing is ever written under a member's name, so
a name that leads elsewhere can harm nobody, and is refused because it means harm. Archives in archives are not entered.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.members import Member, OpenArchive
from adapt.corpus.sources.names import archive, tar_packing
from adapt.corpus.sources.stores import Stored, is_url, open_stored, public, stamp
from adapt.corpus.sources.streams import MIB, Refused, temporary, too_large, unpacked
from adapt.corpus.sources.tars import TarArchive
from adapt.corpus.sources.zips import ZipArchive
from adapt.spec.corpus import Limits

_OPEN = 8
"""Archives that a process keeps open."""
_SMALL = 32 << 20
"""Archives of fewer bytes are kept as they were unpacked for the list, as long as there is room; others are unpacked again for their members."""
_IN_MEMORY = 16 << 20
_cache: OrderedDict[tuple[object, ...], OpenArchive] = OrderedDict()


def close_all() -> None:
    """Let go of all archives, such as those of an earlier build."""
    while _cache:
        _cache.popitem()[1].close()


def list_members(path: str, limits: Limits) -> Iterator[Member]:
    """The members of the archive at `path` in its order, folders left out.

    Raises Refused, perhaps after members that can be read: with rule `unreadable` those stay good; with another rule none of them may be read.
    """
    kept = not is_url(path) and Path(path).stat().st_size < _SMALL and len(_cache) < _OPEN
    found = _open(path, limits, again=kept)
    try:
        seen: set[str] = set()
        for number, member in enumerate(found.members(), 1):
            if number > limits.max_members:
                raise Refused("too_large", f"The archive has more than {limits.max_members} members (corpus.limits.max_members).")
            twice = Refused("unsafe", "The archive has an earlier member of this name; that one is read.") if member.shown in seen else None
            seen.add(member.shown)
            refusal = twice or member.misnamed or member.refusal
            yield member if refusal is member.refusal else member._replace(refusal=refusal)
        if kept:
            _keep(_key(path, limits), found)
    finally:
        if not kept or _cache.get(_key(path, limits)) is not found:
            found.close()


def open_member(input: RawInput, limits: Limits) -> BinaryIO:
    """The bytes of the member, at most `limits.max_file_mib`. Raises Refused."""
    return opened(input.path, limits).open(input.member)


def opened(path: str, limits: Limits) -> OpenArchive:
    """The archive at `path`, kept open until others have taken its place; raises Refused.

    The process belongs to the key: a fork shares its parent's place in each file.
    """
    key = _key(path, limits)
    if key not in _cache:
        _keep(key, _open(path, limits, again=True))
    _cache.move_to_end(key)
    return _cache[key]


def _key(path: str, limits: Limits) -> tuple[object, ...]:
    return (os.getpid(), path, stamp(path), limits.max_file_mib, limits.max_expansion)


def _keep(key: tuple[object, ...], opened: OpenArchive) -> None:
    if key in _cache:
        _cache.pop(key).close()
    _cache[key] = opened
    while len(_cache) > _OPEN:
        _cache.popitem(last=False)[1].close()


def _open(path: str, limits: Limits, *, again: bool) -> ZipArchive | TarArchive:
    name = public(path)
    stored = open_stored(path)
    try:
        if archive(name) == "zip":
            return ZipArchive(_seekable(stored, limits), limits)
        packing = tar_packing(name)
        if packing is None and stored.stream.seekable():
            return TarArchive(stored.stream, limits, again=again)
        return TarArchive(unpacked(stored.stream, packing, size=stored.size, limits=limits, archive=True), limits, again=again)
    except BaseException:
        stored.stream.close()
        raise


def _seekable(stored: Stored, limits: Limits) -> BinaryIO:
    """A zip is read from its end; one behind a server that sends no parts is fetched whole."""
    if stored.stream.seekable():
        return stored.stream
    local = temporary(_IN_MEMORY)
    with stored.stream:
        while block := stored.stream.read(MIB):
            if local.tell() + len(block) > limits.max_file_mib * MIB:
                raise too_large(limits, "archive")
            local.write(block)
    return local
