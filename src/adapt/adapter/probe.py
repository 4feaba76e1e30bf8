"""Whether a base can be trained as a section asks, from its configuration alone.

Enters: a folder with config.json and tokenizer, a resolved section. Leaves: None, or why not, in the words
of the training itself: its method is attached to a model without weights (torch's meta device), and a
forward pass runs there, as far as the model's code allows it without values.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.attention import calls_by_name
from adapt.adapter.methods.frozen import Base
from adapt.base.load import attention_for, causal_class, load_config
from adapt.base.numerics import AUTO
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain
from adapt.spec.low_rank_train import LoraTrain
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.resolved.train import TrainSection

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel

    from adapt.adapter.methods.attached import Attached

HINT = "choose another base or method; docs/how-to/use-your-own-base-model.md names what fits"
_BEGIN_AT_VALUES = ("qlora", "loftq", "eva", "pissa", "olora")
"""Methods of the shape of LoRA that begin at the values of weights or activations, which a model without
weights does not have.
"""
_PROBE = (range(5, 12), range(20, 31))


class _Weightless(Base):
    """A base of which the configuration alone is read."""

    def load(self, *, dtype: str, device: str, quantization: BitsAndBytesConfig | None = None) -> PreTrainedModel:
        import torch
        from transformers import AutoModelForCausalLM

        config = load_config(self.folder)
        kind: Any = causal_class(config)
        if kind is None:
            raise InputError(f"{config.model_type} is no causal language model that transformers knows", hint=HINT)
        with torch.device("meta"):
            make: Any = AutoModelForCausalLM
            model = make.from_config(
                config,
                dtype=getattr(torch, "float32" if dtype == AUTO else dtype),  # no number is computed here
                attn_implementation=attention_for(config),
                experts_implementation="batched_mm" if kind._can_set_experts_implementation() else None,
            )
        found: PreTrainedModel = model.eval()
        return found


def refusal(folder: Path, section: TrainSection) -> InputError | None:
    """Why a training of `section` on the model in `folder` would be refused; None where nothing is known
    against it.
    """
    try:
        _probe(folder, section)
    except InputError as error:
        return error
    except (ValueError, KeyError, OSError) as error:  # of transformers, for a configuration that it does not know or that holds nonsense
        reason = " ".join(str(error).split())
        return InputError(f"the base's configuration makes no model that can be trained: {reason}", hint=HINT)
    return None


def check_model(attached: Attached, train: CommonTrain) -> None:
    """Raise InputError where the model does not have what settings of `train` ask for.

    The training asks this too.
    """
    from adapt.adapter.methods.layers import decoder_layers
    from adapt.adapter.virtual import decoder_of, prompts_on

    name = type(attached.causal).__name__
    decoder_of(attached.causal)
    if prompts_on(attached.model):  # keys and values before the prompt must be as many as the heads that read them
        _run(attached)
    if train.gradient_checkpointing and not attached.causal.supports_gradient_checkpointing:
        raise InputError(f"train.gradient_checkpointing is set, and {name} cannot compute activations anew", hint="set it to false")
    if train.compile:
        decoder_layers(attached.causal)
    if train.attention == "flex" and not calls_by_name(attached.causal):
        raise InputError(f"train.attention is flex, and the attention of {name} is its own", hint="set it to auto")


def _probe(folder: Path, section: TrainSection) -> None:
    from adapt.adapter.methods.door import attach
    from adapt.adapter.methods.lowrank import check_full_rank, check_start
    from adapt.adapter.optimisers import group_weights
    from adapt.adapter.packing import check_packing

    method = str(getattr(section.train, "method"))  # noqa: B009 (each model of the union has it, the class that they share has not)
    plain = section
    if method in _BEGIN_AT_VALUES:
        common = {name: getattr(section.train, name) for name in CommonTrain.model_fields}
        plain = section.model_copy(update={"train": LoraTrain.model_construct(**common, method="lora")})
    base = _Weightless(folder)
    if method in _BEGIN_AT_VALUES:
        check_start(base.load(dtype="bfloat16", device="meta"), method, section.lora)
    attached = attach(base, plain, device="meta", sequences=[])
    if method in ("pissa", "olora"):
        check_full_rank(attached.causal, section.lora)
    check_model(attached, section.train)
    if OBJECTIVES[section.train.objective.kind].head is None:  # a head's weights are not made here, and groups may name them
        group_weights(section.train, attached.weights, share=attached.rate_share)
    check_packing(attached, section.train)
    _run(attached)


def _run(attached: Attached) -> None:
    """A short forward pass, with values or without.

    Raises InputError where the model's code does not take it, or goes past an adapter.
    """
    import torch

    from adapt.adapter.states import side_by_side

    called: set[str] = set()
    layers = dict(_layers(attached))
    for name, layer in layers.items():
        layer.register_forward_hook(lambda *_, name=name: called.add(name.rpartition(".")[2]))
    try:
        with torch.no_grad(), attached.attention(), attached.computing():
            attached.states(side_by_side(_PROBE, attached.causal.device.type))
    except NotImplementedError:
        return  # its code looks at values, to choose experts for one
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in ("size", "shape")):
            return  # of the kernels for a model without values, not of the model
        raise InputError(f"{type(attached.causal).__name__} does not run on a batch of records: {error}", hint=HINT) from None
    except (TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{type(attached.causal).__name__} does not run with this method: {error}", hint=HINT) from None
    if missed := sorted({name.rpartition(".")[2] for name in layers} - called):
        raise InputError(
            f"{type(attached.causal).__name__} reads the weights of {', '.join(missed)} past their modules, so updates there are never computed",
            hint="leave them out of lora.target_modules",
        )


def _layers(attached: Attached) -> list[tuple[str, Any]]:
    """The modules that carry updates of their own, by their names."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, module) for name, module in attached.model.named_modules() if isinstance(module, BaseTunerLayer)]
