"""Losses as transformers itself computes them: the reference for ours."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from adapt.adapter.prompt import Example


def own_model(folder: Path) -> Any:
    """The model as transformers has it, with the attention that its authors wrote."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def own_loss(model: Any, examples: list[Example]) -> float:
    """Mean loss of an answer token, as transformers computes it from labels."""
    total = tokens = 0.0
    for example in examples:
        ids, answer = torch.tensor([list(example.ids)]), example.length - example.prompt_length
        labels = ids.clone()
        labels[0, : example.prompt_length] = -100
        with torch.no_grad():
            total += float(model(input_ids=ids, labels=labels, use_cache=False).loss) * answer
        tokens += answer
    return total / tokens
