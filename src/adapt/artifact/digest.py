"""Digests of bytes, values, files and folders: SHA-256 in lower-case hex."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.artifact.digest_store import active
from adapt.artifact.ignored import ignore_filter

MANIFEST = "manifest.json"
"""The file of an output folder that lists the others; see `adapt.artifact.manifest`."""
_BLOCK = 1 << 20
_EMPTY = bytes(8)
_NOT_CONTENT = re.compile(r"\.gitignore|\..+\.lock|\..+\.(staging|replaced)-\d+(\.json)?")
"""As in .dvcignore."""
_digests: dict[tuple[str, int, int, int, int], str] = {}
UNREADABLE = "unreadable"
"""Stands for the digest of a file that may not be read."""


def digest_text(*parts: str) -> str:
    """Digest of several texts; no two different lists of parts share one."""
    pieces: list[bytes] = []
    for part in parts:
        if part:
            raw = part.encode("utf-8", "surrogatepass")
            pieces += (len(raw).to_bytes(8, "big"), raw)
        else:
            pieces.append(_EMPTY)
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def digest_value(value: Any) -> str:
    """Digest of a JSON-like value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")).hexdigest()


def digest_file(path: Path | str) -> str:
    """Digest of a file's bytes; where a store is open, read only if they may have changed."""
    store = active.get()
    return _read_digest(str(path)) if store is None else store.digest(str(path), _read_digest)


def _read_digest(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a path object for each of many small files costs as much as to read it)
        size = os.fstat(file.fileno()).st_size
        if size < _BLOCK:
            return hashlib.sha256(file.read()).hexdigest()
        sha, block = hashlib.sha256(), memoryview(bytearray(_BLOCK))
        while count := file.readinto(block):
            sha.update(block[:count])
        return sha.hexdigest()


def remembered_digest(path: Path) -> str:
    """Digest of a file's bytes, remembered in this process for as long as size, time and inode stay the same."""
    stat = path.stat()
    stamp = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if stamp not in _digests:
        _digests[stamp] = digest_file(path)
    return _digests[stamp]


def digest_folder(folder: Path) -> str:
    """Digest of a folder's files, names included. A finished output is known by its manifest, which covers its files."""
    return digest_file(folder / MANIFEST) if is_output(folder) else digest_value(digest_files(folder))


def digest_path(path: Path) -> str:
    """Digest of a file, or of a folder as `digest_folder` gives it."""
    return digest_folder(path) if path.is_dir() else digest_file(path)


def digest_raw(folder: Path) -> str:
    """Digest of all files of a folder of the user's but for those that DVC ignores, whatever they are called."""
    return digest_value(digest_files(folder, raw=True))


def digest_of_files(digests: Mapping[str, str], folder: Path, *, raw: bool) -> str:
    """What `digest_folder`, or `digest_raw`, gives for a folder whose files have these digests."""
    return digest_value(digests) if raw or not is_output(folder) else digests[MANIFEST]


def digest_files(folder: Path, *, raw: bool = False) -> dict[str, str]:
    """Digest of every file under `folder` by its path relative to it, sorted. Locks, folders being built and `.gitignore` are not content."""
    return {name: digest_readable(path) for name, path in content_paths(folder, raw=raw).items()}


def content_paths(folder: Path, *, raw: bool = False) -> dict[str, str]:
    """The path of every file by its name, sorted by name; with `raw`, without those that DVC ignores."""
    root = str(folder)
    ignores = ignore_filter(folder) if raw else None
    content: dict[str, str] = {}
    for parent, folders, names in os.walk(root):
        before = parent[len(root) :].replace(os.sep, "/").lstrip("/")
        prefix = f"{before}/" if before else ""
        folders[:] = [name for name in folders if not _NOT_CONTENT.fullmatch(name) and not (ignores and ignores(f"{prefix}{name}/"))]
        for name in names:
            path = f"{parent}{os.sep}{name}"
            if _NOT_CONTENT.fullmatch(name) or (ignores and ignores(prefix + name)) or not os.path.isfile(path):  # noqa: PTH113
                continue
            content[_shown(prefix + name)] = path
    return dict(sorted(content.items()))


def _shown(name: str) -> str:
    """A name as text; bytes of it that are not UTF-8 are escaped."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def digest_readable(path: str) -> str:
    """Digest of a file, `UNREADABLE` for one that may not be read: the corpus stage quarantines it."""
    try:
        return digest_file(path)
    except PermissionError:
        return UNREADABLE


def is_output(folder: Path) -> bool:
    """Whether the folder has a manifest of ours: a raw corpus may hold any file of that name."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() == {"schema_version", "files"}
