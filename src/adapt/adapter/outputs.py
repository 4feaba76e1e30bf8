"""What a model with a trained head says of token sequences, and their embeddings: without a gradient, a bounded number of tokens at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adapt.adapter.attention import causal_attention
from adapt.adapter.batches import pack_sorted
from adapt.adapter.head import causal_model, hidden_states
from adapt.adapter.objectives.contrastive import pooled
from adapt.adapter.objectives.heads import last_states, scored
from adapt.adapter.states import States, Tokens, side_by_side

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def head_outputs(model: PreTrainedModel | PeftModel, weight: Tensor, sequences: Sequence[Tokens], *, batch_tokens: int) -> Tensor:
    """Outputs (sequences, outputs) of a head of `weight` (outputs, size) on each sequence's last token, float32 on the CPU."""
    return _read(model, sequences, batch_tokens, lambda states, some: scored(last_states(states, some), weight.to(states.hidden.device)))


def embeddings(model: PreTrainedModel | PeftModel, sequences: Sequence[Tokens], *, pooling: str, batch_tokens: int) -> Tensor:
    """Embeddings (sequences, size) of length one, float32 on the CPU."""
    return _read(model, sequences, batch_tokens, lambda states, some: pooled(states, some, pooling))


def _read(
    model: PreTrainedModel | PeftModel, sequences: Sequence[Tokens], batch_tokens: int, read: Callable[[States, Sequence[Tokens]], Tensor]
) -> Tensor:
    found: dict[int, Tensor] = {}
    device = causal_model(model).device.type
    with torch.no_grad(), causal_attention(model):
        for positions in pack_sorted([len(tokens) for tokens in sequences], batch_tokens=batch_tokens):
            some = [sequences[position] for position in positions]
            layout = side_by_side(some, device)
            states = States(hidden_states(model, layout).flatten(0, 1), layout.starts)
            found |= dict(zip(positions, read(states, some).cpu(), strict=True))
    return torch.stack([found[position] for position in range(len(sequences))])
