"""Sections `serving` (per adapter) and `server` (one for the workspace, params.yaml only)."""

from typing import Literal

from pydantic import Field

from adapt.spec.section import Section


class ServingSpec(Section):
    """Whether an adapter is served."""

    enabled: bool = True
    """Serve the adapter when its gates pass."""


class ServerSpec(Section):
    """The one vLLM server that serves every adapter."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that the server binds to; anything but loopback opens it to the network."""
    port: int = Field(default=8000, ge=1, le=65535)
    """TCP port."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the base model."""
    max_model_len: int = Field(default=2048, ge=64)
    """Longest conversation in tokens, answer included."""
    max_num_seqs: int = Field(default=16, ge=1)
    """Requests that are decoded together."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes; not used on a CPU."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Memory for the key-value cache on a CPU, in GiB."""
    enforce_eager: bool = False
    """Run without CUDA graphs: starts sooner, answers more slowly. Always so on a CPU."""
    shutdown_timeout_seconds: int = Field(default=15, ge=0)
    """Time that requests under way have to finish when the server is stopped."""
