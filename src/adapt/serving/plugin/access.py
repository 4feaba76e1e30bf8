"""Who may ask: API keys of clients and the administrator's token, known by their digests alone.

Enters: access.json, `{"admin": [SHA-256], "clients": {"mobile": SHA-256}, "open": false}`, and a request's headers. Leaves: yes or no. No key is
asked for while there are no clients and `open` is true or absent; it is false once there was a client, so that taking the last key away lets nobody
in. Without an administrator, nobody is one. An unusable file lets nobody in.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from pathlib import Path

from .refusal import log

Headers = Iterable[tuple[bytes, bytes]]


def digest_token(token: bytes) -> str:
    """How a key or token is kept."""
    return hashlib.sha256(token).hexdigest()


class Access:
    """access.json, read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._admins: list[str] = []
        self._clients: dict[str, str] = {}
        self._open = False
        self._warned = False

    def may_administrate(self, headers: Headers) -> bool:
        """Whether the bearer token is an administrator's."""
        self._refresh()
        return self._bears(headers, self._admins)

    def may_ask(self, headers: Headers) -> bool:
        """Whether the bearer token is a client's or an administrator's, or none is needed."""
        self._refresh()
        return self._open or self._bears(headers, [*self._clients.values(), *self._admins])

    def _bears(self, headers: Headers, digests: list[str]) -> bool:
        """Compares with every digest in constant time, so that the time tells nothing."""
        tokens = [value for name, value in headers if name.lower() == b"authorization"]
        if len(tokens) != 1 or tokens[0][:7].lower() != b"bearer ":
            return False
        digest = digest_token(tokens[0][7:].strip())
        matches = [hmac.compare_digest(digest, known) for known in digests]
        return any(matches)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            content = json.loads(self._path.read_bytes())
            self._admins = [str(digest) for digest in content["admin"]]
            self._clients = {str(name): str(digest) for name, digest in content["clients"].items()}
            self._open = not self._clients and content.get("open", True) is True
            self._stamp, self._warned = stamp, False
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if not self._warned:
                log.warning("access.json cannot be read, so nobody is let in: %s", type(error).__name__)
            self._stamp, self._admins, self._clients, self._open, self._warned = None, [], {}, False, True
