"""What each engine makes of an adapter, as the stage says it."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import StageError
from tests.serving.adapters import Scene, adapter_config, base_folder
from tests.serving.servers import NEEDS_VLLM, PYTHON


def found(scene: Scene, *, family: str = "llama") -> dict[str, Any]:
    """By engine whether it serves `finance`, and why."""
    scene.render(base_folder=base_folder(scene.root / "base", model_type=family))
    verdicts: dict[str, Any] = json.loads((scene.out / "verdicts.json").read_bytes())
    return verdicts["finance"]


def servable(verdicts: dict[str, Any]) -> set[str]:
    return {engine for engine, verdict in verdicts.items() if verdict["servable"]}


def test_plain_lora_on_a_llama_is_served_everywhere(scene: Scene) -> None:
    scene.add("finance", training='{"method": "lora"}')
    verdicts = found(scene)
    assert {engine: verdict["form"] for engine, verdict in verdicts.items()} == {
        "vllm": "adapter",
        "transformers": "adapter",
        "onnxruntime": "onnx",
        "llama.cpp": "gguf",
    }


def test_methods_that_vllm_lacks_are_sent_to_an_export(scene: Scene) -> None:
    scene.add("finance", training='{"method": "dora"}')
    verdicts = found(scene)
    assert servable(verdicts) == {"transformers", "onnxruntime", "llama.cpp"}
    assert "it was trained with dora" in verdicts["vllm"]["why"]
    assert "export it with format merged" in verdicts["vllm"]["why"]


def test_methods_that_cannot_be_merged_stay_with_transformers(scene: Scene) -> None:
    scene.add("finance", training='{"method": "houlsby"}')
    verdicts = found(scene)
    assert servable(verdicts) == {"transformers"}
    assert verdicts["llama.cpp"]["why"] == "houlsby cannot be merged into the base, which llama.cpp would need"


def test_families_that_an_engine_lacks_are_named(scene: Scene) -> None:
    scene.add("finance", training='{"method": "lora"}')
    verdicts = found(scene, family="mixtral")
    assert servable(verdicts) == {"vllm", "transformers"}
    assert verdicts["llama.cpp"]["why"] == "the base is a mixtral model; llama.cpp is given llama, qwen2, qwen3"


def test_an_adapter_that_did_not_pass_is_served_nowhere(scene: Scene) -> None:
    scene.add("finance", passed=False)
    assert {verdict["why"] for verdict in found(scene).values()} == {"its gates have not passed"}


def test_damaged_adapter_is_served_nowhere(scene: Scene) -> None:
    (scene.add("finance") / "training.json").write_text("{")
    verdicts = found(scene)
    assert servable(verdicts) == set()
    assert "differs from its manifest: training.json" in verdicts["transformers"]["why"]


def test_vllm_that_does_not_answer_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from adapt.serving import verdicts

    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o755)
    monkeypatch.setattr(verdicts, "_SECONDS", 0.2)
    with pytest.raises(StageError, match=r"vLLM did not answer within 0\.2 seconds"):
        verdicts.rehearse(tmp_path, python=slow)


@pytest.mark.parametrize("mark", ["takes", "refuses"])
@pytest.mark.vllm
@NEEDS_VLLM[1]
def test_vllm_itself_is_asked(scene: Scene, mark: str) -> None:
    from adapt.serving.verdicts import rehearse

    scene.add("finance")
    (offer,) = scene.render(base_folder=base_folder(scene.root / "base")).served
    if mark == "takes":
        assert rehearse(scene.out, python=PYTHON) == {"serve.yaml": None, offer.served_name: None}
        return
    (scene.out / offer.path / "adapter_config.json").write_text(json.dumps(adapter_config(use_dora=True)))
    reason = rehearse(scene.out, python=PYTHON)[offer.served_name]
    assert reason is not None
    assert "DoRA" in reason
    (scene.out / "serve.yaml").write_text("max-lora-rank: 24\n")
    refusal = rehearse(scene.out, python=PYTHON)["serve.yaml"]
    assert refusal is not None
    assert "24" in refusal
