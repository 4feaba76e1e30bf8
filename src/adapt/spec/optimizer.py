"""`train.optimizer`: how gradients become steps. A bare string is short for the optimiser of that kind with its defaults."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from adapt.spec.section import Section

Share = Annotated[float, Field(ge=0, lt=1)]


class AdamwOptimizer(Section):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101); 8-bit moments by Dettmers et al. 2022 (arXiv:2110.02861)."""

    kind: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = "adamw"
    """`adamw_8bit` keeps moments of large weights in 8 bits; `paged_adamw_8bit` also moves them out of a GPU's memory when that is short."""
    beta1: Share = 0.9
    """Decay of the mean of gradients."""
    beta2: Share = 0.999
    """Decay of the mean of their squares."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the divisor."""


class LionOptimizer(Section):
    """Steps of one size, by the sign of a mean of gradients (Chen et al. 2023, arXiv:2302.06675); wants a rate 3 to 10 times below AdamW's."""

    kind: Literal["lion"]
    """How gradients become steps."""
    beta1: Share = 0.9
    """Share of the mean in the step's direction."""
    beta2: Share = 0.99
    """Decay of the mean of gradients."""


class AdafactorOptimizer(Section):
    """Second moments by rows and columns alone (Shazeer and Stern 2018, arXiv:1804.04235): hardly any memory. Its rate is relative to a weight's
    size, so it wants one some 10 to 100 times AdamW's."""

    kind: Literal["adafactor"]
    """How gradients become steps."""
    beta2_decay: float = Field(default=-0.8, lt=0)
    """Exponent by which the decay of second moments nears one with the steps."""
    clip_threshold: float = Field(default=1.0, gt=0)
    """Largest root mean square of an update."""


class SgdOptimizer(Section):
    """Stochastic gradient descent."""

    kind: Literal["sgd"]
    """How gradients become steps."""
    momentum: Share = 0.9
    """Decay of the sum of gradients that is followed; 0 follows each gradient alone."""


class MuonOptimizer(Section):
    """Orthogonalised momentum for matrices (Jordan et al. 2024; rates as of Liu et al. 2025, arXiv:2502.16982), AdamW for everything else."""

    kind: Literal["muon"]
    """How gradients become steps."""
    momentum: Share = 0.95
    """Decay of the mean of gradients."""


class ParameterGroup(Section):
    """Weights that learn at a pace of their own."""

    pattern: Annotated[str, StringConstraints(min_length=1)]
    """Shell pattern of the weights' full names, such as `*.v_proj.*`; a weight belongs to the first group that it matches."""
    rate_factor: float = Field(default=1.0, gt=0)
    """Factor on the learning rate."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Weight decay; unset: `train.weight_decay`."""


_KINDS = ("adamw", "adamw_8bit", "paged_adamw_8bit", "lion", "adafactor", "sgd", "muon")


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _or_its_name(schema: dict[str, Any]) -> None:
    """Editors shall know that a bare string will do."""
    whole = {key: schema.pop(key) for key in ("oneOf", "discriminator") if key in schema}
    schema["anyOf"] = [{"enum": list(_KINDS)}, whole]


OptimizerSpec = Annotated[
    AdamwOptimizer | LionOptimizer | AdafactorOptimizer | SgdOptimizer | MuonOptimizer,
    Field(discriminator="kind", json_schema_extra=_or_its_name),
    BeforeValidator(_named),
]
