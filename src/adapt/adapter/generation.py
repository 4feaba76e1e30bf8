"""Answers in batches: the likeliest, or drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from adapt.adapter.batches import pack, pack_sorted
from adapt.adapter.quiet import quiet_peft

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Sampling(NamedTuple):
    """How answers are drawn at random."""

    temperature: float
    seed: int


def generate(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts_ids: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_tokens: int,
    end_ids: Sequence[int] = (),
    keep_end: bool = False,
    sampling: Sampling | None = None,
) -> list[list[int]]:
    """The answer to each prompt, in their order, as token ids without the end token, or with the one that the model ended it with.

    The most likely token is taken each time, or with `sampling` one of all by its likelihood, the same ones for the same seed and prompts;
    sampling settings that come with the model are not used. `end_ids` is `Prompt.end_ids`, by
    default the tokenizer's own end of sequence. A batch holds at most `batch_tokens` padded tokens, answers included. Prompts are padded
    on the left, or behind virtual tokens not at all: peft counts positions through the padding there. In float32 the answers do not depend on
    what else is in the batch, in bfloat16 near-ties may fall either way.
    """
    import torch
    from transformers import GenerationConfig

    from adapt.adapter.virtual import prompts_on

    ends = list(end_ids) or [tokenizer.eos_token_id]
    make, whole = cast(Any, GenerationConfig), cast(Any, model)  # transformers leaves these without types
    drawn = {"do_sample": False} if sampling is None else {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
    settings = make(**drawn, max_new_tokens=max_new_tokens, eos_token_id=ends, pad_token_id=ends[0])
    answers: dict[int, list[int]] = {}
    with torch.no_grad(), torch.random.fork_rng(), quiet_peft(), _plain_generation(model, settings):
        torch.manual_seed(0 if sampling is None else sampling.seed)
        for positions in _batches([len(ids) + max_new_tokens for ids in prompts_ids], batch_tokens, padded=not prompts_on(model)):
            longest = max(len(prompts_ids[position]) for position in positions)
            padding = [longest - len(prompts_ids[position]) for position in positions]
            ids = [[ends[0]] * gap + list(prompts_ids[position]) for gap, position in zip(padding, positions, strict=True)]
            mask = [[0] * gap + [1] * (longest - gap) for gap in padding]
            inputs = {"input_ids": torch.tensor(ids, device=model.device), "attention_mask": torch.tensor(mask, device=model.device)}
            for position, row in zip(positions, whole.generate(**inputs).tolist(), strict=True):
                answers[position] = _until_end(row[longest:], ends, keep_end=keep_end)
    return [answers[position] for position in range(len(prompts_ids))]


def _batches(lengths: Sequence[int], batch_tokens: int, *, padded: bool) -> Iterator[list[int]]:
    """Positions that are answered together: of like lengths, or of one length where nothing may be padded."""
    if padded:
        yield from pack_sorted(lengths, batch_tokens=batch_tokens)
        return
    for length in sorted(set(lengths), reverse=True):
        yield from pack(lengths, [position for position, found in enumerate(lengths) if found == length], batch_tokens=batch_tokens)


def _until_end(ids: list[int], ends: Sequence[int], *, keep_end: bool) -> list[int]:
    for index, token in enumerate(ids):
        if token in ends:
            return ids[: index + keep_end]
    return ids


@contextmanager
def _plain_generation(model: Any, settings: Any) -> Iterator[None]:
    """Give the model `settings` for a while: those that it brings would fill whatever `generate` is not told."""
    from peft import PeftModel

    causal = model.get_base_model() if isinstance(model, PeftModel) else model
    usual, causal.generation_config = causal.generation_config, settings
    try:
        yield
    finally:
        causal.generation_config = usual
