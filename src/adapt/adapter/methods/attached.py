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
from adapt.adapter.optimisers import make_optimiser
from adapt.adapter.states import Layout, States
from adapt.adapter.virtual import prompts_on
from adapt.spec.base import PinnedBase
from adapt.spec.common_train import CommonTrain


class Attached:
    """A base with something trainable on it. Frozen weights are in the base's number format, trained ones in float32."""

    mixes_neighbours = False
    """Whether its attention would let packed sequences see each other."""

    def __init__(self, model: PreTrainedModel | PeftModel, weights: Mapping[str, Parameter] | None = None) -> None:
        """`weights` are the trainable ones by name, by default every parameter of `model` that wants a gradient."""
        self.model = model
        self.causal = causal_model(model)
        self.weights = dict(weights) if weights is not None else {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    def states(self, layout: Layout) -> States:
        """Last hidden states of the sequences of `layout`, whatever stands before the prompt. Packed ones need `attention` around the call."""
        return States(hidden_states(self.model, layout).flatten(0, 1), layout.starts)

    def attention(self) -> AbstractContextManager[Any]:
        """The attention that training passes use."""
        return causal_attention(self.model)

    def computing(self) -> AbstractContextManager[Any]:
        """The number format of forward passes, where weights are not held in it."""
        return nullcontext()

    def base_alone(self) -> AbstractContextManager[Any]:
        """The base's own states while it is open, before the first step: updates begin as nothing, and virtual tokens are put aside."""
        whole: Any = self.model
        return whole.disable_adapter() if prompts_on(self.model) else nullcontext()

    def rate_share(self, name: str) -> float:
        """Learning rate of weight `name` as a multiple of the schedule's."""
        return 1.0

    def optimiser(self, settings: CommonTrain, weights: Mapping[str, Parameter]) -> torch.optim.Optimizer:
        """An optimiser over `weights`, which are those of this method and of the objective; its rates are set before every step."""
        return make_optimiser(settings, weights, share=self.rate_share)

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

    def save(self, folder: Path, base: PinnedBase) -> None:
        """Write weights and adapter_config.json of the weights as they are."""
        if not isinstance(self.model, PeftModel):
            raise AssertionError("a model without peft has a save of its own")
        write_peft(folder, self.model, base)
