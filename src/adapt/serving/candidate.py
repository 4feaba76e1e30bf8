"""An adapter that may be served: what its spec, its gates and its folder say, each read when it is first asked for."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_folder
from adapt.serving.weights import BaseWeights, Tensor, read_tensors
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.serving import Member

WEIGHTS, CONFIG, TEMPLATE, TRAINING = "adapter_model.safetensors", "adapter_config.json", "chat_template.jinja", "training.json"
LORA_TENSOR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
"""Names of an adapter's tensors, as peft writes them."""


@dataclass(frozen=True)
class Served:
    """What the server offers, which an adapter must have been trained on."""

    base: str
    """Digest of the base model."""
    prompt: PinnedPrompt
    weights: BaseWeights | None
    """Shapes of the base; None when its files are not at hand, and then shapes go unchecked."""
    formats: tuple[str, ...] = ("bfloat16",)
    """Number formats that the server may compute in."""


@dataclass(frozen=True)
class Candidate:
    """An adapter that may be served. Its files are read when a check first asks for them."""

    name: str
    member: Member
    folder: Path
    verdict: Path
    """Where its gates say that it passed."""
    server: Served

    @cached_property
    def digest(self) -> str:
        """Digest of the adapter's folder, as its gates saw it."""
        return digest_folder(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Contents of adapter_config.json."""
        value: dict[str, Any] = json.loads((self.folder / CONFIG).read_bytes())
        return value

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """What the weights file holds."""
        return read_tensors(self.folder / WEIGHTS)

    @cached_property
    def modules(self) -> dict[str, dict[str, tuple[str, Tensor]]]:
        """Adapted modules by name: side `A` or `B` to the tensor and its name."""
        modules: dict[str, dict[str, tuple[str, Tensor]]] = {}
        for name, tensor in self.tensors.items():
            if found := LORA_TENSOR.fullmatch(name):
                modules.setdefault(found["module"], {})[found["side"]] = (name, tensor)
        return modules

    @cached_property
    def template(self) -> bytes:
        """The chat template that it was trained with."""
        return (self.folder / TEMPLATE).read_bytes()

    @cached_property
    def training(self) -> dict[str, Any]:
        """Contents of training.json; empty when there is none."""
        path = self.folder / TRAINING
        value: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return value

    @cached_property
    def numbers(self) -> Any:
        """What its evaluation saw of its logits and activations, as its gates passed it on; None where
        they did not."""
        return json.loads(self.verdict.read_bytes()).get("numbers")

    @property
    def method(self) -> str | None:
        """The method that it was trained with, as training wrote it down."""
        method = self.training.get("method")
        return method if isinstance(method, str) else None

    @property
    def objective(self) -> str:
        """What it was trained for, as training wrote it down; nothing stands for fine-tuning."""
        return str(self.training.get("objective", {}).get("kind", "sft"))

    @property
    def end_token_ids(self) -> list[int]:
        """Tokens at which its answers end, as training wrote them down; empty when it did not."""
        return [int(token) for token in self.training.get("end_token_ids", ())]

    @property
    def rank(self) -> int:
        """The largest rank that the adapter's configuration names; what vLLM compares with its `max-lora-rank`."""
        return max(int(rank) for rank in (self.config["r"], *(self.config.get("rank_pattern") or {}).values()))

    def rank_of(self, module: str) -> int:
        """Rank of one module: that of the first pattern that matches, by the rule of peft, which vLLM shares."""
        for pattern, rank in (self.config.get("rank_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return int(rank)
        return int(self.config["r"])
