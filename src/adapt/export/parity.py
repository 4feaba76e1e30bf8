"""Compares an export with its adapter, and holds the figures against their gates.

Enters: next-token log-probabilities of adapter, base and export over the same positions. Leaves: Parity figures, or GateError.

The reference is the adapter in float32 on the unquantized base: what its weights mean, whatever kernel computes it. bfloat16 rounding alone
moves SmolLM2-135M by 0.0015 nats and changes every thirtieth first choice, as much as a good export does, so it stays out of the reference.

A bound on the divergence cannot tell an export without its adapter when the adapter is subtle or the form is coarse: 4 bits cost SmolLM2
0.28 nats, while a trained adapter is worth 0.32. So the share of the adapter's effect is measured too. Let d be the shift of the
log-probabilities from base to adapter and e that from base to export, each less its mean under the adapter's distribution p. The share is
the least-squares coefficient of e on d in the Fisher metric, sum(p e d) / sum(p d d): 1 when the export carries the adapter, 0 when it does
not, and errors of rounding, which have no part in d, leave it where it is.

What the task loses is told by the golden answers themselves: their perplexity, and the share of their tokens that is ranked first, under base,
adapter and export alike.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.errors import GateError
from adapt.export.golden import Golden
from adapt.records import Shape
from adapt.spec.export import Gates

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)
PARITY = "parity.json"
DROWNED = 10.0
"""Where the export is this many times as far from the adapter as the base is, the share of the effect is too uncertain to judge."""
_NO_EFFECT = 1e-9
_DIGITS = 6
_SHOWN_PROMPTS = 3
_LARGEST_EXPONENT = 700.0  # e to the power of more does not fit into a float


class TaskFigures(Shape):
    """How one model does on the golden answers."""

    perplexity: float
    """e to the mean negative log-likelihood of an answer's token."""
    token_accuracy: float
    """Share of the answers' tokens that it ranks first."""


class PromptFigures(Shape):
    """How far export and adapter are apart on one golden prompt."""

    record: str
    """Id of the test record."""
    positions: int
    top1_agreement: float
    mean_kl: float


class Figures(Shape):
    """Contents of parity.json, with the gates. Divergences are in nats, KL(adapter || export), over the positions of all prompts."""

    positions: int
    """Positions that were compared."""
    top1_agreement: float
    """Share of positions at which both rank the same token first."""
    mean_kl: float
    worst_kl: float
    """The largest divergence at one position."""
    adapter_kl: float
    """Mean of KL(adapter || base) over the same positions: what the adapter is worth."""
    effect: float | None
    """Share of the adapter's effect that the export carries; None when it cannot be told (see `DROWNED`)."""
    task: dict[str, TaskFigures]
    """Of `base`, `adapter` and `export`."""
    prompts: tuple[PromptFigures, ...]

    @property
    def perplexity_increase(self) -> float:
        """Perplexity under the export over that under the adapter, less 1."""
        return self.task["export"].perplexity / self.task["adapter"].perplexity - 1


@dataclass
class _Task:
    """Sums over the tokens of golden answers under one model."""

    nll: float = 0.0
    first: int = 0

    def add(self, rows: Tensor, golden: Golden) -> None:
        import torch

        targets = torch.tensor(golden.ids[-golden.positions :])
        self.nll -= rows.gather(-1, targets[:, None]).sum(dtype=torch.float64).item()
        self.first += int((rows.argmax(-1) == targets).sum())

    def figures(self, positions: int) -> TaskFigures:
        mean = min(self.nll / positions, _LARGEST_EXPONENT)
        return TaskFigures(perplexity=_rounded(math.exp(mean)), token_accuracy=_rounded(self.first / positions))


@dataclass
class Comparison:
    """Sums over the prompts that were compared so far."""

    prompts: list[PromptFigures] = field(default_factory=list)
    worst_kl: float = 0.0
    _base_kl: float = 0.0
    _shared: float = 0.0
    _whole: float = 0.0
    _task: dict[str, _Task] = field(default_factory=lambda: {name: _Task() for name in ("base", "adapter", "export")})

    def add(self, golden: Golden, *, adapter: Tensor, base: Tensor, export: Tensor) -> None:
        """Count one prompt. All three hold log-probabilities, float32, shape (positions, vocabulary).

        Raises GateError when the export has another vocabulary than the adapter.
        """
        import torch

        if export.shape != adapter.shape:
            raise GateError(f"the export predicts {export.shape[-1]} tokens where the adapter predicts {adapter.shape[-1]}, so it is another model")
        p = adapter.exp()
        kl = (p * (adapter - export)).sum(-1, dtype=torch.float64)
        same = (adapter.argmax(-1) == export.argmax(-1)).double()
        self.prompts.append(PromptFigures(record=golden.record, positions=len(kl), top1_agreement=same.mean().item(), mean_kl=kl.mean().item()))
        worst = kl.max().item()
        self.worst_kl = worst if math.isnan(worst) else max(self.worst_kl, worst)
        self._base_kl += (p * (adapter - base)).sum(dtype=torch.float64).item()
        d, e = _centred(adapter - base, p), _centred(export - base, p)
        self._shared += (p * d * e).sum(dtype=torch.float64).item()
        self._whole += (p * d * d).sum(dtype=torch.float64).item()
        for name, rows in (("base", base), ("adapter", adapter), ("export", export)):
            self._task[name].add(rows, golden)

    def figures(self) -> Figures:
        """The figures over all prompts, rounded to 6 decimals."""
        positions = sum(prompt.positions for prompt in self.prompts)
        top1 = sum(prompt.top1_agreement * prompt.positions for prompt in self.prompts) / positions
        mean_kl = sum(prompt.mean_kl * prompt.positions for prompt in self.prompts) / positions
        base_kl = self._base_kl / positions
        judged = base_kl > _NO_EFFECT and mean_kl <= DROWNED * base_kl
        return Figures(
            positions=positions,
            top1_agreement=_rounded(top1),
            mean_kl=_rounded(mean_kl),
            worst_kl=_rounded(self.worst_kl),
            adapter_kl=_rounded(base_kl),
            effect=_rounded(self._shared / self._whole) if judged else None,
            task={name: task.figures(positions) for name, task in self._task.items()},
            prompts=tuple(
                prompt.model_copy(update={"top1_agreement": _rounded(prompt.top1_agreement), "mean_kl": _rounded(prompt.mean_kl)})
                for prompt in self.prompts
            ),
        )


def _centred(shift: Tensor, p: Tensor) -> Tensor:
    return shift - (p * shift).sum(-1, keepdim=True)


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no negative zero


def judge(figures: Figures, gates: Gates) -> None:
    """Raise GateError when a figure is worse than its gate, or is not a number. Names the prompts on which the two part most."""
    failures = _failures(figures, gates)
    if figures.effect is None:
        log.warning(
            "whether the export carries the adapter cannot be told: it is %g nats from the adapter, which is itself only %g nats from its base",
            figures.mean_kl,
            figures.adapter_kl,
        )
    if not failures:
        return
    raise GateError(
        f"the export differs from its adapter over {figures.positions} positions of {len(figures.prompts)} golden prompts: "
        f"{'; '.join(failures)}. They part most on {_furthest(figures.prompts)}",
        hint="choose a finer form (dtype, scheme, precision), or set the export's `parity` to what is good enough; nothing was written",
    )


def _failures(figures: Figures, gates: Gates) -> list[str]:
    """The gates that were missed. Comparisons are written so that what is not a number misses its gate."""
    low, high = 1 - gates.max_effect_error, 1 + gates.max_effect_error
    increase = figures.perplexity_increase
    top1 = f"top-1 agreement is {figures.top1_agreement}, at least {gates.min_top1_agreement} is asked"
    judged = (
        (figures.top1_agreement >= gates.min_top1_agreement, top1),
        (figures.mean_kl <= gates.max_mean_kl, f"mean KL is {figures.mean_kl} nats, at most {gates.max_mean_kl} is allowed"),
        (figures.worst_kl <= gates.max_worst_kl, f"worst KL is {figures.worst_kl} nats, at most {gates.max_worst_kl} is allowed"),
        (
            figures.effect is None or low <= figures.effect <= high,
            f"it carries {figures.effect} of the adapter's effect, {low:g} to {high:g} is asked",
        ),
        (
            increase <= gates.max_perplexity_increase,
            f"perplexity of the answers rises by {increase:.2%}, at most {gates.max_perplexity_increase:.2%} is allowed",
        ),
    )
    return [text for passed, text in judged if not passed]


def _furthest(prompts: Sequence[PromptFigures]) -> str:
    ordered = sorted(prompts, key=lambda prompt: (not math.isnan(prompt.mean_kl), -prompt.mean_kl, prompt.record))
    return ", ".join(
        f"record {prompt.record[:12]} (mean KL {prompt.mean_kl:.4g}, top-1 {prompt.top1_agreement:.3g})" for prompt in ordered[:_SHOWN_PROMPTS]
    )


def write_parity(folder: Path, figures: Figures, gates: Gates, *, computed: str | None = None) -> None:
    """Write parity.json into `folder`; `computed` is the number format in which torch ran the export, where it did."""
    contents = {
        **figures.model_dump(),
        "perplexity_increase": _rounded(figures.perplexity_increase),
        "reference_dtype": "float32",
        **({"computed_dtype": computed} if computed else {}),
        "gates": gates._asdict(),
    }
    (folder / PARITY).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
