"""Log-probabilities of answers under a model: the validation loss here, perplexity in evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapt.adapter.batches import answer_rows, pack_sorted
from adapt.adapter.prompt import Example
from adapt.errors import InputError

LEARNED_POSITIONS = ("wpe", "embed_positions")
"""How embeddings of learned positions are called."""

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Score:
    """What a model gives one record's answer, end token included."""

    logprob: float
    """Sum of the answer tokens' log-probabilities, in nats."""
    tokens: int
    """Tokens of the answer."""
    correct: int
    """Tokens that the model ranks first."""


def response_logprobs(model: PreTrainedModel | PeftModel, examples: Sequence[Example], *, batch_tokens: int) -> list[Score]:
    """One Score for each example, in their order. A forward pass has at most `batch_tokens` padded tokens.

    Logits are computed for answer positions alone and a bounded number of rows at a time, so memory does not grow with the vocabulary.
    The model should be in eval mode. Raises InputError for an architecture whose logits are not those of its head.
    """
    import torch

    from adapt.adapter.attention import causal_attention
    from adapt.adapter.head import causal_model, find_head, hidden_states, row_scores
    from adapt.adapter.states import side_by_side

    causal = causal_model(model)
    _check_positions(causal, examples)
    head = find_head(causal)
    scores: dict[int, Score] = {}
    with torch.no_grad(), causal_attention(model):
        for positions in pack_sorted([len(example.ids) for example in examples], batch_tokens=batch_tokens):
            chosen = [examples[position] for position in positions]
            layout = side_by_side([example.ids for example in chosen], str(causal.device))
            rows, targets = (part.to(causal.device) for part in answer_rows(chosen, layout.starts))
            losses, firsts = row_scores(head, hidden_states(model, layout).flatten(0, 1)[rows], targets)
            counts = [example.length - example.prompt_length for example in chosen]
            parts = zip(positions, torch.split(losses, counts), torch.split(firsts, counts), strict=True)
            for position, loss, first in parts:
                scores[position] = Score(logprob=-float(loss.double().sum()), tokens=len(loss), correct=int(first.sum()))
    return [scores[position] for position in range(len(examples))]


def _check_positions(causal: PreTrainedModel, examples: Sequence[Example]) -> None:
    """Raise InputError for examples that a model with learned positions has no place for."""
    embedding = next((module for name, module in causal.named_modules() if name.endswith(LEARNED_POSITIONS)), None)
    places = getattr(embedding, "num_embeddings", None)
    longer = 0 if places is None else sum(example.length > places for example in examples)
    if longer:
        raise InputError(
            f"{longer} of {len(examples)} records are longer than the {places} positions of {type(causal).__name__}",
            hint="bound the records by dataset.max_record_tokens, or choose a base with more positions",
        )


def mean_loss(scores: Sequence[Score]) -> float:
    """Mean negative log-likelihood of an answer token in nats; its exponential is the perplexity. Not a number where there are no tokens."""
    tokens = sum(score.tokens for score in scores)
    return -math.fsum(score.logprob for score in scores) / tokens if tokens else math.nan
