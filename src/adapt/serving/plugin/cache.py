"""Keeps NaN and infinity out of the key-value cache on a CPU.

The CPU kernels of vLLM 0.32 read whole blocks of the cache, also places that no request of theirs wrote,
and weigh them with zero; zero times NaN is NaN, so what one request left in a freed block spoils the next
one that gets it. Versions without a proof of finite logits are refused, and a proof on some prompts is none
for all: keys and values that are not finite are stored as zeros, so that a request whose numbers break
spoils itself alone. A GPU's kernels skip such places, so nothing is changed there.
"""

from importlib import import_module
from typing import Any

_DONE = "_adapt_finite"


def keep_cache_finite() -> None:
    """Wrap the update of the cache; does nothing the second time and where the platform is no CPU."""
    if not import_module("vllm.platforms").current_platform.is_cpu():
        return
    backend: Any = import_module("vllm.v1.attention.backends.cpu_attn").CPUAttentionBackendImpl
    plain = backend.do_kv_cache_update
    if hasattr(plain, _DONE):
        return
    nan_to_num = import_module("torch").nan_to_num

    def with_finite(self: Any, layer: Any, key: Any, value: Any, *rest: Any, **named: Any) -> Any:
        finite = [nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0) for part in (key, value)]
        return plain(self, layer, *finite, *rest, **named)

    setattr(with_finite, _DONE, True)
    backend.do_kv_cache_update = with_finite
