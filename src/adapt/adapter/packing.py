"""Whether sequences may follow each other in one row of a forward pass: only where each then has the states that it has alone."""

from __future__ import annotations

import logging

import torch

from adapt.adapter.attention import attends_to_all, has_varlen_kernel
from adapt.adapter.methods.attached import Attached
from adapt.adapter.states import States, states_of
from adapt.adapter.virtual import prompts_on
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain

log = logging.getLogger(__name__)
_PROBES = (range(5, 12), range(20, 31), range(3, 6))
_TOLERANCE = 0.05
"""Mean difference of states as a share of their mean size: rounding in sixteen bits stays below a fifth of it, a seen neighbour is far above."""


def check_packing(attached: Attached, settings: CommonTrain) -> None:
    """Raise InputError when `settings` ask for packing and a known reason stands against it; a trial with values comes with the training."""
    reason = _known_obstacle(attached) if settings.packing == "packed" else None
    if reason is not None:
        raise _refusal(reason)


def _refusal(reason: str) -> InputError:
    return InputError(f"train.packing is packed, and {reason}", hint="set train.packing to auto or padded")


def packs(attached: Attached, settings: CommonTrain) -> bool:
    """Whether a training packs. Raises InputError when `settings` ask for it and it would not be exact."""
    if settings.packing == "padded":
        return False
    kernel = attached.causal.device.type == "cpu" or settings.attention == "flex" or has_varlen_kernel(attached.causal)
    if settings.packing == "auto" and not kernel:
        return False  # exact too, by a mask over the whole row, and slower than padding
    reason = obstacle(attached)
    if reason is not None and settings.packing == "packed":
        raise _refusal(reason)
    return reason is None


def obstacle(attached: Attached) -> str | None:
    """Why packed sequences would not have the states that they have alone, or None when they do: known reasons, then a trial."""
    if reason := _known_obstacle(attached):
        return reason
    was_training = attached.model.training
    attached.model.eval()
    try:
        with torch.no_grad():
            padded, packed = (_rows(states_of(attached, _PROBES, packed=packed)) for packed in (False, True))
    except (TypeError, ValueError, RuntimeError) as error:
        log.debug("packed sequences were refused: %s", error)
        return f"{type(attached.causal).__name__} takes no sequences that follow each other in one row"
    finally:
        attached.model.train(was_training)
    difference = float((packed - padded).abs().mean() / padded.abs().mean())
    log.debug("packed states differ from padded ones by %.4f of their size", difference)
    return None if difference < _TOLERANCE else f"{type(attached.causal).__name__} does not keep sequences in one row apart"


def _known_obstacle(attached: Attached) -> str | None:
    if attached.mixes_neighbours:
        return "this method's attention runs over the whole row"
    if prompts_on(attached.model):
        return "this method puts virtual tokens before every prompt"
    if not attends_to_all(attached.causal):
        return f"{type(attached.causal).__name__} has layers that see a part of the past alone"
    return None


def _rows(states: States) -> torch.Tensor:
    """The states of the probes' own tokens, in their order."""
    return torch.cat([states.hidden[start : start + len(probe)] for start, probe in zip(states.starts, _PROBES, strict=True)]).float()
