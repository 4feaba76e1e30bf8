"""Keeps requests to the base apart from adapters on a CPU.

vLLM 0.32 computes the rows of requests to the base with slot -1, which Python takes for the last one; once all slots are taken, those rows get
the last adapter (vllm pull request 48421). Every layer is given one slot more than the scheduler and the caches know of: nothing is ever loaded
into it, so it stays zero, whatever is loaded and dropped elsewhere. A GPU's kernels skip such rows, so nothing is changed there.
"""

from importlib import import_module
from typing import Any

_DONE = "_adapt_spare_slot"


def keep_base_rows_apart() -> None:
    """Wrap vLLM's `from_layer`, where layers get their slots; does nothing the second time and where the platform is no CPU."""
    model_manager: Any = import_module("vllm.lora.model_manager")
    plain = model_manager.from_layer
    if not import_module("vllm.platforms").current_platform.is_cpu() or hasattr(plain, _DONE):
        return

    def with_spare_slot(layer: Any, max_loras: int, *rest: Any, **named: Any) -> Any:
        experts = "MoE" in type(layer).__name__  # expert layers derive other sizes from the number of slots
        return plain(layer, max_loras if experts else max_loras + 1, *rest, **named)

    setattr(with_spare_slot, _DONE, True)
    model_manager.from_layer = with_spare_slot
