"""Verifies the signature of a folder: an OpenSSF model-signing bundle made with an elliptic-curve key.

Enters: the bundle's text and the public keys that are trusted. Leaves: the SHA-256 of every signed file. The bundle is a DSSE envelope
(https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md) around an in-toto statement whose predicate lists the files. It is made by the
`model-signing` library; that library is not needed here, so that the serving environment stays free of its dependencies.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .refusal import RefusedError

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
PAYLOAD = "application/vnd.in-toto+json"
_HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}


def signed_files(bundle: bytes, *, name: str, keys: Sequence[bytes]) -> dict[str, str]:
    """SHA-256 by file name, as one of `keys` (PEM) signed them for the folder `name`. Raises RefusedError when no key did."""
    payload = _verified_payload(bundle, keys)
    try:
        statement = json.loads(payload)
        subject, predicate = statement["subject"][0], statement["predicate"]
        kinds = (statement["_type"], statement["predicateType"], predicate["serialization"]["method"], predicate["serialization"]["hash_type"])
        files = {str(entry["name"]): _sha256(entry) for entry in predicate["resources"]}
        whole = hashlib.sha256(b"".join(bytes.fromhex(_sha256(entry)) for entry in predicate["resources"])).hexdigest()
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise RefusedError("its signature holds no statement about files") from None
    if kinds != (STATEMENT, PREDICATE, "files", "sha256") or subject["digest"].get("sha256") != whole:
        raise RefusedError("its signature is of a kind that is not known here")
    if subject["name"] != name:
        raise RefusedError("its signature was made for another folder")
    return files


def _verified_payload(bundle: bytes, keys: Sequence[bytes]) -> bytes:
    try:
        content: dict[str, Any] = json.loads(bundle)
        envelope = content["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        (entry,) = envelope["signatures"]
        signature = base64.b64decode(entry["sig"], validate=True)
        kinds = content["mediaType"], envelope["payloadType"]
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise RefusedError("its signature cannot be read") from None
    if kinds != (BUNDLE, PAYLOAD):
        raise RefusedError("its signature is of a kind that is not known here")
    signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    if not any(_fits(key, signature, signed) for key in keys):
        raise RefusedError("its signature was made with a key that is not trusted here")
    return payload


def _fits(key: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        public = load_pem_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return False
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.key_size not in _HASHES:
        return False
    try:
        public.verify(signature, signed, ec.ECDSA(_HASHES[public.curve.key_size]))
    except InvalidSignature:
        return False
    return True


def _sha256(entry: dict[str, Any]) -> str:
    digest = str(entry["digest"])
    if entry["algorithm"] != "sha256" or len(digest) != 64:
        raise ValueError(digest)
    return digest
