"""A model that carries rounding far is not taken for one whose code does something else, and the other way round."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adapt.adapter import attention, head
from adapt.adapter.attention import causal_attention
from adapt.adapter.head import find_head, hidden_states
from adapt.adapter.states import side_by_side
from adapt.base import attention as base_attention
from adapt.base.attention import settle_attention
from adapt.base.rounding import differ_beyond_rounding, probe_ids, share_of_difference
from adapt.errors import InputError


def deep_model(dtype: torch.dtype, *, spread: float = 0.08) -> Any:
    """A random Llama of 20 layers, whose attention is sharp: one rounding at the bottom is many at the top."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=20,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=spread,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(12.0)
    return model.to(dtype)


def differences(model: Any) -> float:
    """Between the states of torch's kernel and those of training's attention."""
    probe = side_by_side([probe_ids(model, 32)])
    with torch.no_grad():
        own = model.model(input_ids=probe.ids).last_hidden_state
        with causal_attention(model):
            return share_of_difference(hidden_states(model, probe), own)


def test_a_deep_model_in_sixteen_bits_is_past_the_floor_by_rounding_alone_and_is_taken() -> None:
    model = deep_model(torch.bfloat16)
    assert differences(model) > head._TOLERANCE  # else this test proves nothing
    assert differences(deep_model(torch.float32)) < 1e-3  # the same model: it is rounding
    find_head(model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_an_attention_that_computes_something_else_is_refused_in_any_number_format(monkeypatch, dtype: torch.dtype) -> None:
    products = attention._products
    monkeypatch.setattr(attention, "_products", lambda query, key, value, scaling: products(query, key, value, (scaling or 1.0) / 4))
    with pytest.raises(InputError, match="LlamaForCausalLM has other states with the attention of training"):
        find_head(deep_model(dtype, spread=0.05))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_head_that_is_scaled_is_refused_though_rounding_is_heavy(monkeypatch, dtype: torch.dtype) -> None:
    model = deep_model(dtype)
    own = model.lm_head.forward
    monkeypatch.setattr(model.lm_head, "forward", lambda hidden: own(hidden) * 1.1)
    with pytest.raises(InputError, match=r"changes its logits in a way that is not known: ours differ by 0\.09"):
        find_head(model)


def test_the_fused_kernel_stays_where_only_rounding_tells_it_from_the_models_own_code(monkeypatch) -> None:
    monkeypatch.setattr(base_attention, "_reasons", {})
    model = deep_model(torch.bfloat16)
    settle_attention(model)
    assert model.config._attn_implementation == "sdpa"


def test_the_probe_is_spread_over_the_vocabulary_and_fits_small_ones() -> None:
    model = deep_model(torch.float32)
    assert probe_ids(model, 4) == [62, 187, 312, 437]
    assert max(probe_ids(model, 700)) < 500


def test_moved_embeddings_are_put_back_and_random_numbers_stay() -> None:
    model = deep_model(torch.bfloat16)
    ids = torch.tensor([[1, 2, 3]])

    def states() -> torch.Tensor:
        with torch.no_grad():
            return model.model(input_ids=ids).last_hidden_state

    before, state = states(), torch.get_rng_state()
    assert differ_beyond_rounding(model, -before, before, floor=0.05, again=states)
    assert differ_beyond_rounding(model, before * float("nan"), before, floor=0.05, again=states)
    assert torch.equal(states(), before)
    assert torch.equal(torch.get_rng_state(), state)
