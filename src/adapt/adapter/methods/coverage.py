"""What of a base an adapter reaches, held against what was asked for.

Enters: a base, the last parts of module names; later the model with its method on it. Leaves: names as peft takes them,
and counts of modules by kind, a kind being a name without the numbers of layers.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from peft import PeftConfig, PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from adapt.errors import InputError

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached

log = logging.getLogger(__name__)
LINEAR = (nn.Linear, Conv1D)
"""Linear modules; GPT-2's hold their weights transposed."""
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


@contextmanager
def own_names() -> Iterator[None]:
    """Keep peft from rewriting names inside the block.

    It takes `gate_proj` and its like for experts as transformers 4 had them, on every base of their families, and puts the adapter on the stacked
    experts. Dense and shared layers of these names would get none. Names here are those of the model in memory.
    """
    from peft.utils import transformers_weight_conversion as conversions

    module: Any = conversions
    usual = module.convert_peft_config_for_transformers, module.convert_peft_adapter_state_dict_for_transformers
    module.convert_peft_config_for_transformers = lambda *_, **__: None
    module.convert_peft_adapter_state_dict_for_transformers = _as_it_is
    try:
        yield
    finally:
        module.convert_peft_config_for_transformers, module.convert_peft_adapter_state_dict_for_transformers = usual


def _as_it_is(model: Any, peft_config: Any, adapter_state_dict: dict[str, Any], adapter_name: str = "default") -> dict[str, Any]:
    """In place of peft's function of the same arguments: the tensors under the names that they have."""
    return adapter_state_dict


def language_names(model: PreTrainedModel) -> set[str]:
    """Names of the modules of the language model: all but those of towers for pictures and sounds, which no text passes."""
    whole: Any = model
    if model.config.get_text_config() is model.config:
        return {name for name, _ in model.named_modules()}
    parts = [part for part in (whole.get_decoder(), whole.get_output_embeddings()) if part is not None]
    inside = {id(each) for part in parts for each in part.modules()}
    return {name for name, module in model.named_modules() if id(module) in inside}


def exact_targets(model: PreTrainedModel, leaves: Iterable[str], linear: Iterable[str]) -> tuple[str, ...]:
    """The modules among `linear`, given by full names, whose names end in one of `leaves`, as peft and servers take them.

    The last parts suffice where no other module has one; else full names. Files of mixtures hold each expert's layers under the same last parts.
    """
    leaves, linear = set(leaves), set(linear)
    wanted = {name for name in linear if name.rpartition(".")[2] in leaves}
    everywhere = {name for name, module in model.named_modules() if name.rpartition(".")[2] in leaves and isinstance(module, LINEAR)}
    return tuple(sorted(leaves if everywhere == wanted and not _has_experts(model) else wanted))


def check_coverage(model: PeftModel, config: PeftConfig) -> None:
    """Raise InputError where a module that `config` names got no adapter, or one got it that no text passes or no name asks for."""
    targets = getattr(config, "target_modules", None)
    if not targets or isinstance(targets, str):
        return
    found = {name for name, module in model.get_base_model().named_modules() if isinstance(module, BaseTunerLayer)}
    left = sorted(
        name
        for name, module in model.get_base_model().named_modules()
        if isinstance(module, LINEAR) and _is_named(name, targets) and not any(name.startswith(f"{each}.") for each in found)
    )
    language = language_names(cast(PreTrainedModel, model.get_base_model()))
    further = sorted(name for name in found if name not in language)
    if not getattr(config, "target_parameters", None):
        further += sorted(name for name in found if not _is_named(name, targets))
    if left or further:
        what = f"{left[0]} got no adapter" if left else f"{further[0]} got one"
        raise InputError(
            f"peft adapts other modules of {type(model.get_base_model()).__name__} than were asked for: {what}",
            hint="name the modules in lora.target_modules, or choose another method",
        )


def adapted_kinds(attached: Attached) -> dict[str, int]:
    """How many modules of each kind are trained, sorted by kind; weights of the base itself count under their own names."""
    names = [_place(name, module) for name, module in attached.causal.named_modules() if isinstance(module, BaseTunerLayer)]
    if not names:
        names = [re.sub(r"\.(weight|bias)$", "", name) for name in attached.weights]
    return dict(sorted(Counter(_NUMBER.sub("*", name) for name in names).items()))


def frozen_kinds(attached: Attached) -> dict[str, int]:
    """How many linear modules and stacks of experts of each kind are as they were, beside a method that adapts linear modules; sorted by kind."""
    tuned = {name for name, module in attached.causal.named_modules() if isinstance(module, BaseTunerLayer)}
    if not tuned:
        return {}
    head = cast(Any, attached.causal).get_output_embeddings()
    linear = [
        name
        for name, module in attached.causal.named_modules()
        if isinstance(module, LINEAR) and module is not head and not any(name.startswith(f"{each}.") for each in tuned)
    ]
    experts = [
        name for name, weight in attached.causal.named_parameters() if weight.ndim == 3 and not weight.requires_grad and "base_layer" not in name
    ]
    return dict(sorted(Counter(_NUMBER.sub("*", name) for name in [*linear, *experts]).items()))


def say_coverage(attached: Attached) -> None:
    """Warn of what is left as it was though everything linear was asked for: experts, and towers that no text passes."""
    frozen = frozen_kinds(attached)
    experts = {kind: count for kind, count in frozen.items() if ".experts." in kind}
    towers = {kind: count for kind, count in frozen.items() if kind not in _kinds(language_names(attached.causal)) and kind not in experts}
    if experts:
        log.warning("stacked experts get no adapter, since they are no linear modules: %s (train.method moe_lora adapts them)", _listed(experts))
    if towers:
        log.warning("%d linear modules outside the language model get no adapter, since no text passes them", sum(towers.values()))


def _kinds(names: Iterable[str]) -> set[str]:
    return {_NUMBER.sub("*", name) for name in names}


def _listed(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _is_named(name: str, targets: Iterable[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _has_experts(model: PreTrainedModel) -> bool:
    return any(weight.ndim == 3 and ".experts." in name for name, weight in model.named_parameters())


def _place(name: str, module: Any) -> str:
    """The name in the base of what `module` adapts; that of a bare parameter where it is one."""
    parameter = getattr(module, "parameter_name", None)
    plain = name.replace(".base_layer", "")
    return f"{plain}.{parameter}" if parameter else plain
