"""Sections `serving` (per adapter) and `server` (one for the workspace, params.yaml only)."""

from typing import Literal

from pydantic import Field

from adapt.spec.patterns import REPLICA_NAME, URL
from adapt.spec.section import Section

NAME_OF_BASE = "base"
"""What requests call the base model, so that no adapter can have that name."""


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
    max_body_mib: int = Field(default=4, ge=1)
    """Longest request, in MiB; longer ones are refused before they are read."""
    image: str = Field(default="vllm/vllm-openai:v0.33.0", min_length=1)
    """Container image that the rendered docker and Kubernetes files start."""


class ReplicaSpec(Section):
    """One running server among several that serve the same adapters."""

    name: str = Field(pattern=REPLICA_NAME)
    """What messages and tables call it."""
    url: str = Field(pattern=URL)
    """Where it answers, such as `http://10.0.0.5:8000`."""
    folder: str = Field(min_length=1)
    """Its folder of signed adapters, aliases and keys as seen from here, absolute or relative to the workspace."""


class RolloutSpec(Section):
    """How `adapt deploy` replaces a version that serves; read by no stage."""

    replicas: tuple[ReplicaSpec, ...] = ()
    """The servers, in the order in which they are changed; unset: the one that `adapt serve` starts here."""
    min_agreement: float = Field(default=0.5, ge=0, le=1)
    """Least share of the expected answers' beginnings that the golden prompts must bring back, before any request is shifted."""
    watch_seconds: float = Field(default=10, ge=0)
    """How long errors and latency of the new version are watched after each shift."""
    max_error_rate: float = Field(default=0.0, ge=0, lt=1)
    """Largest share of requests that may fail while the new version is watched."""
    max_latency_ratio: float = Field(default=3.0, gt=1)
    """Largest mean time of an answer, as a multiple of the version before; judged from 20 requests of each on."""
    drain_seconds: float = Field(default=60, ge=0)
    """How long requests of the version before may take to finish before it is unloaded."""
    keep_versions: int = Field(default=5, ge=2)
    """Versions of an adapter that stay on a server's disk, the serving one included; `adapt deploy` removes those that served before them."""
