"""Digests of bytes, values, files and folders: SHA-256 in lower-case hex."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20
_NOT_CONTENT = re.compile(r"\.gitignore|\..+\.lock|\..+\.(staging|replaced)-\d+")
"""As in .dvcignore."""


def digest_text(*parts: str) -> str:
    """Digest of several texts; no two different lists of parts share one."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        sha.update(len(raw).to_bytes(8, "big"))
        sha.update(raw)
    return sha.hexdigest()


def digest_value(value: Any) -> str:
    """Digest of a JSON-like value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")).hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def digest_files(folder: Path) -> dict[str, str]:
    """Digest of every file under `folder` by its path relative to it, sorted. Locks, folders being built and `.gitignore` are not content."""
    paths = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
    content = {_shown(relative): path for relative, path in paths if not any(_NOT_CONTENT.fullmatch(part) for part in relative.parts)}
    return {name: _digest_if_readable(path) for name, path in sorted(content.items())}


def _shown(path: Path) -> str:
    """A path as text; bytes of its name that are not UTF-8 are escaped."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _digest_if_readable(path: Path) -> str:
    """A file that may not be read is told apart from one that may; the corpus stage quarantines it."""
    try:
        return digest_file(path)
    except PermissionError:
        return "unreadable"


def digest_folder(folder: Path) -> str:
    """Digest of a folder's files, names included. A finished artifact is known by its manifest, which covers its files."""
    manifest = folder / "manifest.json"
    return digest_file(manifest) if _is_manifest(manifest) else digest_value(digest_files(folder))


def _is_manifest(path: Path) -> bool:
    """Whether the file is one of ours: a raw corpus may hold any file of that name."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() >= {"schema_version", "section", "inputs", "files"}
