"""Methods that peft attaches to linear layers of a base in its own number format.

LoRA (Hu et al. 2021, arXiv:2106.09685) with its variants rsLoRA, DoRA, LoRA+, PiSSA, OLoRA and LongLoRA; VeRA, LoHa, LoKr; LoRA on experts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftConfig, PeftModel, VeraConfig, get_peft_model
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.vera.layer import VeraLayer
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.coverage import check_coverage, exact_targets, language_names, own_names
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER, fuse
from adapt.adapter.methods.plain import Factors, Shifted, targets_of, write_plain
from adapt.adapter.methods.shifted import ShiftedAttention
from adapt.adapter.quiet import quiet_peft
from adapt.base.names import check_modules
from adapt.errors import InputError
from adapt.spec.base import PinnedBase
from adapt.spec.lora import LoraSpec
from adapt.spec.low_rank_train import LokrTrain, LongloraTrain, LoraPlusTrain, PissaTrain
from adapt.spec.methods import METHODS, fitting_instead
from adapt.spec.resolved.train import TrainSection

TASK = "CAUSAL_LM"


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with a new adapter from `section.seed`. Raises InputError when `lora.target_modules` names what the model does not have."""
    train, lora = section.train, section.lora
    model = base.load(dtype=train.dtype, device=device)
    check_start(model, train.method, lora)
    peft = with_adapter(model, _config(model, section), seed=section.seed)
    fuse(peft)
    if isinstance(train, LoraPlusTrain):
        return _TwoRates(peft, train.b_rate_ratio)
    if isinstance(train, LongloraTrain):
        return ShiftedAttention(peft, group_tokens=train.group_tokens)
    if train.method in ("pissa", "olora"):
        check_full_rank(model, lora)
        return Shifted(peft)
    return _Vera(peft) if train.method == "vera" else Attached(peft)


def with_adapter(model: PreTrainedModel, config: PeftConfig, *, seed: int) -> PeftModel:
    """`model` with a new adapter, random where `config` starts it at random. Raises InputError where peft does not take the model."""
    torch.manual_seed(seed)
    try:
        with quiet_peft(), own_names():
            adapted = cast(PeftModel, get_peft_model(model, config))
    except (ValueError, TypeError, NotImplementedError, AttributeError, KeyError) as error:
        reason, kind = " ".join(str(error).split()), str(config.peft_type).rpartition(".")[2]
        raise InputError(
            f"peft cannot put {kind} on {type(model).__name__}: {reason}",
            hint="choose another method or base; docs/how-to/use-your-own-base-model.md names what fits",
        ) from None
    check_coverage(adapted, config)
    return adapted


def lora_config(model: PreTrainedModel, lora: LoraSpec, **further: Any) -> LoraConfig:
    """peft's configuration of section `lora` on `model`."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(target_modules(model, lora)),
        task_type=TASK,
        **{"use_rslora": lora.use_rslora} | further,
    )


def target_modules(model: PreTrainedModel, lora: LoraSpec) -> tuple[str, ...]:
    """Names of the linear modules that get an adapter, sorted: their last parts, or in full where other modules share these.

    The output head never gets one, since servers do not adapt it; nor do towers for pictures and sounds.
    """
    language = language_names(model)
    linear = [name for name in linear_modules(model) if name in language]
    leaves = {name.rpartition(".")[2] for name in linear}
    if lora.target_modules != "all-linear":
        check_modules("lora.target_modules", lora.target_modules, leaves, hint="or set it to all-linear")
        leaves = set(lora.target_modules)
    return exact_targets(model, leaves, linear)


def linear_modules(model: PreTrainedModel) -> dict[str, torch.nn.Module]:
    """The linear modules of `model` by their full names, GPT-2's with transposed weights among them, its output head not."""
    head = cast(Any, model).get_output_embeddings()
    return {name: module for name, module in model.named_modules() if module is not head and _is_linear(module)}


def _is_linear(module: torch.nn.Module) -> bool:
    """Whether it computes what its name says: routers of experts are linear modules that give more than one tensor."""
    if not isinstance(module, torch.nn.Linear | Conv1D):
        return False
    if type(module).forward in (torch.nn.Linear.forward, Conv1D.forward) or not type(module).__module__.startswith("transformers."):
        return True
    weight: Any = module.weight
    with torch.no_grad():
        return isinstance(module(torch.zeros(1, weight.shape[1], dtype=weight.dtype, device=weight.device)), torch.Tensor)


def _config(model: PreTrainedModel, section: TrainSection) -> PeftConfig:
    train, lora = section.train, section.lora
    if train.method == "vera":
        return VeraConfig(
            r=lora.rank, vera_dropout=lora.lora_dropout, target_modules=list(target_modules(model, lora)),
            projection_prng_key=section.seed, task_type=TASK,
        )  # fmt: skip
    if train.method == "loha":
        return LoHaConfig(r=lora.rank, alpha=lora.alpha, target_modules=list(target_modules(model, lora)), task_type=TASK)
    if isinstance(train, LokrTrain):
        return LoKrConfig(
            r=lora.rank, alpha=lora.alpha, target_modules=list(target_modules(model, lora)), decompose_factor=train.factor or -1, task_type=TASK
        )
    starts: dict[str, dict[str, Any]] = {"rslora": {"use_rslora": True}, "dora": {"use_dora": True}, "olora": {"init_lora_weights": "olora"}}
    further = starts.get(train.method, {})
    if train.method == "moe_lora":
        further = {"target_parameters": expert_parameters(model)}
    if isinstance(train, PissaTrain):
        further = {"init_lora_weights": "pissa" if train.svd_iterations is None else f"pissa_niter_{train.svd_iterations}"}
    return lora_config(model, lora, **further)


def expert_parameters(model: PreTrainedModel) -> list[str]:
    """Names, as peft's `target_parameters` wants them, of the weights that hold all experts of a layer (experts, rows, columns).

    Raises InputError for a base without experts.
    """
    found = {".".join(name.split(".")[-2:]) for name, weight in model.named_parameters() if weight.ndim == 3 and ".experts." in name}
    if not found:
        raise InputError(
            f"train.method moe_lora adapts the experts of a mixture, and {type(model).__name__} has none",
            hint=f"choose a method that needs none: {fitting_instead('experts')}",
        )
    return sorted(found)


def check_start(model: PreTrainedModel, method: str, lora: LoraSpec) -> None:
    """Raise InputError where `method` cannot begin on the linear modules of `model`, quantized or not yet.

    OLoRA and LoftQ, as they are implemented, take weights for (out, in), and bitsandbytes quantizes no linear class of a model's own.
    """
    names = {name.rpartition(".")[2] for name in target_modules(model, lora)}
    kinds = {name.rpartition(".")[2]: getattr(module, "source_cls", type(module)) for name, module in linear_modules(model).items()}
    transposed = sorted(name for name in names if kinds[name] is Conv1D)
    if transposed and method in ("olora", "loftq"):
        found = f"{', '.join(transposed)} of {type(model).__name__} hold their weights transposed"
        raise InputError(f"train.method {method} begins at weights, and {found}", hint="choose lora, pissa or eva")
    own = sorted(name for name in names if kinds[name].__module__.startswith("transformers.models."))
    if own and METHODS[method].quantized_base:
        found = f"bitsandbytes does not quantize {', '.join(own)} of {type(model).__name__}"
        raise InputError(f"train.method {method} trains on a quantized base, and {found}", hint="choose lora, or a base of another kind")


def check_full_rank(model: PreTrainedModel, lora: LoraSpec) -> None:
    """Raise InputError for a rank above that of the smallest adapted matrix of `model`."""
    adapted: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    smallest = min(min(layer.base_layer.weight.shape) for layer in adapted)
    if lora.rank > smallest:
        raise InputError(f"lora.r is {lora.rank}, and the smallest of the base's adapted matrices has rank {smallest}", hint="lower lora.r")


class _TwoRates(Attached):
    """LoRA+ (Hayou et al. 2024, arXiv:2402.12354): B learns faster than A."""

    def __init__(self, model: PeftModel, ratio: float) -> None:
        super().__init__(model)
        self._ratio = ratio

    def rate_share(self, name: str) -> float:
        return self._ratio if "lora_B" in name else 1.0


class _Vera(Attached):
    """VeRA (Kopiczko et al. 2023, arXiv:2310.11454): (b B)(d A) with fixed B and A is a LoRA adapter, and is saved as one."""

    def save(self, folder: Path, base: PinnedBase) -> None:
        factors: Factors = {}
        for name, layer in self.model.named_modules():
            if isinstance(layer, VeraLayer):
                whole: Any = layer
                a = whole.vera_A[ADAPTER][:, : whole.in_features].float() * whole.vera_lambda_d[ADAPTER].detach().float()[:, None]
                b = whole.vera_B[ADAPTER][: whole.out_features].float() * whole.vera_lambda_b[ADAPTER].detach().float()[:, None]
                factors[name.removeprefix("base_model.model.")] = a, b
        write_plain(folder, factors, base, targets=targets_of(cast(PeftModel, self.model)))
