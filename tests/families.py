"""Tiny random models of families that `tests.tiny` leaves out: mixtures with dense layers, a model with eyes, one that caps its scores."""

from pathlib import Path
from typing import Any

from tests.tiny import VOCABULARY, tiny_base

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
FAMILIES: dict[str, dict[str, Any]] = {
    "deepseek_v3": {
        **_EXPERTS,
        "num_key_value_heads": 4, "first_k_dense_replace": 1, "n_routed_experts": 4, "n_group": 1, "topk_group": 1,
        "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16,
    },
    "glm4_moe": {**_EXPERTS, "first_k_dense_replace": 1, "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "head_dim": 16},
    "ernie4_5_moe": {
        "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 32, "moe_layer_start_index": 1, "moe_layer_interval": 1,
        "moe_num_shared_experts": 1,
    },
    "qwen3_moe": {**_EXPERTS, "num_experts": 4, "mlp_only_layers": [0], "head_dim": 16},
    "qwen2_moe": {**_EXPERTS, "num_experts": 4, "mlp_only_layers": [0], "shared_expert_intermediate_size": 32},
    "gemma2": {"head_dim": 16, "sliding_window": 8, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 30.0},
    "mistral": {"sliding_window": 8},
    "granite": {"attention_multiplier": 0.7},
}  # fmt: skip
_EYES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}


def family_base(folder: Path, kind: str, **settings: Any) -> Path:
    """Write a model of `kind` into `folder`, with the tokenizer of `tiny_base`; `gemma3` has a vision tower. The same each time."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny_base(folder)
    (folder / "model.safetensors").unlink()
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "gemma3":
        text = {**_SIZES, **ends, "head_dim": 16, "sliding_window": 8, **settings}
        config = AutoConfig.for_model(kind, text_config=text, vision_config=_EYES, mm_tokens_per_image=4, **ends)
    else:
        config = AutoConfig.for_model(kind, **{**_SIZES, **ends, **FAMILIES[kind], **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for weight in model.parameters():  # some families leave weights as they were in memory
            if not bool(weight.isfinite().all()) or weight.ndim == 3:
                torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    return folder
