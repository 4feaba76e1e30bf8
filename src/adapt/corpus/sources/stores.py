"""Where stored bytes lie: files of this machine, and whatever fsspec opens.

Enters: absolute paths, and URLs. Leaves: open streams, and for a URL with wildcards what it lists. What fails behind a URL is an InputError,
since a build that went on without it would pass for whole; credentials in a URL open it, and stand in no name and no error.
"""

import io
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

from adapt.corpus.sources.names import is_hidden
from adapt.corpus.sources.streams import Refused, unreadable
from adapt.errors import InputError

_WEB = ("http", "https")


@dataclass(frozen=True)
class Stored:
    """Open bytes as they are stored."""

    stream: BinaryIO
    size: int
    """In bytes; 0 when a remote store does not tell."""


class Listed(NamedTuple):
    """A file that a URL leads to."""

    name: str
    """The URL without credentials and query."""
    path: str
    """What opens it: the URL, or for `file://` the absolute path."""
    size: int


def is_url(text: str) -> bool:
    """Whether fsspec is asked, rather than the folders of this machine."""
    return "://" in text


def public(url: str) -> str:
    """The URL as it may be shown: no user, no password, and for web addresses no query, where signatures stand."""
    if not is_url(url):
        return url
    scheme, _, rest = url.partition("://")
    if scheme in _WEB:
        parts = urlsplit(url)
        return urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def open_stored(path: str) -> Stored:
    """Open a file or URL for reading. Raises Refused for what is no regular file or cannot be read, InputError for a URL that cannot be read."""
    return _open_remote(path) if is_url(path) else _open_local(path)


def stamp(path: str) -> tuple[int, ...]:
    """Changes when a local file does; empty for URLs. Raises Refused when the file has gone."""
    if is_url(path):
        return ()
    try:
        found = os.stat(path)  # noqa: PTH116 (called for every member; a Path costs more than the call)
    except OSError as error:
        raise unreadable(error) from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def list_url(url: str, place: int, workspace: Path) -> list[Listed]:
    """The files that the URL of source `place` leads to, sorted by name. A relative `file://` path starts at the workspace.

    Raises InputError when the store cannot be asked, or a URL without wildcards leads nowhere.
    """
    said = f"corpus.sources.{place}.glob: {public(url)}"
    scheme, _, rest = url.partition("://")
    if scheme == "file" and not rest.startswith("/"):
        base = workspace.resolve().as_posix() + "/"
        listed = list_url(f"file://{base}{rest}", place, workspace)
        return [file._replace(name=f"file://{file.path.removeprefix(base)}") for file in listed]
    system, path = _filesystem(url, said)
    wild = re.search(r"[*\[]" if scheme in _WEB else r"[*?\[]", path)
    try:
        found = {path: system.info(path)} if wild is None else system.glob(path, detail=True)
    except FileNotFoundError:
        raise InputError(f"{said}: there is no such file", hint="check the URL") from None
    except Exception as error:  # each store has errors of its own, and their texts may hold credentials
        raise InputError(f"{said} cannot be listed: {type(error).__name__}", hint="check the URL, the network and the credentials") from None
    if wild is None and found[path]["type"] != "file":
        raise InputError(f"{said} is a folder", hint="say which of its files, as in .../**/*.jsonl")
    above = path.rfind("/", 0, wild.start()) + 1 if wild else len(path)
    files = [(name, info) for name, info in found.items() if info["type"] == "file" and not is_hidden(name[above:])]
    return sorted(_listed(url, path, name, info) for name, info in files)


def _listed(url: str, path: str, name: str, info: dict[str, Any]) -> Listed:
    """`path` is what the store calls the place that `url` stands for, and ends the URL; `name` is what it calls the file."""
    own = url[: len(url) - len(path)] + name if url.endswith(path) else name
    return Listed(public(own), name if own.startswith("file://") else own, info.get("size") or 0)


def _filesystem(url: str, said: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    scheme = url.partition("://")[0]
    try:
        system, path = url_to_fs(url)
    except ImportError:
        package = known_implementations[scheme]["class"].partition(".")[0]
        needed = package if package != "fsspec" else f"'fsspec[{scheme.removesuffix('s') if scheme == 'https' else scheme}]'"
        raise InputError(f"{said}: a package for {scheme}:// is missing", hint=f"pip install {needed}") from None
    except ValueError:
        raise InputError(f"{said}: {scheme}:// is not known", hint="use a protocol of fsspec, such as s3, gs or https") from None
    return system, path


def _open_remote(url: str) -> Stored:
    system, path = _filesystem(url, public(url))
    try:
        stream = system.open(path, "rb")
        return Stored(cast(BinaryIO, _Remote(stream, public(url))), getattr(stream, "size", None) or 0)
    except Exception as error:
        raise _unreachable(public(url), error) from None


class _Remote(io.RawIOBase):
    """A stream of a store, with its errors as ours."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def read(self, size: int = -1) -> bytes:
        try:
            return cast(bytes, self._stream.read(size))
        except Exception as error:
            raise _unreachable(self._name, error) from None

    def seek(self, place: int, whence: int = 0) -> int:
        return int(self._stream.seek(place, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _unreachable(name: str, error: Exception) -> InputError:
    return InputError(f"{name} cannot be read: {type(error).__name__}", hint="check the network and the credentials, then build again")


def _open_local(path: str) -> Stored:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # without O_NONBLOCK, a pipe without a writer would wait for ever
    except OSError as error:
        raise unreadable(error) from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise Refused("unsafe", "It is not a regular file.")
    return Stored(os.fdopen(handle, "rb"), found.st_size)
