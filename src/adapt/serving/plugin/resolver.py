"""vLLM's side: a LoRAResolver that loads versions from the store alone, registered through the entry point group `vllm.general_plugins`.

`register` is called in every process of the server. A server without it has no way to load an adapter, since serve.yaml names none: it fails closed.
"""

import asyncio
import os
from importlib import import_module
from typing import Any

from .cache import keep_cache_finite
from .facts import Server
from .orphans import end_with_parent
from .places import Places
from .refusal import LogOnce, RefusedError
from .slots import keep_base_rows_apart
from .store import Store


class SignedResolver:
    """Gives vLLM the verified copy of a version, or nothing. A LoRAResolver by its shape: vLLM is imported only where it runs."""

    def __init__(self, store: Store) -> None:
        self._store, self._log = store, LogOnce()

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> Any:
        """The adapter `lora_name`; None when it is not served, with the reason in the log once. vLLM gives it an id."""
        try:
            path = await asyncio.to_thread(self._store.load, lora_name)
        except RefusedError as refusal:
            self._log.warn(lora_name, str(refusal))
            return None
        except OSError as error:  # a full disk, or a folder that changed while it was read: the next request tries again
            self._log.warn(lora_name, f"it cannot be copied ({type(error).__name__})")
            return None
        return import_module("vllm.lora.request").LoRARequest(lora_name=lora_name, lora_int_id=1, lora_path=str(path))


def register() -> None:
    """Register the resolver for the folders that the environment names."""
    end_with_parent()
    keep_base_rows_apart()
    keep_cache_finite()
    places = Places.from_environment(os.environ)
    platform = import_module("vllm.platforms").current_platform
    supported = [str(dtype).removeprefix("torch.") for dtype in platform.supported_dtypes]
    server = Server.read(places.configuration, slots=places.slots, supported=supported)
    store = Store(places.adapters, places.trust, server, rollouts=places.rollouts)
    import_module("vllm.lora.resolver").LoRAResolverRegistry.register_resolver("adapt", SignedResolver(store))
