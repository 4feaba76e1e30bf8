"""Keys of a workspace: the pair that signs adapters, the administrator's token, and API keys of clients.

The private key and the token stay under `.adapt/keys`, readable by their owner alone; a server's folder gets the public key and digests. These tell
nothing, so anybody may read them: the server may run as another user than the one who deploys.
"""

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapt.errors import InputError
from adapt.serving.atomic import write_whole
from adapt.serving.plugin.access import digest_token
from adapt.spec.patterns import FORMS, PROJECT_NAME

SIGNING, TOKEN = "signing.pem", "admin.token"
_PRIVATE = 0o600
_TOKEN_BYTES = 32
_FINGERPRINT_DIGITS = 16
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Keys:
    """The private side, in a folder of its own."""

    folder: Path

    @property
    def signing(self) -> Path:
        """The private key that signs adapters, PEM. Raises InputError when there is none or others may read it."""
        return self._private(SIGNING)

    @property
    def token(self) -> str:
        """The administrator's token. Raises InputError as `signing` does."""
        return self._private(TOKEN).read_text(encoding="ascii").strip()

    @property
    def public(self) -> bytes:
        """The public key, PEM. Raises InputError when the private one is none."""
        path = self.signing
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError(f"{path} is no private key without a password", hint="delete it and make a new pair with `adapt keys make`") from None
        return private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def trust_file(self) -> str:
        """What the public key's file is called at a server: by the key, so that a new pair does not take the place of the one before."""
        return f"{hashlib.sha256(self.public).hexdigest()[:_FINGERPRINT_DIGITS]}.pem"

    def make(self) -> bool:
        """Make what is missing; whether anything was."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        made = [_write_new(self.folder / SIGNING, pem), _write_new(self.folder / TOKEN, secrets.token_urlsafe(_TOKEN_BYTES).encode())]
        return any(made)

    def _private(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise InputError(f"{path} does not exist", hint="make it with `adapt keys make`")
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path} can be read by others", hint=f"chmod 600 {path}; make new keys if somebody may have read it")
        return path


def open_access(keys: Keys, live: Path) -> None:
    """Let the holder of `keys`, and nobody else, administrate the server of the folder `live`; its signatures count beside those of earlier keys.

    Clients stay as they are.
    """
    _write_access(live, {**read_access(live), "admin": [digest_token(keys.token.encode())]})
    public = live / "trust" / keys.trust_file
    if not public.is_file():
        write_whole(public, keys.public)


def check_client_name(client: str) -> None:
    """Raises InputError when `client` cannot name a new client: the rule of project names, with a length."""
    if len(client) > _LONGEST_NAME or not re.fullmatch(PROJECT_NAME, client) or client.endswith("\n"):
        raise InputError(
            f"client {client!r}: {FORMS[PROJECT_NAME].expected} is expected, at most {_LONGEST_NAME} long",
            hint="such as `adapt keys client mobile`",
        )


def add_client(live: Path, client: str, *, replace: bool = False) -> str:
    """Make an API key for `client`; returns it, and stores its digest alone. From now on a key is needed.

    Raises InputError when the name breaks the rule, or when the client has a key and `replace` is not set.
    """
    check_client_name(client)
    if not replace and client in read_access(live)["clients"]:
        raise InputError(
            f"client {client!r} has a key already, and a new one would end it",
            hint=f"`adapt keys client {client} --replace` ends the old key; another name makes one beside it",
        )
    key = secrets.token_urlsafe(_TOKEN_BYTES)
    _add(live, client, digest_token(key.encode()))
    return key


def share_client(live: Path, other: Path, client: str) -> None:
    """Let the key that `client` has at the server of `live` count at another server too."""
    _add(other, client, read_access(live)["clients"][client])


def remove_client(live: Path, client: str) -> None:
    """Take a client's key away; when it was the last one, nobody but the administrator may ask. Raises InputError when there is none."""
    access = read_access(live)
    if client not in access["clients"]:
        raise InputError(f"no client is called {client!r}; there are: {', '.join(sorted(access['clients'])) or 'none'}")
    clients = {name: digest for name, digest in access["clients"].items() if name != client}
    _write_access(live, {**access, "open": False, "clients": clients})


def read_access(live: Path) -> dict[str, Any]:
    """access.json of a server's folder: `admin`, `clients`, and `open`, whether one without a key may ask. Raises InputError when it is broken."""
    path = live / "access.json"
    try:
        content = json.loads(path.read_bytes())
        clients = dict(content["clients"])
        return {"admin": list(content["admin"]), "clients": clients, "open": content.get("open", True) is True and not clients}
    except FileNotFoundError:
        return {"admin": [], "clients": {}, "open": True}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path} is broken", hint="delete it and run `adapt serve --prepare`; clients need new keys") from None


def _add(live: Path, client: str, digest: str) -> None:
    access = read_access(live)
    _write_access(live, {**access, "open": False, "clients": {**access["clients"], client: digest}})


def _write_access(live: Path, access: dict[str, Any]) -> None:
    """Replace access.json where it differs."""
    path, content = live / "access.json", (json.dumps(access, indent=2, sort_keys=True) + "\n").encode()
    if not path.is_file() or path.read_bytes() != content or path.stat().st_mode & 0o777 == _PRIVATE:
        write_whole(path, content)


def _write_new(path: Path, content: bytes) -> bool:
    """Write a private file that is not there yet; from the start nobody else may read it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True
