"""Log-likelihoods of answers, one for each, with a gradient: what preferences and policy gradients are made of.

Enters: hidden states of whole sequences. Leaves: a figure per token or per answer. As in `adapt.adapter.head`, no more than CHUNK_ELEMENTS logits
are held at once, and the gradient with respect to the hidden states is computed in the forward pass where the output head is frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adapt.adapter.batches import answer_rows
from adapt.adapter.head import Head, chunks, negative_log_likelihoods
from adapt.adapter.prompt import Example
from adapt.adapter.states import States


class Logprobs(NamedTuple):
    """Log-likelihoods of several answers, end tokens included, in nats."""

    sums: Tensor
    """(answers,)."""
    counts: Tensor
    """(answers,): their tokens."""

    @property
    def means(self) -> Tensor:
        """(answers,): per token."""
        return self.sums / self.counts

    def split(self, first: int) -> tuple[Logprobs, Logprobs]:
        """The first `first` answers, and the others."""
        return Logprobs(self.sums[:first], self.counts[:first]), Logprobs(self.sums[first:], self.counts[first:])


def answer_logprobs(states: States, examples: Sequence[Example], head: Head) -> Logprobs:
    """Of the answers of `examples`, whose hidden states are `states`."""
    parts = token_logprobs(states, examples, head)
    counts = torch.tensor([len(part) for part in parts], device=states.hidden.device)
    return Logprobs(torch.stack([part.sum() for part in parts]), counts)


def token_logprobs(states: States, examples: Sequence[Example], head: Head) -> list[Tensor]:
    """For each of `examples` the log-likelihoods (answer tokens,) of its answer's tokens, in float32."""
    rows, targets = (each.to(states.hidden.device) for each in answer_rows(examples, states.starts))
    counts = [each.length - each.prompt_length for each in examples]
    return list(torch.split(-row_losses(head, states.hidden[rows], targets), counts))


def row_losses(head: Head, hidden: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood (rows,) of each row's target in float32. `hidden` (rows, size) gets a gradient, and so does a head that is trained."""
    losses: Tensor = _RowLosses.apply(hidden, head.weight, head.bias, targets, head)  # type: ignore[no-untyped-call]
    return losses


class _RowLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, head: Head) -> Tensor:
        ctx.head, ctx.head_is_trained = head, ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        losses, grads = [], []
        for rows, wanted in chunks(head, hidden, targets):
            logits = head.logits(rows)
            loss, grad = _loss_and_gradient(logits, wanted)
            losses.append(loss)
            if ctx.needs_input_grad[0] and not ctx.head_is_trained:
                grads.append(head.backward(grad, logits).to(hidden.dtype))
        if ctx.head_is_trained:
            ctx.save_for_backward(hidden, targets)
        elif grads:
            ctx.save_for_backward(torch.cat(grads))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        if ctx.head_is_trained:
            hidden, targets = ctx.saved_tensors
            return _backward_through_head(ctx.head, hidden, targets, outer[0])
        [grads] = ctx.saved_tensors
        return (grads.float() * outer[0].unsqueeze(-1)).to(grads.dtype), None, None, None, None


def _backward_through_head(head: Head, hidden: Tensor, targets: Tensor, outer: Tensor) -> tuple[Tensor | None, ...]:
    """Logits are computed once more: each row's share of the head's gradient is known only now."""
    weight = torch.zeros_like(head.weight)
    bias = torch.zeros_like(head.bias) if head.bias is not None else None
    grads, done = [], 0
    for rows, wanted in chunks(head, hidden, targets):
        logits = head.logits(rows)
        grad = _loss_and_gradient(logits, wanted)[1].mul_(outer[done : done + len(rows)].unsqueeze(-1))
        done += len(rows)
        grads.append(head.backward(grad, logits).to(hidden.dtype))  # leaves in `grad` the gradient of the products
        weight += (grad.to(rows.dtype).T @ rows).to(weight.dtype)
        if bias is not None:
            bias += grad.sum(0)
    return torch.cat(grads), weight, bias, None, None


def _loss_and_gradient(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's loss (rows,), and its gradient with respect to `logits` in float32."""
    losses, grad = negative_log_likelihoods(logits, targets)
    return losses, grad.scatter_add_(-1, targets.unsqueeze(-1), torch.full_like(losses, -1.0).unsqueeze(-1))
