"""Requests to the base, when adapters have taken every slot: right with the plugin's guard, and wrong without it (vllm pull request 48421)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.adapters import Scene
from tests.serving.servers import NEEDS_VLLM, add_adapter, running
from tests.tiny import CHAT_TEMPLATE, tiny_base

pytestmark = NEEDS_VLLM
MAX_TOKENS = 12
QUESTION = [{"role": "user", "content": "What is a bond?"}]
WITHOUT_GUARD = "def keep_base_rows_apart() -> None:\n    return\n"


def expected(base: Path) -> list[int]:
    """The base's greedy answer by transformers in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    text = tokenizer.apply_chat_template(QUESTION, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    answer: list[int] = model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False)[0].tolist()
    return answer[ids["input_ids"].shape[1] :]


@pytest.mark.parametrize("guarded", [True, False])
def test_base_is_answered_rightly_when_every_slot_is_taken(tmp_path: Path, guarded: bool) -> None:
    scene = Scene(tmp_path)
    base = tiny_base(tmp_path / "base")
    for seed, name in enumerate(("first", "second"), start=1):
        add_adapter(scene, base, name, seed=seed, r=8)
    report = scene.render(base_folder=base, dtype="float32", max_model_len=256, max_num_seqs=8)
    if not guarded:
        (scene.out / "plugin" / "adapt_serving" / "slots.py").write_text(WITHOUT_GUARD)
    with running(scene, report, "--max-loras", "2", "--max-cpu-loras", "2") as server:
        names = ["first", "second", "base"] * 5
        for name in names[:2]:
            assert server.chat(name, QUESTION, max_tokens=1)[0] == 200
        with ThreadPoolExecutor(len(names)) as pool:
            answers = list(pool.map(lambda name: server.chat(name, QUESTION, max_tokens=MAX_TOKENS), names))
        of_base = [body["choices"][0]["token_ids"] for name, (_, body) in zip(names, answers, strict=True) if name == "base"]
        right = all(answer == expected(base) for answer in of_base)
    assert right is guarded, "without the guard, answers of the base are wrong; once they are right, the guard can go"
