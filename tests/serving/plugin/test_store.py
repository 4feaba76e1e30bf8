"""Which adapters a server loads: only whole, signed ones that fit it."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import InputError
from adapt.serving.journal import NameState
from adapt.serving.keys import Keys, open_access, read_access
from adapt.serving.plugin.access import digest_token
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.resolver import SignedResolver
from adapt.serving.plugin.store import forget
from tests.serving.adapters import MODULES, adapter_config, lora_tensors, matrix
from tests.serving.plugin.published import Published, publish

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path, "finance")


def folder_of(published: Published) -> Path:
    return published.adapters / published.versions["finance"]


def test_signed_adapter_is_loaded_from_a_private_copy_of_two_files(published: Published) -> None:
    store, name = published.store(), published.versions["finance"]
    copy = store.load(name)
    assert copy.is_absolute()
    assert copy.parent.stat().st_mode & 0o077 == 0
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
        file: (folder_of(published) / file).read_bytes() for file in (WEIGHTS, "adapter_config.json")
    }
    assert store.load(name) == copy


def test_requests_that_arrive_together_share_one_copy(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    store, name = published.store(), published.versions["finance"]
    entered: list[str] = []
    verify = store._verify

    def slowly(*arguments: Any, **options: Any) -> Any:
        entered.append(name)
        time.sleep(0.05)
        return verify(*arguments, **options)

    monkeypatch.setattr(store, "_verify", slowly)
    with ThreadPoolExecutor(4) as pool:
        copies = set(pool.map(store.load, [name] * 4))
    assert (len(copies), entered) == (1, [name])


def test_copy_of_a_dropped_version_is_removed_and_made_again(published: Published) -> None:
    store, name = published.store(), published.versions["finance"]
    copy = store.load(name)
    forget("../" + copy.parent.name)
    assert copy.is_dir()
    forget(name)
    assert not copy.exists()
    assert store.load(name) == copy
    assert (copy / WEIGHTS).is_file()


def test_verdict_is_remembered_until_a_file_or_a_key_changes(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    store, name = published.store(), published.versions["finance"]
    checked: list[str] = []
    check = store.check
    monkeypatch.setattr(store, "check", lambda version: (checked.append(version), check(version)))
    assert [store.reason(name) for _ in range(3)] == [None] * 3
    assert checked == [name]
    (folder_of(published) / WEIGHTS).write_bytes(b"other")
    assert store.reason(name) == f"{WEIGHTS} is not what was signed"
    (key,) = published.live.places.trust.iterdir()
    key.unlink()
    assert store.reason(name) == "its signature was made with a key that is not trusted here"
    assert store.reason("finance@000000000000") == "there is no folder of that name"


def test_version_that_cannot_be_copied_is_not_served_and_said_once(
    published: Published, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = published.store()
    resolver = SignedResolver(store)

    def full(name: str) -> Path:
        raise OSError(28, "no space")

    monkeypatch.setattr(store, "load", full)
    for _ in range(2):
        assert asyncio.run(resolver.resolve_lora("base", published.versions["finance"])) is None
    assert [record.getMessage() for record in caplog.records] == [f"{published.versions['finance']} is not served: it cannot be copied (OSError)"]


def test_copy_stays_right_when_the_folder_is_altered_later(published: Published) -> None:
    store, name = published.store(), published.versions["finance"]
    before = (store.load(name) / WEIGHTS).read_bytes()
    (folder_of(published) / WEIGHTS).write_bytes(b"other")
    assert (store.load(name) / WEIGHTS).read_bytes() == before
    assert published.reason(name) == f"{WEIGHTS} is not what was signed"


@pytest.mark.parametrize(
    "name", ["../finance", "/etc", "finance", "finance@123", "finance@0123456789AB", "Finance@0123456789ab", "a@0123456789ab/..", ""]
)
def test_other_names_never_reach_the_disk(published: Published, name: str) -> None:
    assert not published.store().has(name)
    assert published.reason(name) == "its name is not one of ours"


@pytest.mark.parametrize("file", [WEIGHTS, "adapter_config.json", "adapter.json", "manifest.json"])
def test_one_altered_byte_is_found_in_every_file(published: Published, file: str) -> None:
    path = folder_of(published) / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert published.reason(folder_of(published).name) == f"{file} is not what was signed"


def test_unsigned_adapter_is_refused(published: Published) -> None:
    (folder_of(published) / "model.sig").unlink()
    assert published.reason(folder_of(published).name) == "it is not signed"


def test_signature_of_an_unknown_key_is_refused(published: Published, tmp_path: Path) -> None:
    foreign = Keys(tmp_path / "foreign")
    foreign.make()
    Published(published.scene, published.live, foreign, published.versions).sign(folder_of(published))
    assert published.reason(folder_of(published).name) == "its signature was made with a key that is not trusted here"


def test_new_keys_leave_what_the_old_ones_signed_and_let_the_old_administrator_out(published: Published, tmp_path: Path) -> None:
    renewed = Keys(tmp_path / "renewed")
    renewed.make()
    open_access(renewed, published.live.folder)
    assert published.reason(folder_of(published).name) is None
    assert len(list(published.live.places.trust.iterdir())) == 2
    digests = [digest_token(renewed.token.encode())]
    assert read_access(published.live.folder)["admin"] == digests
    Published(published.scene, published.live, renewed, published.versions).sign(folder_of(published))
    assert published.reason(folder_of(published).name) is None


def test_server_of_another_user_can_read_who_may_ask(published: Published) -> None:
    path = published.live.places.access
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    open_access(published.keys, published.live.folder)
    assert path.stat().st_mode & 0o777 == 0o644
    assert published.keys.token not in path.read_text()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"])
def test_broken_signing_key_is_said(published: Published, content: bytes) -> None:
    (published.keys.folder / "signing.pem").write_bytes(content)
    with pytest.raises(InputError, match=r"signing.pem is no private key without a password\nhint: delete it and make a new pair"):
        open_access(published.keys, published.live.folder)


def test_signature_of_another_version_does_not_count(published: Published) -> None:
    name = published.rebuilt(tensors=lora_tensors(b=0.25), resign=False)
    (published.adapters / name / "model.sig").write_bytes((folder_of(published) / "model.sig").read_bytes())
    assert published.reason(name) == "its signature was made for another folder"


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"mediaType": "a"}', b"\xff", b"[" * 100_000])
def test_broken_signatures_are_refused(published: Published, text: bytes) -> None:
    (folder_of(published) / "model.sig").write_bytes(text)
    assert published.reason(folder_of(published).name) == "its signature cannot be read"


def test_files_that_nobody_signed_are_refused(published: Published) -> None:
    (folder_of(published) / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert published.reason(folder_of(published).name) == "its folder holds 'adapter_model.bin', which was not signed"


def test_pickles_are_refused_even_when_signed(published: Published) -> None:
    (folder_of(published) / "adapter_model.bin").write_bytes(b"\x80\x04.")
    published.sign(folder_of(published))
    assert published.reason(folder_of(published).name) == "it was signed with other files than an adapter has"


def test_links_are_refused(published: Published, tmp_path: Path) -> None:
    folder = folder_of(published)
    outside = tmp_path / "outside"
    (folder / WEIGHTS).rename(outside)
    (folder / WEIGHTS).symlink_to(outside)
    assert published.reason(folder.name) == f"{WEIGHTS} is missing or a link"
    link = published.adapters / "finance@0123456789ab"
    link.symlink_to(folder)
    assert published.reason(link.name) == "there is no folder of that name"


def test_pipes_do_not_hang_the_server(published: Published) -> None:
    path = folder_of(published) / "adapter_config.json"
    path.unlink()
    os.mkfifo(path)
    assert published.reason(folder_of(published).name) == "adapter_config.json is not a file"


def test_name_must_be_that_of_the_content(published: Published) -> None:
    other = published.adapters / "finance@0123456789ab"
    folder_of(published).rename(other)
    published.sign(other)
    assert published.reason(other.name) == "its name is not that of its content"


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"base": {"digest": "c" * 64, "revision": None}}, "it was trained on another base model than the one served"),
        ({"base": {"digest": "b" * 64, "revision": "a" * 40}}, "it was trained on another base model than the one served"),
        ({"tokenizer": "c" * 64}, "it was trained with another tokenizer than the one served"),
        ({"template": None}, "it was trained with another template than the one served"),
        ({"name": "legal"}, "it was signed under another name"),
    ],
)
def test_adapters_of_another_server_are_refused(published: Published, about: dict[str, Any], expected: str) -> None:
    assert published.reason(published.rebuilt(**about)) == expected


LONE = {name: value for name, value in lora_tensors().items() if "lora_A" in name}
FOREIGN = lora_tensors(modules={**MODULES, "model.layers.7.self_attn.q_proj": (8, 6)})


@pytest.mark.parametrize(
    ("tensors", "config", "expected"),
    [
        (lora_tensors(9), adapter_config(9), "its rank is 9, and the server's slots hold 8"),
        (None, adapter_config(rank_pattern={"q_proj": 64}), "its rank is 64, and the server's slots hold 8"),
        (None, {"peft_type": "LORA"}, "its configuration names no rank"),
        (lora_tensors(5), None, "the shapes of model.layers.0.self_attn.q_proj do not fit the base and the rank"),
        (lora_tensors(modules=dict.fromkeys(MODULES, (8, 5))), None, "do not fit the base and the rank"),
        (LONE, None, "lora_A or lora_B is missing for model.layers.0.self_attn.q_proj"),
        (FOREIGN, None, "the base has no model.layers.7.self_attn.q_proj"),
        ({"embed_tokens.weight": matrix(10, 6)}, None, "embed_tokens.weight is no matrix of a LoRA adapter"),
        ({}, None, "its weights adapt no module"),
    ],
)
def test_ranks_and_shapes_beyond_the_server_are_refused(published: Published, tensors: Any, config: Any, expected: str) -> None:
    reason = published.reason(published.rebuilt(tensors=tensors, config=config))
    assert reason is not None
    assert expected in reason


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer.json", "model.safetensors.index.json", "added_tokens.json", "special_tokens_map.json", "more.safetensors"]
)
def test_changed_base_on_disk_stops_every_adapter(published: Published, file: str) -> None:
    (published.scene.root / "base" / file).write_text('{"other": 1}')
    assert published.reason(published.versions["finance"]) == "the base model on disk is not the one that the server was configured for"


def test_weights_that_are_cut_off_are_refused(published: Published) -> None:
    name = published.rebuilt(tensors=lora_tensors(b=0.25))
    path = published.adapters / name / WEIGHTS
    path.write_bytes(path.read_bytes()[:-8])
    published.sign(path.parent)
    reason = published.reason(name)
    assert reason == "its weights are cut off"


def test_refused_adapter_leaves_no_copy(published: Published) -> None:
    store, name = published.store(), published.rebuilt(template="d" * 64)
    with pytest.raises(RefusedError, match="another template"):
        store.load(name)
    (folder_of(published) / "model.sig").write_bytes(b"{}")
    with pytest.raises(RefusedError, match="cannot be read"):
        store.load(published.versions["finance"])


def test_signed_content_is_named_in_the_statement_of_the_library(published: Published) -> None:
    """The signature is one of model-signing: its own verifier takes it."""
    from model_signing import verifying

    folder = folder_of(published)
    public = published.live.places.trust / published.keys.trust_file
    aside = published.adapters.parent / "sig"
    (folder / "model.sig").rename(aside)
    verifying.Config().use_elliptic_key_verifier(public_key=public).verify(folder, aside)
    assert {entry["name"] for entry in json.loads(_payload(aside))["predicate"]["resources"]} == {path.name for path in folder.iterdir()}


def _payload(path: Path) -> bytes:
    import base64

    return base64.b64decode(json.loads(path.read_bytes())["dsseEnvelope"]["payload"])


def test_only_what_the_journal_leads_to_is_loaded_however_well_signed(published: Published) -> None:
    """An old version that is put back into the folder, one that failed, one that was rolled back."""
    store, name, journal = published.store(journaled=True), published.versions["finance"], published.live.journal
    assert store.reason(name) is None
    journal.change("finance", lambda state: NameState(earlier=(name,)), action="retire")
    assert store.reason(name) is None  # a roll-back may lead to it
    journal.change("finance", lambda state: NameState(failed={name: "it missed its bounds"}), action="failed")
    assert "no roll-out leads to it" in str(store.reason(name))
    for refused in (store.check, store.load):
        with pytest.raises(RefusedError, match="no roll-out leads to it"):
            refused(name)
    journal.change("finance", lambda state: state.begin(name, "again"), action="begin")
    assert store.reason(name) is None
    store.load(name)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"finance": {"good": 1, "attempt": null, "earlier": []}}', b'{"finance": {}}'])
def test_a_journal_that_is_missing_or_unusable_takes_nothing_from_what_serves(published: Published, content: bytes | None) -> None:
    path = published.live.places.rollouts
    path.unlink() if content is None else path.write_bytes(content)
    published.store(journaled=True).check(published.versions["finance"])
