"""What the training loop knows of a method: a model with something trainable on it.

One class; methods that do more than train weights in place override what they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from adapt.adapter.attention import causal_attention
from adapt.adapter.folder import write_peft
from adapt.adapter.head import causal_model, hidden_states
from adapt.spec.base import PinnedBase
from adapt.spec.common_train import CommonTrain

RATE_SHARE = "rate_share"
"""Field of an optimiser's parameter group: its learning rate as a multiple of the schedule's."""


class Attached:
    """A base with something trainable on it. Frozen weights are in the base's number format, trained ones in float32."""

    def __init__(self, model: PreTrainedModel | PeftModel, weights: Mapping[str, Parameter] | None = None) -> None:
        """`weights` are the trainable ones by name, by default every parameter of `model` that wants a gradient."""
        self.model = model
        self.causal = causal_model(model)
        self.weights = dict(weights) if weights is not None else {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    def hidden(self, ids: Tensor) -> Tensor:
        """Last hidden states (batch, tokens, size) of right-padded `ids` (batch, tokens), aligned with them, whatever stands before the prompt."""
        return hidden_states(self.model, ids)

    def attention(self) -> AbstractContextManager[Any]:
        """The attention that training passes use."""
        return causal_attention(self.model)

    def computing(self) -> AbstractContextManager[Any]:
        """The number format of forward passes, where weights are not held in it."""
        return nullcontext()

    def optimiser(self, settings: CommonTrain) -> torch.optim.Optimizer:
        """An optimiser over `weights`, in their order; its rates are set before every step."""
        return torch.optim.AdamW(self.weights.values(), lr=0.0, weight_decay=settings.weight_decay, fused=True)

    def begin(self, steps: int) -> None:
        """Told once how many steps there will be. Raises InputError when the method cannot do with so few."""

    def penalty(self) -> Tensor | None:
        """What is added to a step's loss for the method's own sake; has a gradient."""
        return None

    def stepped(self, step: int) -> None:
        """Called after the optimiser's step `step`, counted from 1, while gradients still stand."""

    def is_settled(self, step: int) -> bool:
        """Whether weights of this step may be kept as the best."""
        return True

    def state(self) -> dict[str, Tensor]:
        """What an exact resume needs besides weights and the optimiser's state; names without `/`."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""

    def copy_weights(self) -> dict[str, Tensor]:
        """The trainable weights as they are now, on the CPU."""
        return {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the trainable weights."""
        for name, weight in self.weights.items():
            weight.data.copy_(tensors[name])

    def save(self, folder: Path, base: PinnedBase) -> None:
        """Write weights and adapter_config.json of the weights as they are."""
        if not isinstance(self.model, PeftModel):
            raise AssertionError("a model without peft has a save of its own")
        write_peft(folder, self.model, base)
