"""The output head on the rows that count: negative log-likelihoods of answer tokens, and their gradient, without the logits of a whole batch.

Enters: the decoder's hidden states at the positions that predict an answer token. Memory for logits is bounded by CHUNK_ELEMENTS, whatever
the batch and the vocabulary. Gradients with respect to the hidden states, and to the head where it is trained, are computed in the forward
pass, chunk by chunk (the idea of Hsu et al. 2024, Liger Kernel, arXiv:2410.10989).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

from adapt.adapter.attention import causal_attention, packed_inputs
from adapt.adapter.states import Layout, side_by_side
from adapt.adapter.virtual import decoder_of, prompted_states, prompts_on
from adapt.base.rounding import differ_beyond_rounding, probe_ids, share_of_difference
from adapt.errors import InputError

CHUNK_ELEMENTS = 1 << 24
"""Logits held at once."""
_PROBE_TOKENS = 32
_TOLERANCE = 0.05
"""Mean difference as a share of the mean size, which rounding in sixteen bits seldom passes."""


@dataclass(frozen=True)
class Head:
    """Hidden states (rows, size) to logits (rows, vocabulary), as the model itself does it."""

    weight: Tensor
    bias: Tensor | None
    scale: float
    softcap: float | None

    @property
    def rows_at_once(self) -> int:
        return max(1, CHUNK_ELEMENTS // self.weight.shape[0])

    def logits(self, hidden: Tensor) -> Tensor:
        raw = linear(hidden.to(self.weight.dtype), self.weight, self.bias)
        if self.scale != 1.0:
            raw = raw * self.scale
        return raw if self.softcap is None else torch.tanh(raw / self.softcap) * self.softcap

    def backward(self, grad: Tensor, logits: Tensor) -> Tensor:
        """Gradient with respect to the hidden states, from that with respect to `logits`; `grad` is overwritten."""
        if self.softcap is not None:
            grad.mul_(1 - (logits.to(grad.dtype) / self.softcap) ** 2)
        if self.scale != 1.0:
            grad.mul_(self.scale)
        return grad.to(self.weight.dtype) @ self.weight


def causal_model(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The language model itself, its linear layers carrying the adapter if there is one."""
    found: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    causal: PreTrainedModel = found
    return causal


def hidden_states(model: PreTrainedModel | PeftModel, layout: Layout) -> Tensor:
    """Last hidden states (rows, tokens, size) of the ids of `layout`. No mask is needed: no token attends to padding behind it, and packed sequences
    are kept apart by the attention that `adapt.adapter.attention` sets."""
    if isinstance(model, PeftModel) and prompts_on(model):
        return prompted_states(model, layout.ids)
    decoder = decoder_of(causal_model(model))
    further = packed_inputs(layout) if layout.packed else {}
    found: Tensor = decoder(input_ids=layout.ids, use_cache=False, **further).last_hidden_state
    return found


def find_head(model: PreTrainedModel) -> Head:
    """The head of `model`. Raises InputError when the model's own logits on a probe are not those of the head over the attention of training."""
    whole: Any = model  # its methods carry no types
    output = whole.get_output_embeddings()
    config = model.config.get_text_config()
    scale = float(getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1.0))
    head = Head(weight=output.weight, bias=getattr(output, "bias", None), scale=scale, softcap=getattr(config, "final_logit_softcapping", None))
    was_training = model.training
    whole.eval()  # dropout of the base's own would make two passes differ
    try:
        with torch.no_grad():
            _check_head(model, head)
    finally:
        whole.train(was_training)
    return head


def _check_head(model: PreTrainedModel, head: Head) -> None:
    """Raise InputError where `head` over the model's own states gives other logits, or training's attention gives other states."""
    name = type(model).__name__
    hint = "choose another base; docs/how-to/use-your-own-base-model.md names what fits"
    probe = side_by_side([probe_ids(model, _PROBE_TOKENS)], str(model.device))
    theirs, states = _own_logits(model, probe)
    if bool(theirs.isnan().any()):
        raise InputError(
            f"the logits of {name} with this adapter are not finite numbers",
            hint="train again with a lower train.learning_rate, or with train.dtype: float32",
        )
    ours = head.logits(states)
    if not (difference := share_of_difference(ours, theirs)) < _TOLERANCE:
        raise InputError(f"{name} changes its logits in a way that is not known: ours differ by {difference:.3f} of their size", hint=hint)
    with causal_attention(model):
        found = hidden_states(model, probe)
    if differ_beyond_rounding(model, found, states, floor=_TOLERANCE, again=lambda: _own_logits(model, probe)[1]):
        difference = share_of_difference(found, states)
        raise InputError(f"{name} has other states with the attention of training: they differ by {difference:.3f} of their size", hint=hint)


def _own_logits(model: PreTrainedModel, probe: Layout) -> tuple[Tensor, Tensor]:
    """Logits of the model's own code, and the last hidden states that it made them of, from one pass."""
    seen: list[Any] = []
    handle = decoder_of(model).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        logits: Tensor = cast(Any, model)(input_ids=probe.ids, use_cache=False).logits
    finally:
        handle.remove()
    return logits, seen[0].last_hidden_state


def row_scores(head: Head, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood (nats) of each row's target, and whether the head ranks it first; both (rows,)."""
    losses, firsts = [], []
    for rows, wanted in chunks(head, hidden, targets):
        logits = head.logits(rows)
        losses.append(negative_log_likelihoods(logits, wanted)[0])
        firsts.append(logits.argmax(-1) == wanted)
    return torch.cat(losses), torch.cat(firsts)


def summed_loss(head: Head, hidden: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Sum of the targets' negative log-likelihoods in nats; `hidden` gets a gradient, and so do the head's weights where they are trained.

    With `smoothing`, that share of each target is spread evenly over the vocabulary. Where no gradient is asked for, nothing is smoothed and the sum
    is float64.
    """
    if not torch.is_grad_enabled():
        return torch.cat([negative_log_likelihoods(head.logits(rows), wanted)[0] for rows, wanted in chunks(head, hidden, targets)]).double().sum()
    loss: Tensor = _SummedLoss.apply(hidden, head.weight, head.bias, targets, head, smoothing)  # type: ignore[no-untyped-call]
    return loss


def chunks(head: Head, hidden: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """`hidden` (rows, size) and `targets` (rows,) in chunks of at most `rows_at_once`; of no rows, one empty chunk."""
    yield from zip(torch.split(hidden, head.rows_at_once), torch.split(targets, head.rows_at_once), strict=True)


def negative_log_likelihoods(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's loss (rows,), and the probabilities of all tokens, both in float32.

    The largest probability gives the normaliser without another pass over the exponentials.
    """
    probabilities = torch.softmax(logits, -1, dtype=torch.float32)
    normaliser = logits.amax(-1).float() - probabilities.amax(-1).log()
    return normaliser - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1).float(), probabilities


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, head: Head, smoothing: float) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        grads = []
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        grad_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[2] else None
        for rows, wanted in chunks(head, hidden, targets):
            logits = head.logits(rows)
            losses, grad = negative_log_likelihoods(logits, wanted)
            if smoothing:
                losses += smoothing * (logits.gather(-1, wanted.unsqueeze(-1)).squeeze(-1).float() - logits.mean(-1, dtype=torch.float32))
                grad -= smoothing / logits.shape[-1]
            total += losses.sum()
            place = wanted.unsqueeze(-1)
            grad.scatter_(-1, place, grad.gather(-1, place) - (1 - smoothing))
            grads.append(head.backward(grad, logits))  # leaves in `grad` the gradient of the products
            if grad_weight is not None:
                grad_weight += grad.to(rows.dtype).T @ rows
            if grad_bias is not None:
                grad_bias += grad.sum(0)
        ctx.save_for_backward(torch.cat(grads).to(hidden.dtype), grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        share = outer[0]
        scaled = (hidden.float() * share).to(hidden.dtype)
        return scaled, None if weight is None else weight * share, None if bias is None else bias * share, None, None, None
