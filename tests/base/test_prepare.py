import threading
import time
from pathlib import Path

import pytest

from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.base import prepare as prepare_module
from adapt.base.pin import pin
from adapt.base.prepare import prepare
from adapt.errors import InputError
from adapt.spec.base import BundledBase, HubBase, PathBase, PinnedBase
from tests.tiny import tiny_base

HUB = PinnedBase(source=HubBase(kind="hub", model="team/model", revision="a" * 40), digest="a" * 40)


class Conversions:
    """Stands in for the conversion: counts, and writes one file."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, gguf: Path, folder: Path) -> None:
        self.count += 1
        time.sleep(0.05)
        (folder / "model.safetensors").write_text(gguf.name)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Conversions:
    counting = Conversions()
    monkeypatch.setattr(prepare_module, "convert", counting)
    return counting


def _bundled(tmp_path: Path) -> Path:
    return prepare(pin(BundledBase(), root=tmp_path), root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress())


def test_a_model_on_disk_is_used_in_place(tmp_path: Path) -> None:
    tiny_base(tmp_path / "tiny")
    base = pin(PathBase(kind="path", path="tiny"), root=tmp_path)
    assert prepare(base, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress()) == tmp_path / "tiny"
    assert not (tmp_path / "cache").exists()


def test_a_model_that_changed_since_it_was_pinned_is_refused(tmp_path: Path) -> None:
    tiny_base(tmp_path / "tiny")
    base = pin(PathBase(kind="path", path="tiny"), root=tmp_path)
    (tmp_path / "tiny" / "config.json").write_text('{"changed": true}')
    with pytest.raises(InputError, match="the base model tiny has changed"):
        prepare(base, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress())


def test_the_bundled_model_is_converted_once(tmp_path: Path, conversions: Conversions) -> None:
    assert _bundled(tmp_path) == _bundled(tmp_path)
    assert conversions.count == 1


def test_two_builds_at_once_convert_once(tmp_path: Path, conversions: Conversions) -> None:
    threads = [threading.Thread(target=_bundled, args=(tmp_path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conversions.count == 1


@pytest.mark.parametrize("damage", ["truncate", "delete", "unlist"])
def test_a_damaged_cache_is_converted_again(tmp_path: Path, conversions: Conversions, damage: str) -> None:
    folder = _bundled(tmp_path)
    if damage == "truncate":
        (folder / "model.safetensors").write_text("")
    else:
        (folder / ("model.safetensors" if damage == "delete" else "complete.json")).unlink()
    assert (_bundled(tmp_path) / "model.safetensors").read_text().endswith(".gguf")
    assert conversions.count == 2


def test_a_failed_conversion_leaves_nothing_that_looks_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conversions: Conversions) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("killed")

    monkeypatch.setattr(prepare_module, "convert", fail)
    with pytest.raises(RuntimeError, match="killed"):
        _bundled(tmp_path)
    monkeypatch.setattr(prepare_module, "convert", conversions)
    assert sorted(path.name for path in _bundled(tmp_path).iterdir()) == ["complete.json", "model.safetensors"]


def test_a_hub_model_is_downloaded_without_code_or_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def download(model: str, **settings: object) -> None:
        asked.update(settings, model=model)
        tiny_base(Path(str(settings["local_dir"])))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = prepare(HUB, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress())
    assert (asked["model"], asked["revision"]) == ("team/model", "a" * 40)
    assert not any(str(pattern).endswith((".py", ".bin", ".pt")) for pattern in asked["allow_patterns"])  # type: ignore[attr-defined]
    assert (folder / "model.safetensors").is_file()
    asked.clear()
    assert prepare(HUB, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress()) == folder
    assert not asked


def test_a_hub_model_that_cannot_be_had_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"team/model at a{40} cannot be downloaded"):
        prepare(HUB, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress())


@pytest.mark.slow
def test_the_bundled_model_answers_and_converts_to_the_same_bytes(tmp_path: Path) -> None:
    from adapt.adapter.generation import generate
    from adapt.adapter.prompt import Prompt, effective_template
    from adapt.base.load import load_model, load_tokenizer
    from adapt.records import Message
    from adapt.spec.prompt import PinnedPrompt

    folder, again = _bundled(tmp_path / "a"), _bundled(tmp_path / "b")
    assert digest_files(folder) == digest_files(again)
    model, tokenizer = load_model(folder, dtype="bfloat16", device="cpu"), load_tokenizer(folder)
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    ids = prompt.encode_question([Message(role="user", content="What is the capital of France?")])
    answer = generate(model, tokenizer, [ids], max_new_tokens=24, batch_tokens=512, end_ids=prompt.end_ids)[0]
    assert "Paris" in tokenizer.decode(answer)
    text = "In 2024 it's 5%, 什么是债券？  two  spaces"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer.eos_token == "<|im_end|>"
