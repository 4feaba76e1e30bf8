"""Signs a folder with OpenSSF model-signing and an elliptic-curve key, offline: no transparency log, no identity provider."""

from importlib import import_module
from pathlib import Path
from typing import Any

from adapt.errors import InputError


def sign(folder: Path, signature: Path, *, key: Path) -> None:
    """Write the signature of every file in `folder`, which must not hold one yet. Raises InputError when the key cannot be used."""
    hashing: Any = import_module("model_signing.hashing")  # without types; and it takes a second to load
    signing: Any = import_module("model_signing.signing")
    plain = hashing.Config().use_file_serialization(hashing_algorithm="sha256").set_ignored_paths(paths=[], ignore_git_paths=False)
    try:
        signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(plain).sign(folder, signature)
    except (ValueError, TypeError) as error:
        raise InputError(f"{key} cannot sign: {error}", hint="make a new pair with `adapt keys make`") from None
