"""NEFTune (Jain et al. 2023, arXiv:2310.05914): noise on the embeddings of a training pass, so that answers are not learnt word by word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from adapt.adapter.states import Layout


@contextmanager
def noisy_embeddings(model: PreTrainedModel, layout: Layout, alpha: float | None) -> Iterator[None]:
    """Inside the block, embeddings of `layout` get uniform noise of at most alpha / sqrt(tokens of the sequence * size); None leaves them alone."""
    if alpha is None:
        yield
        return
    lengths = torch.tensor(layout.lengths)
    tokens = lengths.repeat_interleave(lengths).unsqueeze(0) if layout.packed else lengths.unsqueeze(1)

    def add(module: Any, arguments: Any, embedded: Tensor) -> Tensor:
        bound = (alpha / (tokens * embedded.shape[-1]).sqrt()).unsqueeze(-1).to(embedded.device)
        noise = torch.empty_like(embedded, dtype=torch.float32).uniform_(-1, 1) * bound
        return embedded + noise.to(embedded.dtype)

    whole: Any = model
    hook = whole.get_input_embeddings().register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()
