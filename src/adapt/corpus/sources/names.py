"""What the name of a file says: whether a glob matches it, how it is read, and whether it is packed.

Enters: names with forward slashes and globs of the spec. Leaves: patterns, readers and kinds of packing. Nothing is opened here.
"""

import re
from typing import Literal

from adapt.errors import InputError
from adapt.spec.corpus import FileReader

Packing = Literal["gz", "zst", "bz2", "xz"]
ENDINGS: dict[str, FileReader] = {
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".md": "markdown", ".markdown": "markdown",
    ".txt": "text", ".text": "text",
    ".csv": "csv", ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xml": "xml",
}  # fmt: skip
"""How `reader: auto` reads a file, by its ending in lower case."""
_PACKINGS: dict[str, Packing] = {".gz": "gz", ".zst": "zst", ".bz2": "bz2", ".xz": "xz"}
_TARS: dict[str, Packing] = {".tgz": "gz", ".tzst": "zst", ".tbz": "bz2", ".tbz2": "bz2", ".txz": "xz"}
_ARCHIVES = (".zip", ".tar", *(f".tar{packing}" for packing in _PACKINGS), *_TARS)
_LONGEST = max(map(len, _ARCHIVES))
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_GLOB = re.compile(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])")


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over relative paths: `*` and `?` stay within a folder, `**` crosses folders."""
    parts = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(piece) or (_class(piece) if at % 2 else re.escape(piece)) for at, piece in enumerate(_GLOB.split(glob)))


def _class(piece: str) -> str:
    negated, members = piece[1] == "!", piece[1:-1].lstrip("!").replace("\\", r"\\").replace("^", r"\^").replace("[", r"\[")
    return f"(?!/)[{'^' if negated else ''}{members}]"


class Glob:
    """A glob of the spec, ready to be asked about names."""

    def __init__(self, glob: str, place: int) -> None:
        """`place` is that of the source in `corpus.sources`; raises InputError for a range that runs backwards."""
        try:
            self._matches = re.compile(glob_pattern(glob), re.DOTALL).fullmatch
            self._parts = [None if "**" in part else re.compile(glob_pattern(part), re.DOTALL) for part in glob.split("/")]
        except re.error:
            raise InputError(f"corpus.sources.{place}.glob: '{glob}' has a range that runs backwards", hint="write ranges as in [a-z]") from None

    def matches(self, name: str) -> bool:
        """Whether the whole name is meant."""
        return self._matches(name) is not None

    def reaches(self, folder: str) -> bool:
        """Whether something below `folder`, a folder or an archive, may be meant."""
        names = folder.split("/")
        for part, name in zip(self._parts, names, strict=False):
            if part is None:
                return True
            if not part.fullmatch(name):
                return False
        return len(self._parts) > len(names)


def packing(name: str) -> Packing | None:
    """How a single file is compressed, by its ending."""
    return _PACKINGS.get(_ending(name))


def reader_of(name: str) -> FileReader | None:
    """How `reader: auto` reads the file, by the ending that it has when unpacked; None when that is not known."""
    return ENDINGS.get(_ending(_unpacked(name)))


def archive(name: str) -> Literal["zip", "tar"] | None:
    """What kind of archive the file is, by its ending."""
    tail = name[-_LONGEST:].lower()
    if not tail.endswith(_ARCHIVES):
        return None
    return "zip" if tail.endswith(".zip") else "tar"


def tar_packing(name: str) -> Packing | None:
    """How a tar is compressed, by its ending; None when it is not."""
    return _TARS.get(_ending(name)) or packing(name)


def shown(name: str) -> str:
    """The name as text, also when its bytes are not UTF-8: those come as lone surrogates, and become `\\xNN`."""
    return name if name.isascii() else _SURROGATE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", name)


def is_hidden(name: str) -> bool:
    """Whether the file, or a folder above it, is hidden: the name of one begins with a dot."""
    return name.startswith(".") or "/." in name


def _ending(name: str) -> str:
    last = name[name.rfind("/") + 1 :]
    dot = last.rfind(".")
    return last[dot:].lower() if dot >= 0 else ""


def _unpacked(name: str) -> str:
    return name[: -len(_ending(name))] if _ending(name) in _PACKINGS else name
