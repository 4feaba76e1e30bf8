"""A tokenizer as the tables that llama.cpp reads: byte-level BPE with the ways of cutting text that Llama 3, Qwen and SmolLM use.

llama.cpp has the cutting built in, under a name. The name is found by what the tokenizer's own rules say, and an unknown rule is refused: the file
would load, and give other token ids than training saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.adapter.prompt import Prompt
from adapt.errors import InputError

_WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+|@| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CUTTINGS: Mapping[str, str] = {
    _ENDINGS + _WORDS.replace("@", r"\p{N}"): "qwen2",
    _ENDINGS + _WORDS.replace("@", r"\p{N}{1,3}"): "llama-bpe",
    "digits": "smollm",
    "": "gpt-2",
}
"""Rules for cutting text before byte pairs are merged, by their pattern, and what llama.cpp calls them."""
_NORMAL, _CONTROL, _OWN, _UNUSED = 1, 3, 4, 5  # llama.cpp's kinds of tokens


def add_tokenizer(writer: Any, folder: Path, prompt: Prompt, *, vocabulary: int) -> None:
    """Add the tokenizer of the model in `folder` and the prompt's template; ids up to `vocabulary` that have no token get one that is never used.

    Raises InputError for a tokenizer that is not byte-level BPE, or cuts texts in an unknown way.
    """
    tables = json.loads((folder / "tokenizer.json").read_bytes())
    if tables["model"].get("type") != "BPE" or tables["model"].get("byte_fallback"):
        raise InputError(
            "the base's tokenizer is not byte-level BPE, the only kind that is written into GGUF files", hint="export it as merged or onnx"
        )
    tokens, kinds = _tokens(tables, vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cutting(tables.get("pre_tokenizer") or {}))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tables["model"]["merges"]])
    tokenizer: Any = prompt.tokenizer
    writer.add_eos_token_id(prompt.end_ids[0])
    for name, add in (("bos", writer.add_bos_token_id), ("unk", writer.add_unk_token_id), ("pad", writer.add_pad_token_id)):
        if isinstance(found := getattr(tokenizer, f"{name}_token_id"), int):
            add(found)
    writer.add_add_bos_token(tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id])
    writer.add_chat_template(prompt.template)


def _tokens(tables: Mapping[str, Any], vocabulary: int) -> tuple[list[str], list[int]]:
    """Token and kind of every id."""
    tokens, kinds = [f"[UNUSED{number}]" for number in range(vocabulary)], [_UNUSED] * vocabulary
    for token, number in tables["model"]["vocab"].items():
        tokens[number], kinds[number] = token, _NORMAL
    for added in tables["added_tokens"]:
        tokens[added["id"]], kinds[added["id"]] = added["content"], _CONTROL if added["special"] else _OWN
    return tokens, kinds


def _cutting(rule: Mapping[str, Any]) -> str:
    """llama.cpp's name for how texts are cut."""
    parts = rule.get("pretokenizers", [rule])
    kinds = [part.get("type") for part in parts]
    pattern: str | None = None
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True) and not parts[0].get("add_prefix_space"):
        pattern = ""
    elif kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits") and parts[1].get("use_regex", True):
        pattern = "digits"
    elif kinds == ["Split", "ByteLevel"] and parts[0].get("behavior") == "Isolated" and not parts[0].get("invert"):
        pattern = parts[0]["pattern"].get("Regex")
    if pattern is None or pattern not in CUTTINGS:
        raise InputError("the base's tokenizer cuts texts in a way that llama.cpp has no name for here", hint="export it as merged or onnx")
    return CUTTINGS[pattern]
