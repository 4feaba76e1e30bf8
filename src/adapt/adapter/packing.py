"""Whether sequences may follow each other in one row of a forward pass: only where each then has the states that it has alone."""

from __future__ import annotations

import logging
from itertools import accumulate

import torch

from adapt.adapter.attention import attends_to_all, has_varlen_kernel
from adapt.adapter.methods.attached import Attached
from adapt.adapter.states import states_of
from adapt.adapter.virtual import prompts_on
from adapt.base.rounding import differ_beyond_rounding, probe_ids, share_of_difference
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain

log = logging.getLogger(__name__)
_PROBE_LENGTHS = (7, 11, 3)
_TOLERANCE = 0.05
"""Mean difference of states as a share of their mean size, which rounding in sixteen bits seldom passes; a seen neighbour is far above."""


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
            padded, packed = (_probe_states(attached, packed=packed) for packed in (False, True))
            mixed = differ_beyond_rounding(attached.causal, packed, padded, floor=_TOLERANCE, again=lambda: _probe_states(attached, packed=False))
    except (TypeError, ValueError, RuntimeError) as error:
        log.debug("packed sequences were refused: %s", error)
        return f"{type(attached.causal).__name__} takes no sequences that follow each other in one row"
    finally:
        attached.model.train(was_training)
    log.debug("packed states differ from padded ones by %.4f of their size", share_of_difference(packed, padded))
    return f"{type(attached.causal).__name__} does not keep sequences in one row apart" if mixed else None


def _known_obstacle(attached: Attached) -> str | None:
    if attached.mixes_neighbours:
        return "this method's attention runs over the whole row"
    if prompts_on(attached.model):
        return "this method puts virtual tokens before every prompt"
    if not attends_to_all(attached.causal):
        return f"{type(attached.causal).__name__} has layers that see a part of the past alone"
    return None


def _probe_states(attached: Attached, *, packed: bool) -> torch.Tensor:
    """The states of the probes' own tokens, in their order."""
    ids = probe_ids(attached.causal, sum(_PROBE_LENGTHS))
    ends = list(accumulate(_PROBE_LENGTHS))
    states = states_of(attached, [ids[end - length : end] for end, length in zip(ends, _PROBE_LENGTHS, strict=True)], packed=packed)
    return torch.cat([states.hidden[start : start + length] for start, length in zip(states.starts, _PROBE_LENGTHS, strict=True)]).float()
