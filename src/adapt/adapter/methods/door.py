"""The one door to the methods: from a resolved section to something that the loop trains, and from an adapter folder to a model that answers.

Families are imported when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from adapt.adapter.folder import CONFIG, FORMAT, check_finite_files
from adapt.adapter.quiet import quiet_peft
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from adapt.adapter.methods.attached import Attached
    from adapt.adapter.methods.frozen import Base
    from adapt.adapter.states import Tokens

FAMILIES = {
    "lowrank": ("lora", "rslora", "dora", "lora_plus", "pissa", "olora", "vera", "loha", "lokr", "moe_lora", "longlora"),
    "quantized": ("qlora", "loftq"),
    "eva": ("eva",),
    "adalora": ("adalora",),
    "weights": ("full", "freeze", "galore", "bitfit"),
    "bottleneck": ("houlsby", "pfeiffer", "parallel"),
    "activations": ("ia3", "ln_tuning"),
    "prompts": ("prompt_tuning", "prefix_tuning", "p_tuning", "p_tuning_v2"),
}
"""Modules of this package and the methods that each attaches."""


class _Attach(Protocol):
    def __call__(self, base: Base, section: TrainSection, *, device: str) -> Attached: ...


class Fitted(Protocol):
    """A trained adapter on its base."""

    @property
    def model(self) -> PreTrainedModel | PeftModel:
        """In eval mode."""

    def disabled(self) -> AbstractContextManager[Any]:
        """The base alone while it is open."""

    def merge(self) -> PreTrainedModel:
        """The adapter folded into the base; `model` is used up. Raises InputError when that cannot be."""


def attach(base: Base, section: TrainSection, *, device: str, sequences: Sequence[Tokens]) -> Attached:
    """The base with the section's method on it, ready to train.

    `sequences` are those that are trained on, for methods that begin at the data. Raises InputError when base and method do not fit.
    """
    family = next(name for name, methods in FAMILIES.items() if section.train.method in methods)
    if family == "eva":
        from adapt.adapter.methods import eva

        return eva.attach(base, section, device=device, sequences=sequences)
    return _load(family)(base, section, device=device)


def _load(family: str) -> _Attach:
    """A family's `attach`. Written out, since a stage's code is found by following import statements."""
    if family == "lowrank":
        from adapt.adapter.methods.lowrank import attach as found
    elif family == "quantized":
        from adapt.adapter.methods.quantized import attach as found
    elif family == "adalora":
        from adapt.adapter.methods.adalora import attach as found
    elif family == "weights":
        from adapt.adapter.methods.weights import attach as found
    elif family == "bottleneck":
        from adapt.adapter.methods.bottleneck import attach as found
    elif family == "activations":
        from adapt.adapter.methods.activations import attach as found
    else:
        from adapt.adapter.methods.prompts import attach as found
    return found


def fit(model: PreTrainedModel, folder: Path) -> Fitted:
    """`model` with the adapter in `folder` on it, whichever method made it.

    Raises InputError when its weights are not finite.
    """
    check_finite_files(folder)
    kind = json.loads((folder / CONFIG).read_bytes()).get(FORMAT)
    if kind is None:
        return _FittedPeft(model, folder)
    from adapt.adapter.methods import bottleneck, weights

    kinds: dict[str, Callable[[PreTrainedModel, Path], Fitted]] = {
        weights.NAME: weights.ReplacedWeights,
        bottleneck.NAME: bottleneck.WithBottlenecks,
    }
    if kind not in kinds:
        raise InputError(f"{folder / CONFIG} names the format {kind!r}, which is not known", hint="build the adapter with this version of adapt")
    return kinds[kind](model, folder)


class _FittedPeft:
    """A peft adapter on its base."""

    def __init__(self, model: PreTrainedModel, folder: Path) -> None:
        from peft import PeftConfig, PeftModel

        config = PeftConfig.from_pretrained(str(folder))
        in_place = config.peft_type == "LN_TUNING"  # its layers are the base's own, and compute in the base's number format
        from adapt.adapter.methods.coverage import own_names

        with quiet_peft(), own_names():
            self.model: Any = PeftModel.from_pretrained(model, str(folder), config=config, is_trainable=False, autocast_adapter_dtype=not in_place)

    def disabled(self) -> AbstractContextManager[Any]:
        return cast(AbstractContextManager[Any], self.model.disable_adapter())

    def merge(self) -> PreTrainedModel:
        if self.model.active_peft_config.is_prompt_learning:
            raise InputError("virtual tokens cannot be folded into the base's weights", hint="serve them with `adapt chat`, or train another method")
        try:
            return cast("PreTrainedModel", self.model.merge_and_unload(safe_merge=True))
        except ValueError as error:
            raise InputError(
                f"the adapter cannot be merged into its base: {error}", hint="train it again, with a lower learning rate if its loss was not a number"
            ) from None
