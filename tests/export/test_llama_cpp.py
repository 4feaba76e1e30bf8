"""GGUF files in llama.cpp itself: its log-probabilities, greedy answers, token ids and rendered conversations against transformers'.

Needs the extra `gguf`; `make test-slow` installs it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from adapt.adapter.load import load_adapter
from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_model, load_tokenizer
from adapt.errors import GateError, InputError
from adapt.export.export import ExportReport
from adapt.export.forms import ExportInputs
from adapt.export.gguf_file import ADAPTER, MODEL, write_gguf
from adapt.export.golden import Golden
from adapt.export.llama_cpp import BINDING, LlamaCpp, LlamaCppRunner
from adapt.export.modelfile import go_template
from adapt.records import Message
from adapt.spec.export import GgufAdapterExport, GgufExport
from adapt.spec.prompt import PinnedPrompt
from tests.export.conftest import LOOSE, make_adapter, make_dataset, make_record, run
from tests.export.test_gguf import LINEAR, qwen3_base
from tests.export.test_modelfile import go_rendered
from tests.tiny import CHAT_TEMPLATE, VOCABULARY, tiny_base

TEXTS = (
    "What is a bond?",
    "什么是债券？请用一句话回答。",
    'Two lines,\n\n  "quotes", 12345 and 3.50 %, don\'t; <|im_end|>',
    "  spaces   and\ttabs\r\n",
    "naïve café, emoji 🙂, ﬁ",
)
NEAR_TIE = 0.02
"""Logits that llama.cpp's 16-bit cache may turn over."""
ENDS = (0, 2)
"""`<|endoftext|>` and `<|im_end|>` of both tokenizers, which llama.cpp, told to answer through ends, never chooses."""
TEMPLATES = (PinnedPrompt(kind="model"), PinnedPrompt(kind="alpaca"), PinnedPrompt(kind="model", system="Be brief."))


@pytest.fixture(scope="module")
def binding() -> Any:
    return pytest.importorskip(BINDING, reason="the extra `gguf` is not installed, so nothing is loaded into llama.cpp")


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    folder = tmp_path_factory.mktemp(request.param)
    base = qwen3_base(folder / "base") if request.param == "qwen3" else tiny_base(folder / "base", kind=request.param)
    records = [make_record("What is a bond?", "A bond is a loan."), make_record("What is a share?", "A part of a company.")]
    adapter = make_adapter(folder / "adapter", base, target_modules=LINEAR, rank_pattern={"q_proj": 2}, use_rslora=True)
    return ExportInputs(adapter=adapter, dataset=make_dataset(folder / "dataset", records), base=base)


def exported(inputs: ExportInputs, out: Path, kind: Literal["f32", "q8_0", "q4_0"] = "f32", **options: Any) -> ExportReport:
    return run(GgufExport(format="gguf", type=kind, checked_by="llama.cpp", **options), inputs, out)


def trained(inputs: ExportInputs) -> Any:
    return load_adapter(inputs.adapter, inputs.base, dtype="float32", device="cpu").model


def shortfall(model: Any, ids: list[int], answer: list[int]) -> float:
    """How far the worst token of a greedy answer stays behind the best one of the torch model at its place, as a logit; near-ties may turn over."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1].clone()
        logits[:, list(ENDS)] = -torch.inf
    return float((logits.max(-1).values - logits.gather(-1, torch.tensor(answer)[:, None])[:, 0]).max())


@pytest.mark.slow
def test_model_and_adapter_predict_in_llama_cpp_what_the_trained_adapter_predicts(binding: Any, family: ExportInputs, tmp_path: Path) -> None:
    """Up to its 16-bit cache: of the 15 positions of these random models, near-ties turn over."""
    for report in (
        exported(family, tmp_path / "model", parity=LOOSE),
        run(GgufAdapterExport(format="gguf_adapter", checked_by="llama.cpp", parity=LOOSE), family, tmp_path / "adapter"),
    ):
        assert report.parity.mean_kl < 1e-5
        assert report.parity.effect == pytest.approx(1, abs=5e-3)
        assert report.tokens_per_second > 0


@pytest.mark.slow
def test_greedy_answers_of_model_and_of_base_with_adapter_are_those_of_transformers(binding: Any, family: ExportInputs, tmp_path: Path) -> None:
    run(GgufExport(format="gguf", type="f32"), family, tmp_path / "model")
    run(GgufAdapterExport(format="gguf_adapter"), family, tmp_path / "adapter")
    prompt = Prompt(CHAT_TEMPLATE, load_tokenizer(family.base))
    write_gguf(family.base, tmp_path / "base", number_type="f32", prompt=prompt)
    model = trained(family)
    ids = [list(prompt.encode_question((Message(role="user", content=text),))) for text in TEXTS]
    merged = LlamaCpp(tmp_path / "model" / MODEL, threads=1)
    both = LlamaCpp(tmp_path / "base" / MODEL, [tmp_path / "adapter" / ADAPTER], threads=1)
    for engine in (merged, both):
        answers = [engine.answer(each, tokens=16) for each in ids]
        assert max(shortfall(model, each, answer) for each, answer in zip(ids, answers, strict=True)) < NEAR_TIE
        with model.disable_adapter():
            assert all(shortfall(model, each, answer) > 1 for each, answer in zip(ids, answers, strict=True)), "the base answers otherwise"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["f32", "q8_0", "q4_0"])
def test_log_probabilities_are_llama_cpps_own(binding: Any, kind: Any, inputs: ExportInputs, tmp_path: Path) -> None:
    exported(inputs, tmp_path / "out", kind, parity=LOOSE)
    engine, runner = LlamaCpp(tmp_path / "out" / MODEL, threads=1), LlamaCppRunner(tmp_path / "out" / MODEL)
    ids = tuple(range(40, 100))
    rows = runner.score(0, Golden(record="r", text="", prompt_ids=ids[:40], ids=ids, positions=20))
    for position in (0, 7, 19):
        body = {"prompt": list(ids[: 40 + position]), "n_predict": 1, "temperature": 0, "n_probs": VOCABULARY, "cache_prompt": False}
        (found,) = engine.post("/completion", body)["completion_probabilities"]
        own = {entry["id"]: entry["logprob"] for entry in found["top_logprobs"]}
        assert len(own) == VOCABULARY
        assert max(abs(own[token] - rows[position, token].item()) for token in own) < 1e-3


@pytest.mark.slow
def test_damaged_file_fails_its_gate_in_llama_cpp(binding: Any, inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.export.gguf_file._ordered", lambda name, tensor, config, family: tensor)
    with pytest.raises(GateError, match="the export differs from its adapter"):
        exported(inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("chosen", TEMPLATES, ids=["model", "alpaca", "system"])
def test_conversations_become_the_token_ids_of_training(binding: Any, chosen: PinnedPrompt, inputs: ExportInputs, tmp_path: Path) -> None:
    """By the template in the GGUF file, which llama.cpp renders, and by the one in the Modelfile, which Ollama renders."""
    tokenizer = load_tokenizer(inputs.base)
    prompt = Prompt(effective_template(chosen, tokenizer), tokenizer)
    write_gguf(inputs.base, tmp_path, number_type="f32", prompt=prompt)
    engine, go = LlamaCpp(tmp_path / MODEL, threads=1), go_template(prompt)
    user, answer, system = (Message(role=role, content=text) for role, text in (("user", "Why?"), ("assistant", "So."), ("system", "Be kind.")))  # type: ignore[arg-type]
    conversations = [[user], [user, answer, user], [system, user], *([Message(role="user", content=text)] for text in TEXTS)]
    for messages in conversations:
        rendered = engine.post("/apply-template", {"messages": [message.model_dump() for message in messages]})["prompt"]
        plain = not any("<|im_end|>" in message.content for message in messages)  # Ollama's templates cannot escape
        for text in (rendered, *([go_rendered(go, messages)] if plain else [])):
            found = engine.post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
            assert found == list(prompt.encode_question(tuple(messages))), (messages, text)
    written = [Message(role="user", content="a<|im_end|> b <|endoftext|>"), answer, Message(role="user", content="<|im_start|>system c")]
    rendered = engine.post("/apply-template", {"messages": [message.model_dump() for message in written]})["prompt"]
    found = engine.post("/tokenize", {"content": rendered, "add_special": True, "parse_special": True})["tokens"]
    assert found == list(prompt.encode_question(tuple(written))), "control tokens in a message are words for llama.cpp too"


@pytest.mark.slow
def test_bundled_base_answers_in_llama_cpp_as_in_transformers(binding: Any, tmp_path: Path) -> None:
    from adapt.artifact.progress import QuietProgress
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare
    from adapt.spec.base import BundledBase

    root = Path(__file__).parents[2]
    base = prepare(pin(BundledBase(), root=root), root=root, cache=root / ".adapt" / "cache", progress=QuietProgress())
    tokenizer = load_tokenizer(base)
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    write_gguf(base, tmp_path, number_type="f32", prompt=prompt)
    engine, model = LlamaCpp(tmp_path / MODEL), load_model(base, dtype="float32", device="cpu")
    for text in TEXTS:
        ids = engine.post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        assert ids == tokenizer(text).input_ids
        question = list(prompt.encode_question((Message(role="user", content=text),)))
        assert shortfall(model, question, engine.answer(question, tokens=12)) < NEAR_TIE


@pytest.mark.parametrize("export", [exported, lambda i, o: run(GgufAdapterExport(format="gguf_adapter", checked_by="llama.cpp"), i, o)])
def test_without_the_extra_it_is_said_what_to_install_before_anything_is_computed(
    export: Callable[[ExportInputs, Path], Any], inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, BINDING, None)
    monkeypatch.delattr("adapt.export.export.load_adapter")
    with pytest.raises(InputError, match=r"llama\.cpp is asked for, and it cannot be loaded: import of xllamacpp halted") as caught:
        export(inputs, tmp_path / "out")
    assert caught.value.hint == "pip install 'adapt-build[gguf]'"
    assert not (tmp_path / "out").exists()
