"""What is peculiar to single methods: who refuses which base, and that settings do what they say."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from adapt.adapter.lane import Lane
from adapt.adapter.methods import weights as weights_module
from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.galore import GaloreAdamW
from adapt.adapter.methods.shifted import shifted_attention
from adapt.adapter.objectives.sft import Sft
from adapt.adapter.optimisers import RATE_SHARE
from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_model, load_tokenizer
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from adapt.spec.prompt import PinnedPrompt
from tests.adapter.test_methods import Dataset, loaded, logits, trained
from tests.adapter.trainings import records, section


def _attached(bases: Path, method: str, *, base: str = "llama", **settings: Any):
    settings = {"base": base, "method": method, **settings}
    tokenizer = load_tokenizer(bases / base)
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    examples = [prompt.encode(each) for each in records(12)]
    return attach(Base(bases / base), section(bases, **settings), device="cpu", sequences=[example.ids for example in examples])


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("bitfit", {}, "train.method bitfit trains biases, and LlamaForCausalLM has none"),
        ("moe_lora", {}, "moe_lora adapts the experts of a mixture, and LlamaForCausalLM has none"),
        ("freeze", {"layers": 3}, "train.layers is 3, and the base has 2"),
        ("freeze", {"modules": ["model.nothing*"]}, r"train.modules: 'model.nothing\*' names no module of the base"),
        ("ia3", {"scaled_modules": ["k"], "scaled_input_modules": ["down_proj"]}, "train.scaled_modules: 'k' names no linear module"),
        ("pissa", {"lora": LoraSpec(r=65)}, "lora.r is 65, and the smallest of the base's adapted matrices has rank 64"),
        ("eva", {"lora": LoraSpec(r=64)}, "eva looks for 128 directions, and the narrowest adapted module has 64 inputs"),
        ("eva", {"lora": LoraSpec(r=30), "batch_tokens": 60}, "eva looks for 60 directions, and its smallest batch has"),
    ],
)
def test_what_a_base_cannot_do_is_refused(bases: Path, method: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _attached(bases, method, **settings)


@pytest.mark.parametrize("method", ["bitfit", "moe_lora"])
def test_a_refusal_names_methods_that_fit(bases: Path, method: str) -> None:
    with pytest.raises(InputError) as caught:
        _attached(bases, method)
    offered = str(caught.value.hint)
    assert "lora, qlora" in offered
    assert "bitfit" not in offered
    assert "moe_lora" not in offered


def test_longlora_refuses_a_sliding_window(bases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapt.adapter.methods import shifted

    monkeypatch.setattr(shifted, "attends_to_all", lambda model: False)
    with pytest.raises(InputError, match="longlora makes full attention sparse, and LlamaForCausalLM has layers with a sliding window"):
        _attached(bases, "longlora")


def test_adalora_refuses_a_training_of_a_few_steps(bases: Path, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adalora moves ranks over 5 steps or more, and this training has 1"):
        trained(bases, "adalora", dataset(), tmp_path, batch_tokens=5000, epochs=1)


def test_adalora_ends_at_the_rank_that_was_asked_for(bases: Path, dataset: Dataset, tmp_path: Path) -> None:
    report, lane = trained(bases, "adalora", dataset(), tmp_path, epochs=4, evaluate_every_steps=1, patience=None)
    kept = [int((weight != 0).sum()) for name, weight in lane.weights.items() if "lora_E" in name]
    assert sum(kept) == 4 * len(kept)
    assert max(kept) > min(kept), "ranks moved"
    assert report.best_step >= math.ceil(0.8 * report.planned_steps), "an adapter with more ranks than asked for is not kept"
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["r"] == max(kept) == config["lora_alpha"]


def test_eva_spreads_ranks_and_keeps_their_sum(bases: Path) -> None:
    attached = _attached(bases, "eva", lora=LoraSpec(r=4))
    ranks = [weight.shape[0] for name, weight in attached.weights.items() if "lora_A" in name]
    assert sum(ranks) == 4 * 14
    assert len(set(ranks)) > 1
    even = _attached(bases, "eva", lora=LoraSpec(r=4), rank_spread=1)
    assert {weight.shape[0] for name, weight in even.weights.items() if "lora_A" in name} == {4}


def test_lora_plus_gives_b_its_own_rate(bases: Path) -> None:
    attached = _attached(bases, "lora_plus", b_rate_ratio=4)
    optimiser = attached.optimiser(section(bases, base="llama", method="lora_plus").train, attached.weights)
    by_share = {group[RATE_SHARE]: {id(weight) for weight in group["params"]} for group in optimiser.param_groups}
    assert by_share[4.0] == {id(weight) for name, weight in attached.weights.items() if "lora_B" in name}
    assert by_share[1.0] == {id(weight) for name, weight in attached.weights.items() if "lora_A" in name}


@pytest.mark.parametrize("method", ["pissa", "olora", "loftq"])
def test_a_special_start_changes_nothing_yet(bases: Path, method: str) -> None:
    """LoftQ comes nearer to the unquantized base than quantization alone; the others begin at the base."""
    ids = torch.arange(40, 80)[None]
    wanted = load_model(bases / "llama", dtype="float32", device="cpu")(input_ids=ids).logits.detach()
    begun = _attached(bases, method, lora=LoraSpec(r=8)).model(input_ids=ids).logits.detach()
    distance = float((begun - wanted).abs().mean())
    if method == "loftq":
        alone = _attached(bases, "qlora").model(input_ids=ids).logits.detach()
        assert distance < 0.9 * float((alone - wanted).abs().mean())
    else:
        assert distance < 1e-4


def test_loftq_divides_the_scaling_out_of_its_start(bases: Path) -> None:
    ids = torch.arange(40, 80)[None]
    once, twice = (_attached(bases, "loftq", lora=LoraSpec(r=8, lora_alpha=alpha)).model(input_ids=ids).logits for alpha in (8, 16))
    torch.testing.assert_close(once, twice, rtol=1e-4, atol=1e-4)


def test_settings_of_weights_choose_what_is_trained(bases: Path) -> None:
    def names(method: str, base: str = "llama", **settings: Any) -> set[str]:
        return set(_attached(bases, method, base=base, **settings).weights)

    everything = {name for name, _ in load_model(bases / "llama", dtype="float32", device="cpu").named_parameters()}
    assert names("full") == names("galore") == everything
    assert names("freeze", layers=1) == {name for name in everything if name.startswith("model.layers.1.")}
    assert names("freeze", layers=0, modules=["*.0.mlp", "model.norm"]) == {
        "model.norm.weight", *(name for name in everything if name.startswith("model.layers.0.mlp."))
    }  # fmt: skip
    assert {name.rpartition(".")[2] for name in names("bitfit", base="qwen2")} == {"bias"}


def test_full_weights_are_stored_in_shards_of_the_trained_number_format(
    bases: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(weights_module, "SHARD_BYTES", 100_000)
    trained(bases, "full", dataset(), tmp_path, dtype="bfloat16", epochs=1)
    shards = sorted((tmp_path / "adapter").glob("*.safetensors"))
    assert [path.name for path in shards] == ["weights-00001.safetensors", "weights-00002.safetensors", "weights-00003.safetensors"]
    tensors = {name: tensor for path in shards for name, tensor in load_file(path).items()}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert "lm_head.weight" not in tensors, "tied weights are stored once"
    assert logits(loaded(bases, "full", tmp_path).model).isfinite().all()


def test_an_adapter_of_another_base_is_refused(bases: Path, dataset: Dataset, tmp_path: Path) -> None:
    from adapt.adapter.load import load_adapter

    inputs = dataset()
    trained(bases, "bitfit", inputs, tmp_path / "bitfit", epochs=1)
    with pytest.raises(InputError, match="which the base does not have"):
        load_adapter(tmp_path / "bitfit" / "adapter", bases / "llama", dtype="float32", device="cpu")
    other = AutoConfig.from_pretrained(bases / "llama")
    other.num_hidden_layers = 1
    AutoModelForCausalLM.from_config(other).save_pretrained(tmp_path / "shallow")
    load_tokenizer(bases / "llama").save_pretrained(tmp_path / "shallow")
    trained(bases, "houlsby", inputs, tmp_path / "houlsby", epochs=1)
    with pytest.raises(InputError, match="the adapter does not fit the base: Unexpected key"):
        load_adapter(tmp_path / "houlsby" / "adapter", tmp_path / "shallow", dtype="float32", device="cpu")


def test_gradients_of_every_weight_are_those_of_cross_entropy(bases: Path, tmp_path: Path) -> None:
    """The head is trained too, through the same weights as the embedding."""
    from adapt.adapter.checkpoint import Checkpoint

    attached = _attached(bases, "full")
    tokenizer = load_tokenizer(bases / "llama")
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    settings = section(bases, base="llama", method="full").train
    lane = Lane(attached, Sft(), [prompt.encode(each) for each in records(3)], [], settings, seed=1, checkpoint=Checkpoint(tmp_path, "key"))
    lane.gradients_of(lane.items_of([[0, 1, 2]]))
    plain = load_model(bases / "llama", dtype="float32", device="cpu")
    loss, answers = torch.zeros(()), 0
    for example in lane.items:
        ids = torch.tensor([list(example.ids)])
        labels = ids.clone()
        labels[:, : example.prompt_length] = -100
        count = len(example.ids) - example.prompt_length
        loss, answers = loss + plain(input_ids=ids, labels=labels).loss * count, answers + count
    (loss / answers).backward()
    for name, weight in plain.named_parameters():
        torch.testing.assert_close(lane.weights[name].grad, weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
def test_shifted_attention_sees_its_group_and_no_future(heads: tuple[int, int]) -> None:
    torch.manual_seed(0)
    tokens, group = 21, 8
    query, key, value = (torch.randn(2, heads[0], tokens, 8) for _ in range(3))
    found = shifted_attention(query, key, value, group_tokens=group)
    places = torch.arange(tokens)
    for head in range(heads[0]):
        own = (places + (group // 2 if head >= heads[0] // 2 else 0)) // group
        seen = (own[:, None] == own[None]) & (places[:, None] >= places[None])
        scores = (query[:, head] @ key[:, head].transpose(1, 2) / 8**0.5).masked_fill(~seen, float("-inf"))
        torch.testing.assert_close(found[:, head], scores.softmax(-1) @ value[:, head], rtol=1e-4, atol=1e-5)


def test_galore_keeps_moments_of_low_rank_and_is_adamw_without_projection() -> None:
    torch.manual_seed(0)
    start, grads = torch.randn(12, 20), [torch.randn(12, 20) for _ in range(4)]

    def after(make: Any) -> tuple[torch.Tensor, Any]:
        weight = torch.nn.Parameter(start.clone())
        optimiser = make([weight])
        for grad in grads:
            weight.grad = grad.clone()
            for each in optimiser.param_groups:
                each["lr"] = 0.1
            optimiser.step()
        return weight.detach(), optimiser.state[weight]

    plain, _ = after(lambda weights: torch.optim.AdamW(weights, lr=0.1, weight_decay=0.1))
    same, _ = after(lambda weights: GaloreAdamW([{"params": weights, "weight_decay": 0.1}], rank=12, every=2, scale=1.0))
    torch.testing.assert_close(same, plain, rtol=1e-4, atol=1e-5)
    low, state = after(lambda weights: GaloreAdamW([{"params": weights}], rank=3, every=10, scale=1.0))
    assert state["exp_avg"].shape == state["exp_avg_sq"].shape == (3, 20)
    assert int(torch.linalg.matrix_rank(low - start)) <= 3


def test_prompt_tuning_begins_at_the_text(bases: Path) -> None:
    attached = _attached(bases, "prompt_tuning", virtual_tokens=7, initial_text="bond")
    ids = load_tokenizer(bases / "llama")("bond", add_special_tokens=False).input_ids
    (weight,) = attached.weights.values()
    words = attached.causal.get_input_embeddings().weight
    torch.testing.assert_close(weight, words[torch.tensor((ids * 7)[:7])])


def test_training_names_its_method_and_no_path(bases: Path, dataset: Dataset, tmp_path: Path) -> None:
    for method in ("prompt_tuning", "pfeiffer", "full", "pissa"):
        trained(bases, method, dataset(), tmp_path / method, epochs=1)
        folder = tmp_path / method / "adapter"
        assert json.loads((folder / "training.json").read_text())["method"] == method
        text = (folder / "adapter_config.json").read_text()
        assert "sha256:" in text
        assert str(bases) not in text


def test_the_train_stages_code_includes_every_family() -> None:
    from adapt.adapter.methods.door import FAMILIES
    from adapt.plan.fingerprint import _closure

    reached = _closure("adapt.adapter.train")
    assert {f"adapt.adapter.methods.{family}" for family in FAMILIES} <= set(reached)
