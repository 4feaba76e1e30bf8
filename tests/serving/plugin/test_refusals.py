"""What the server refuses, each condition alone: keys of other kinds, signed folders that disagree with themselves, requests without keys."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from prometheus_client import REGISTRY

from adapt.serving.plugin.access import Access, digest_token
from adapt.serving.plugin.tensors import wrong_shape
from tests.serving.plugin.published import Published, publish
from tests.serving.plugin.test_gate import Door

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path, "finance")


def pem(key: Any) -> bytes:
    content: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


@pytest.mark.parametrize("kind", ["no key", "a torn key", "RSA", "Ed25519", "another curve", "another key"])
def test_only_the_key_that_signed_lets_a_version_in(kind: str, published: Published) -> None:
    (trusted,) = published.live.places.trust.iterdir()
    own = trusted.read_bytes()
    keys = {
        "no key": b"",
        "a torn key": own[:60],
        "RSA": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "Ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
        "another curve": pem(ec.generate_private_key(ec.SECP256K1())),
        "another key": pem(ec.generate_private_key(ec.SECP256R1())),
    }
    trusted.write_bytes(keys[kind])
    assert published.reason(published.versions["finance"]) == "its signature was made with a key that is not trusted here"
    (published.live.places.trust / "zz.pem").write_bytes(own)
    assert published.reason(published.versions["finance"]) is None, "a key that cannot be used hides no other"


@pytest.mark.parametrize("lie", ["name", "adapter.json", WEIGHTS, CONFIG, "none"])
def test_name_manifest_and_files_must_be_of_one_content(lie: str, published: Published) -> None:
    """What somebody who holds the signing key could sign."""
    folder = published.adapters / published.versions["finance"]
    manifest, about = (json.loads((folder / name).read_bytes()) for name in ("manifest.json", "adapter.json"))
    if lie in (WEIGHTS, CONFIG):
        manifest["files"][lie] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    (folder / "adapter.json").write_text(json.dumps(about | {"digest": "0" * 64 if lie == "adapter.json" else digest}))
    named = folder.rename(published.adapters / f"finance@{'0' * 12 if lie == 'name' else digest[:12]}")
    published.sign(named)
    assert published.reason(named.name) == (None if lie == "none" else "its name is not that of its content")


def test_names_that_lack_their_first_part_are_those_of_the_base() -> None:
    shapes = {"transformer.h.0.c.lora_A.weight": (2, 4), "transformer.h.0.c.lora_B.weight": (8, 2)}
    assert wrong_shape(shapes, {"r": 2}, {"h.0.c": [8, 4]}) is None
    assert wrong_shape(shapes, {"r": 2}, {"c": [8, 4]}) == "the base has no transformer.h.0.c"
    assert wrong_shape(shapes, {"r": 2}, {"h.0.c": [4, 8]}) == "the shapes of transformer.h.0.c do not fit the base and the rank"


ADMIN = {"admin": [digest_token(b"root")], "clients": {}}
BEARER = [(b"authorization", b"Bearer root")]


@pytest.mark.parametrize(
    ("content", "anybody"),
    [
        (ADMIN, True), (ADMIN | {"open": True}, True), (ADMIN | {"open": False}, False), (ADMIN | {"open": 1}, False),
        (ADMIN | {"clients": {"a": digest_token(b"a")}}, False), (ADMIN | {"clients": {"a": digest_token(b"a")}, "open": True}, False),
    ],
)  # fmt: skip
def test_anybody_may_ask_only_while_there_was_never_a_client(content: dict[str, Any], anybody: bool, tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    path.write_text(json.dumps(content))
    access = Access(path)
    assert access.may_ask([]) is anybody
    assert access.may_ask(BEARER)
    assert access.may_administrate(BEARER)
    assert not access.may_administrate([(b"authorization", b"Bearer a")])
    assert not access.may_administrate([*BEARER, *BEARER]), "two headers are no header"
    assert access.may_ask([(b"Authorization", b"bearer  a ")]) is (anybody or bool(content["clients"]))


def test_an_unusable_access_file_is_said_once_each_time_that_it_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "access.json"
    access = Access(path)
    for content, said in (("{", 1), ("[", 1), (json.dumps(ADMIN), 1), ("{}", 2)):
        path.write_text(content)
        assert access.may_administrate(BEARER) is (content[-1:] == "}" and len(content) > 2)
        assert [record.getMessage().partition(": ")[0] for record in caplog.records] == ["access.json cannot be read, so nobody is let in"] * said
    assert caplog.records[0].getMessage().endswith("JSONDecodeError")


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("adapt_refused_total", {"reason": reason}) or 0.0


def test_what_is_turned_away_is_counted_by_its_reason_and_told_to_the_client(published: Published) -> None:
    door = Door(published)
    (published.live.folder / "access.json").write_text(json.dumps(ADMIN | {"open": False}))
    before = {reason: refused(reason) for reason in ("key", "model", "route", "body")}
    assert door.ask("finance") == (
        401,
        {
            "error": {
                "message": "a valid API key is needed: Authorization: Bearer KEY",
                "type": "authentication_error",
                "param": None,
                "code": 401,
            }
        },
    )
    (published.live.folder / "access.json").write_text(json.dumps(ADMIN))
    door.ask("nobody")
    door.send("GET", "/docs")
    door.send("POST", "/v1/completions", b"{")
    assert {reason: refused(reason) - count for reason, count in before.items()} == dict.fromkeys(before, 1)


def exchange(door: Door, messages: list[dict[str, Any]], **scope: Any) -> tuple[int, Any]:
    """What the gate answers to raw ASGI messages."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        assert message["type"] == ("http.response.body" if sent else "http.response.start")
        sent.append(message)

    asyncio.run(
        door.gate(
            {"type": "http", "method": "POST", "path": "/v1/completions", "headers": [], **scope},
            receive,
            send,
        )
    )
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_messages_may_leave_out_what_has_a_default(published: Published) -> None:
    body = json.dumps({"model": "finance"}).encode()
    assert (
        exchange(
            Door(published),
            [{"type": "http.request", "more_body": True}, {"type": "http.request", "body": body}],
        )[0]
        == 200
    )


@pytest.mark.parametrize("first", [[], [{"type": "http.request", "body": b'{"model": "finance"}', "more_body": True}]])
def test_a_body_that_breaks_off_is_said_to_have_broken_off(first: list[dict[str, Any]], published: Published) -> None:
    door = Door(published)
    status, answer = exchange(door, [*first, {"type": "http.disconnect"}])
    assert (status, answer["error"]["message"], door.inner.seen) == (400, "the request broke off", [])


def test_a_client_that_still_sends_what_is_too_long_is_read_to_its_end(published: Published) -> None:
    long = [{"type": "http.request", "body": bytes(3 << 20), "more_body": more} for more in (True, True, True, False)]
    assert exchange(Door(published), long)[0] == 413
    assert long == []


def test_a_prefix_of_the_application_is_no_part_of_the_route(published: Published) -> None:
    message = {"type": "http.request", "body": json.dumps({"model": "finance"}).encode()}
    assert exchange(Door(published), [message], path="/proxy/v1/completions", root_path="/proxy")[0] == 200
