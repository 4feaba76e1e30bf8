"""Digests of bytes, values, files and folders: SHA-256 in lower-case hex."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = 1 << 20
_EMPTY = bytes(8)
_NOT_CONTENT = re.compile(r"\.gitignore|\..+\.lock|\..+\.(staging|replaced)-\d+")
"""As in .dvcignore."""
_digests: dict[tuple[str, int, int, int], str] = {}
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
    """Digest of a file's bytes."""
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
    stamp = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if stamp not in _digests:
        _digests[stamp] = digest_file(path)
    return _digests[stamp]


class Content(NamedTuple):
    """What a folder holds, as digests."""

    digest: str
    """Of all, names included, as `digest_folder` gives it."""
    files: dict[str, str]
    """Of each file that was read for it, by its path."""


def digest_content(folder: Path) -> Content:
    """Digests of a folder and of its files, for who needs both and would else read them twice."""
    manifest = folder / "manifest.json"
    if _is_manifest(manifest):
        return Content(digest_file(manifest), {})
    paths = _content(folder)
    digests = {name: _digest_if_readable(path) for name, path in paths.items()}
    return Content(digest_value(digests), {paths[name]: digest for name, digest in digests.items()})


def digest_folder(folder: Path) -> str:
    """Digest of a folder's files, names included. A finished artifact is known by its manifest, which covers its files."""
    return digest_content(folder).digest


def digest_files(folder: Path) -> dict[str, str]:
    """Digest of every file under `folder` by its path relative to it, sorted. Locks, folders being built and `.gitignore` are not content."""
    return {name: _digest_if_readable(path) for name, path in _content(folder).items()}


def _content(folder: Path) -> dict[str, str]:
    """The path of every file by its name, sorted by name."""
    root = str(folder)
    content: dict[str, str] = {}
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _NOT_CONTENT.fullmatch(name)]
        before = parent[len(root) :].replace(os.sep, "/").lstrip("/")
        for name in names:
            path = f"{parent}{os.sep}{name}"
            if not _NOT_CONTENT.fullmatch(name) and os.path.isfile(path):  # noqa: PTH113
                content[_shown(f"{before}/{name}" if before else name)] = path
    return dict(sorted(content.items()))


def _shown(name: str) -> str:
    """A name as text; bytes of it that are not UTF-8 are escaped."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _digest_if_readable(path: str) -> str:
    """A file that may not be read is told apart from one that may; the corpus stage quarantines it."""
    try:
        return digest_file(path)
    except PermissionError:
        return UNREADABLE


def _is_manifest(path: Path) -> bool:
    """Whether the file is one of ours: a raw corpus may hold any file of that name."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() >= {"schema_version", "section", "inputs", "files"}
