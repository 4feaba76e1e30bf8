"""serve.yaml: the options that vLLM's server is started with.

Enters: the server's settings and the adapters that it serves. Leaves: YAML text, one comment per option that needs a reason.
vLLM turns each key into a command-line flag. No adapter is named here: what is named here would be loaded without its signature being looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from adapt.spec.serving import NAME_OF_BASE, ServerSpec

LEGAL_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM's `max-lora-rank` takes."""
MIDDLEWARE = "adapt_serving.gate.Gate"
"""The door of the server; see `adapt.serving.plugin`."""
BASE_NAME = NAME_OF_BASE
"""What requests call the base model."""
ALLOWED: dict[str, type] = {
    "model": str,
    "revision": str,
    "served-model-name": str,
    "host": str,
    "port": int,
    "dtype": str,
    "max-model-len": int,
    "max-num-seqs": int,
    "gpu-memory-utilization": float,
    "enforce-eager": bool,
    "shutdown-timeout": int,
    "middleware": str,
    "generation-config": str,
    "chat-template": str,
    "chat-template-content-format": str,
    "enable-lora": bool,
    "max-loras": int,
    "max-cpu-loras": int,
    "max-lora-rank": int,
}
"""Every option that is ever written, with the type of its value; the vllm test holds them against vLLM's own parser."""
_LORA_OPTIONS = ("max-loras", "max-cpu-loras", "max-lora-rank")
_HEADER = """\
# Options of vLLM's server; rendered by `adapt`, and replaced when anything that is served changes.
# Used by start.sh: python -m vllm.entrypoints.openai.api_server --config serve.yaml
"""


@dataclass(frozen=True)
class Offer:
    """An adapter that the server offers."""

    name: str
    """The adapter's name in this workspace, the same from build to build."""
    served_name: str
    """What requests call it: the name and the content. vLLM keys its caches by it, so other weights never answer from an old state."""
    path: str
    """Its folder, relative to serve.yaml."""
    rank: int
    digest: str


Option = tuple[str, Any, str]
"""Key, value, and the reason for it; the reason may be empty."""


def server_options(server: ServerSpec, *, model: str, revision: str | None) -> list[Option]:
    """The options that do not depend on adapters."""
    eager = [("enforce-eager", True, "no CUDA graphs: starts sooner, answers more slowly")] if server.enforce_eager else []
    pinned = [("revision", revision, "the commit that the adapters were trained on")] if revision is not None else []
    return [
        ("model", model, ""),
        *pinned,
        ("served-model-name", BASE_NAME, ""),
        ("host", server.host, ""),
        ("port", server.port, ""),
        ("dtype", server.dtype, ""),
        ("max-model-len", server.max_model_len, "tokens, answer included"),
        ("max-num-seqs", server.max_num_seqs, ""),
        ("gpu-memory-utilization", server.gpu_memory_utilization, ""),
        *eager,
        ("shutdown-timeout", server.shutdown_timeout_seconds, "seconds for requests under way; without it, a stopped server waits for its clients"),
        ("middleware", MIDDLEWARE, "stable names to versions, keys, limits, metrics"),
    ]


def prompt_options(*, template: str | None, generation: str) -> list[Option]:
    """The options of what goes before an answer and what ends it.

    `template` is the chat template's file, None for the base's own. `generation` is the folder of a generation_config.json, or `vllm`.
    """
    neutral = ("generation-config", generation, "no sampling settings of the base's authors: the adapters were measured without them")
    if template is None:
        return [neutral]
    return [
        neutral,
        ("chat-template", template, "the one that the adapters were trained with"),
        ("chat-template-content-format", "string", "as in training: a message's content is text, not a list of parts"),
    ]


def lora_options(offers: Sequence[Offer]) -> list[Option]:
    """The options of the adapters; none for none: such a server has no memory for any."""
    if not offers:
        return []
    slots = len(offers) + 1
    return [
        ("enable-lora", True, ""),
        ("max-loras", slots, "one more than there are adapters: while a version replaces another, both answer"),
        ("max-cpu-loras", slots, "at least max-loras"),
        ("max-lora-rank", max_lora_rank(offers), "the smallest that vLLM allows and every adapter fits"),
    ]


def max_lora_rank(offers: Sequence[Offer]) -> int:
    """The smallest legal `max-lora-rank` that every adapter fits; memory of each slot grows with it."""
    return legal_rank(max(offer.rank for offer in offers))


def legal_rank(largest: int) -> int:
    """The smallest `max-lora-rank` that vLLM takes and that holds rank `largest`, at most 512."""
    return next(rank for rank in LEGAL_RANKS if rank >= largest)


def write_options(options: Sequence[Option]) -> str:
    """The options as YAML text."""
    blocks = []
    for key, value, reason in options:
        comment = f"# {reason}\n" if reason else ""
        blocks.append(comment + yaml.safe_dump({key: value}, allow_unicode=True, default_flow_style=False, width=100_000, default_style=None))
    return _HEADER + "".join(blocks)


def option_problems(text: str) -> list[str]:
    """What vLLM would refuse, or accept and silently serve otherwise than written, in the YAML `text` of a serve.yaml."""
    found = yaml.safe_load(text)
    if not isinstance(found, dict):
        return ["it is not a mapping of options"]
    problems = [f"{key} is not an option that is known here" for key in found if key not in ALLOWED]
    problems += [
        f"{key} is {value!r}, and a {ALLOWED[key].__name__} is allowed"
        for key, value in found.items()
        if key in ALLOWED and type(value) is not ALLOWED[key]
    ]
    return problems or _lora_problems(found)


def _lora_problems(found: dict[str, Any]) -> list[str]:
    present = [key for key in _LORA_OPTIONS if key in found]
    if found.get("enable-lora") is not True:
        return [f"{', '.join(present)} without enable-lora: vLLM would serve the base alone"] if present else []
    problems = [f"{key} is missing" for key in _LORA_OPTIONS if key not in found]
    if problems:
        return problems
    if found["max-lora-rank"] not in LEGAL_RANKS:
        problems.append(f"max-lora-rank is {found['max-lora-rank']}; choose from: {', '.join(map(str, LEGAL_RANKS))}")
    if found["max-cpu-loras"] < found["max-loras"]:
        problems.append("max-cpu-loras is below max-loras")
    return problems
