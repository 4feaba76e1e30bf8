"""The folder of adapters that a server may load from, and the proof that each is what was signed.

Enters: a name such as `finance@1a2b3c4d5e6f`. Leaves: a private copy of its two files, or RefusedError with the reason. Every file is read once,
hashed and copied in that step, and the engine reads the copy: what is verified is what is loaded, now and when the engine loads it again
after it has dropped it from memory. Only two files are ever copied, so the engine sees no pickle.
"""

import atexit
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .facts import Server
from .numbers import overflow_reason
from .refusal import RefusedError
from .rollouts import require_reachable
from .signature import signed_files
from .tensors import Tensors, read_tensors, wrong_shape

VERSION = re.compile(r"(?P<adapter>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)@(?P<digest>[0-9a-f]{12})")
"""Names that an adapter's versions have: the adapter's own and the first digits of its content's digest."""
WEIGHTS, CONFIG, ABOUT, BUILT, SIGNATURE = "adapter_model.safetensors", "adapter_config.json", "adapter.json", "manifest.json", "model.sig"
REQUIRED = frozenset({WEIGHTS, CONFIG, ABOUT, BUILT})
OPTIONAL = frozenset({"golden.json"})
_BLOCK = 1 << 20
_FOREIGN = "its name is not one of ours"
_MAX_TEXT_BYTES = 16 << 20
"""No JSON file of an adapter comes near it."""
_LOADERS: "WeakSet[Store]" = WeakSet()
"""Stores of this process that made copies: the door learns that a version was dropped, and the resolver's store has its copy."""


class Store:
    """The adapters of one folder, as one server may load them."""

    def __init__(self, folder: Path, trust: Path, server: Server | None, *, rollouts: Path | None = None) -> None:
        """`folder` holds a folder a version, `trust` the public keys (`*.pem`); without `server`,
        whatever was signed is taken. With `rollouts`, only what that journal leads to is loaded."""
        self._folder, self._trust, self._server, self._rollouts = folder, trust, server, rollouts
        self._copies: Path | None = None
        self._turn = threading.Lock()
        self._reasons: dict[str, tuple[Any, str | None]] = {}

    def names(self) -> list[str]:
        """Every version in the folder, verified or not."""
        try:
            return sorted(entry.name for entry in os.scandir(self._folder) if VERSION.fullmatch(entry.name))
        except FileNotFoundError:
            return []

    def has(self, name: str) -> bool:
        """Whether there is such a version; no name that is not one of ours reaches the disk."""
        return VERSION.fullmatch(name) is not None and (self._folder / name).is_dir()

    def about(self, name: str) -> dict[str, Any]:
        """What the signed adapter.json says. Raises RefusedError as `check` does."""
        return self._verify(name, copy=None)

    def check(self, name: str) -> None:
        """Raise RefusedError when the server may not load `name`."""
        self._require_reachable(name)
        self._verify(name, copy=None)

    def reason(self, name: str) -> str | None:
        """Why the server may not load `name`; None when it may. Remembered until a file of the version, or a trusted key, is another one."""
        try:
            self._require_reachable(name)
        except RefusedError as refusal:  # not remembered: a roll-out may begin
            return str(refusal)
        stamp = self._stamp(name)
        if stamp is None or self._reasons.get(name, (None, None))[0] != stamp:
            try:
                self.check(name)
                self._reasons[name] = (stamp, None)
            except RefusedError as refusal:
                self._reasons[name] = (stamp, str(refusal))
        return self._reasons[name][1]

    def load(self, name: str) -> Path:
        """A verified private copy, the same folder until `forget`; absolute. Raises RefusedError."""
        if VERSION.fullmatch(name) is None:
            raise RefusedError(_FOREIGN)
        with self._turn:  # requests for the same version arrive together, each in a thread of its own
            if self._copies is None:
                self._copies = _make_copies()
                _LOADERS.add(self)
            copy = self._copies / name
            self._require_reachable(name)
            if not copy.is_dir():
                aside = self._copies / f".{name}"
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir()
                try:
                    self._verify(name, copy=aside)
                    aside.rename(copy)
                finally:
                    shutil.rmtree(aside, ignore_errors=True)
        return copy

    def _require_reachable(self, name: str) -> None:
        if self._rollouts is not None:
            require_reachable(name, self._rollouts)

    def _forget(self, name: str) -> None:
        with self._turn:
            if self._copies is not None:
                shutil.rmtree(self._copies / name, ignore_errors=True)

    def _stamp(self, name: str) -> Any:
        """What tells the files of a version and the trusted keys from others; None where they cannot be looked at."""
        try:
            paths = [self._folder / name, *sorted((self._folder / name).iterdir()), *sorted(self._trust.glob("*.pem"))]
            return tuple((path.name, found.st_ino, found.st_mtime_ns, found.st_size) for path in paths for found in [path.lstat()])
        except OSError:
            return None

    def _verify(self, name: str, *, copy: Path | None) -> dict[str, Any]:
        found = VERSION.fullmatch(name)
        if found is None:
            raise RefusedError(_FOREIGN)
        handle = _open_folder(self._folder, name)
        try:
            files = self._signed(handle, name)
            texts = {file: _read(handle, file, digest) for file, digest in files.items() if file != WEIGHTS}
            tensors = _take_weights(handle, files[WEIGHTS], copy)
            if copy is not None:
                (copy / CONFIG).write_bytes(texts[CONFIG])
        finally:
            os.close(handle)
        about = _json(texts[ABOUT], ABOUT)
        if self._server is not None:
            self._server.check(about, name=found["adapter"])
        _check_content(texts[BUILT], files, about, digits=found["digest"])
        if self._server is None:
            return about
        config = _json(texts[CONFIG], CONFIG)
        reason = self._server.against_rank(config)
        reason = reason or wrong_shape(tensors.shapes, config, self._server.modules)
        if reason := reason or overflow_reason(tensors.largest, config, self._server.formats):
            raise RefusedError(reason)
        return about

    def _signed(self, handle: int, name: str) -> dict[str, str]:
        """Digests by file name as signed; refuses a folder that holds less, more, or anything but plain files."""
        present = set(os.listdir(handle))
        if SIGNATURE not in present:
            raise RefusedError("it is not signed")
        keys = [path.read_bytes() for path in sorted(self._trust.glob("*.pem"))]
        files = signed_files(_read(handle, SIGNATURE, None), name=name, keys=keys)
        if not REQUIRED <= files.keys() <= REQUIRED | OPTIONAL:
            raise RefusedError("it was signed with other files than an adapter has")
        if extra := sorted(present - files.keys() - {SIGNATURE}):
            raise RefusedError(f"its folder holds {extra[0]!r}, which was not signed")
        return files


_COPIES = "adapt-serving-"
_HOLDS = ".in-use"
"""A file in a folder of copies, locked by the process that reads them for as long as it lives."""


def _make_copies() -> Path:
    """A folder of this process alone, removed when it ends; those that killed processes left are removed now."""
    for left in Path(tempfile.gettempdir()).glob(f"{_COPIES}*"):
        if not left.is_symlink() and _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    copies = Path(tempfile.mkdtemp(prefix=_COPIES)).resolve()  # mode 0700
    handle = os.open(copies / _HOLDS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)  # the system lets go of it with the process
    atexit.register(shutil.rmtree, copies, ignore_errors=True)
    return copies


def _is_abandoned(copies: Path) -> bool:
    """Whether it is ours and the process that made it is gone."""
    try:
        if copies.lstat().st_uid != os.getuid():
            return False
        handle = os.open(copies / _HOLDS, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def forget(name: str) -> None:
    """Remove every private copy of a version that the engine has dropped; it is copied anew when it is asked for again."""
    if VERSION.fullmatch(name) is not None:
        for store in list(_LOADERS):
            store._forget(name)


def _open_folder(parent: Path, name: str) -> int:
    try:
        return os.open(parent / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        raise RefusedError("there is no folder of that name") from None


def _open_file(folder: int, name: str) -> int:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        raise RefusedError(f"{name} is missing or a link") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RefusedError(f"{name} is not a file")
    return handle


def _read(folder: int, name: str, digest: str | None) -> bytes:
    with os.fdopen(_open_file(folder, name), "rb") as file:
        content = file.read(_MAX_TEXT_BYTES + 1)
    if len(content) > _MAX_TEXT_BYTES:
        raise RefusedError(f"{name} is too large")
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise RefusedError(f"{name} is not what was signed")
    return content


def _take_weights(folder: int, digest: str, copy: Path | None) -> Tensors:
    """Hash the weights, copy them on the way, and return what they hold, the copy where there is one."""
    sha = hashlib.sha256()
    with os.fdopen(_open_file(folder, WEIGHTS), "rb") as source:
        with open(copy / WEIGHTS if copy is not None else os.devnull, "wb") as target:  # noqa: PTH123 (one call for both)
            while block := source.read(_BLOCK):
                sha.update(block)
                target.write(block)
        if sha.hexdigest() != digest:
            raise RefusedError(f"{WEIGHTS} is not what was signed")
        if copy is None:
            return read_tensors(source)
    with (copy / WEIGHTS).open("rb") as taken:
        return read_tensors(taken)


def _check_content(built: bytes, files: dict[str, str], about: dict[str, Any], *, digits: str) -> None:
    """The name's digits must be those of the adapter's own manifest, and the manifest must list these files."""
    digest = hashlib.sha256(built).hexdigest()
    listed = _json(built, BUILT).get("files", {})
    if not digest.startswith(digits) or about.get("digest") != digest or any(listed.get(name) != files[name] for name in (WEIGHTS, CONFIG)):
        raise RefusedError("its name is not that of its content")


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RefusedError(f"{name} is not a JSON object")
    return value
