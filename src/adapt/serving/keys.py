"""Keys of a workspace: the pair that signs adapters, the administrator's token, and API keys of clients.

The private key and the token stay under `.adapt/keys`, readable by their owner alone; a server's folder gets the public key and digests.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapt.errors import InputError
from adapt.serving.atomic import write_whole
from adapt.serving.plugin.access import digest_token

SIGNING, TOKEN, PUBLIC = "signing.pem", "admin.token", "workspace.pem"
_PRIVATE = 0o600
_TOKEN_BYTES = 32


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
        """The public key, PEM."""
        private = serialization.load_pem_private_key(self.signing.read_bytes(), password=None)
        return private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

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
    """Let the holder of `keys` administrate the server of the folder `live`, and let its signatures count; clients stay as they are."""
    access = read_access(live)
    digest = digest_token(keys.token.encode())
    if digest not in access["admin"]:
        write_whole(live / "access.json", _text({**access, "admin": [*access["admin"], digest]}), mode=_PRIVATE)
    public = live / "trust" / PUBLIC
    if not public.is_file() or public.read_bytes() != keys.public:
        write_whole(public, keys.public)


def add_client(live: Path, client: str) -> str:
    """Make an API key for `client` in place of an older one; returns it, and keeps its digest alone."""
    key = secrets.token_urlsafe(_TOKEN_BYTES)
    access = read_access(live)
    clients = {**access["clients"], client: digest_token(key.encode())}
    write_whole(live / "access.json", _text({**access, "clients": clients}), mode=_PRIVATE)
    return key


def share_client(live: Path, other: Path, client: str) -> None:
    """Let the key that `client` has at the server of `live` count at another server too."""
    access = read_access(other)
    clients = {**access["clients"], client: read_access(live)["clients"][client]}
    write_whole(other / "access.json", _text({**access, "clients": clients}), mode=_PRIVATE)


def remove_client(live: Path, client: str) -> None:
    """Take a client's key away. Raises InputError when there is none."""
    access = read_access(live)
    if client not in access["clients"]:
        raise InputError(f"no client is called {client!r}; there are: {', '.join(sorted(access['clients'])) or 'none'}")
    clients = {name: digest for name, digest in access["clients"].items() if name != client}
    write_whole(live / "access.json", _text({**access, "clients": clients}), mode=_PRIVATE)


def read_access(live: Path) -> dict[str, Any]:
    """access.json of a server's folder; empty where there is none. Raises InputError when it is broken."""
    path = live / "access.json"
    try:
        content = json.loads(path.read_bytes())
        return {"admin": list(content["admin"]), "clients": dict(content["clients"])}
    except FileNotFoundError:
        return {"admin": [], "clients": {}}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is broken", hint="delete it and run `adapt serve --prepare`; clients need new keys") from None


def _text(access: object) -> bytes:
    return (json.dumps(access, indent=2, sort_keys=True) + "\n").encode()


def _write_new(path: Path, content: bytes) -> bool:
    """Write a private file that is not there yet; from the start nobody else may read it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return True
