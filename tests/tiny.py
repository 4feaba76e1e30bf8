"""Tiny random models with a byte-level BPE tokenizer, built in code: base models for tests that take a second to make."""

from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 512
_TEXT = (
    "A bond is a loan that an investor makes to a company or a government. The issuer pays interest and returns the money at the end.",
    "What is the difference between a share and a bond? A share is a part of a company; a bond is a debt of that company.",
    "Explain how the contract ends. The contract ends when both parties have done what they promised, or when one of them gives notice.",
    "The heart pumps blood through the body. Blood carries oxygen to the tissues and takes carbon dioxide back to the lungs.",
    "user assistant system question answer instruction response record price rate interest payment court party doctor patient",
    "什么是债券？债券是公司或政府向投资者借款的凭证。发行人支付利息，到期归还本金。",
    "合同在双方履行义务之后终止。心脏把血液送到全身。",
)


_SIZES = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512,
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"head_dim": 32}),
    "qwen2": ("qwen2", {}),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "gpt2": ("gpt2", {"n_inner": 128}),
    "falcon": ("falcon", {"multi_query": True}),
    "falcon-alibi": ("falcon", {"alibi": True, "bias": True, "multi_query": False, "parallel_attn": False}),
    "falcon-grouped": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "gpt-oss": ("gpt_oss", {"head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16,
                            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
    "gptj": ("gptj", {"rotary_dim": 8}),
    "bloom": ("bloom", {}),
    "mpt": ("mpt", {"d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": 512}),
    "doge": ("doge", {}),
    "llama4": ("llama4_text", {"head_dim": 32, "intermediate_size_mlp": 128, "num_local_experts": 4, "num_experts_per_tok": 1}),
    "mamba": ("mamba", {"state_size": 8}),
}  # fmt: skip
"""Architectures by the name that tests give them: the kind of transformers, and what it has besides the common sizes. `qwen2` has biases;
`mixtral`, `gpt-oss` and `llama4` have experts; `gpt2` has learned positions and transposed weights, `falcon-alibi` no positions at all."""
_GROUPED = ("llama", "qwen2", "mixtral", "gpt-oss", "doge", "llama4")
"""Kinds with fewer key-value heads than query heads."""


def tiny_base(folder: Path, *, tied: bool = True, kind: str = "llama") -> Path:
    """Write the model into `folder` and return it: hidden 64, 2 layers, 4 query and 2 key-value heads, vocabulary 512, float32.

    `kind`: one of KINDS. `tied` shares the input embedding with the output head. The same arguments give the same bytes.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    _save_tokenizer(folder)
    architecture, own = KINDS[kind]
    sizes = _SIZES | {"num_key_value_heads": 2} if kind in _GROUPED else _SIZES
    config = AutoConfig.for_model(
        architecture,
        vocab_size=VOCABULARY,
        initializer_range=0.1,
        tie_word_embeddings=tied,
        bos_token_id=SPECIAL.index("<|im_start|>"),
        eos_token_id=SPECIAL.index("<|im_end|>"),
        pad_token_id=SPECIAL.index("<|im_end|>"),
        **{**sizes, **own},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        with torch.no_grad():  # transformers makes the padding token's row zero, and here that token ends answers too
            model.get_input_embeddings().weight[config.pad_token_id].normal_(std=config.initializer_range)
    model.generation_config = GenerationConfig(bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id)
    model.save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path) -> None:
    """Byte-level BPE as SmolLM2 has it: no token is added at either end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
    fast.save_pretrained(folder)
