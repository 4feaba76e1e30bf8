"""Adapters and bases for the serving tests, written without torch: a safetensors file is a header and bytes."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_folder
from adapt.artifact.progress import QuietProgress
from adapt.artifact.staging import staged
from adapt.serving.render import ServingInputs, ServingReport, render
from adapt.spec.base import BaseSpec, BundledBase, PinnedBase
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.serving import Member, ServingSection
from adapt.spec.resolved.stage import StageSection
from adapt.spec.serving import ServerSpec

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %} 问答"
BASE = PinnedBase(source=BundledBase(), digest="b" * 64)
PROMPT = PinnedPrompt(kind="model")
MODULES = {f"model.layers.{layer}.self_attn.{name}": (8, 6) for layer in (0, 1) for name in ("q_proj", "v_proj")}
"""Linear modules of the test base: rows and columns of their weights."""

NUMBERS = {"finite": True, "largest": 40.0}
"""What an evaluation saw of the adapters' activations."""

Tensors = Mapping[str, tuple[tuple[int, ...], bytes]]


def write_safetensors(path: Path, tensors: Tensors, *, dtype: str = "F32") -> None:
    """Write tensors given as shape and data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def matrix(rows: int, columns: int, value: float = 0.5) -> tuple[tuple[int, ...], bytes]:
    return (rows, columns), struct.pack("<f", value) * (rows * columns)


def base_folder(folder: Path, *, positions: int = 4096, **config: Any) -> Path:
    """A base model without tokenizer: config.json, and weights in two files."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": positions, **config}))
    names = sorted(MODULES)
    for part, chosen in enumerate((names[:2], names[2:])):
        tensors = {f"{name}.weight": matrix(*MODULES[name]) for name in chosen}
        if part == 0:
            tensors["model.embed_tokens.weight"] = matrix(10, 6)
        write_safetensors(folder / f"model-{part}.safetensors", tensors)
    return folder


def lora_tensors(r: int = 4, *, modules: Mapping[str, tuple[int, int]] = MODULES, b: float = 0.5) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """A and B of every module, as peft names them."""
    tensors = {}
    for module, (rows, columns) in modules.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = matrix(r, columns)
        tensors[f"base_model.model.{module}.lora_B.weight"] = matrix(rows, r, b)
    return tensors


def adapter_config(r: int = 4, **changes: Any) -> dict[str, Any]:
    """What peft writes to adapter_config.json, as far as it matters."""
    plain = {"peft_type": "LORA", "r": r, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "bias": "none", "init_lora_weights": True}
    return plain | {"use_dora": False, "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {}, "fan_in_fan_out": False} | changes


ORIGIN = json.dumps({"settings": "5" * 64, "data": "d" * 64})
"""What training.json says of where an adapter came from."""


class Scene:
    """A workspace's folders as far as the serving stage reads them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gates, self.adapters, self.out = root / "build" / "gates", root / "adapters", root / "dist" / "vllm"
        self.gates.mkdir(parents=True)
        self.adapters.mkdir()
        self.members: dict[str, Member] = {}

    def add(
        self,
        name: str,
        *,
        tensors: Tensors | None = None,
        config: Any = None,
        template: str = TEMPLATE,
        training: str = ORIGIN,
        passed: bool = True,
        **member: Any,
    ) -> Path:
        """Make the adapter `name`, and its verdict unless it failed; returns its folder."""
        folder = self.adapters / name
        with staged(folder, section=stage(), inputs={}) as staging:
            write_safetensors(staging / "adapter_model.safetensors", lora_tensors() if tensors is None else tensors)
            text = config if isinstance(config, str) else json.dumps(adapter_config() if config is None else config)
            (staging / "adapter_config.json").write_text(text)
            (staging / "chat_template.jinja").write_bytes(template.encode())
            (staging / "training.json").write_text(training)
        if passed:
            self.judge(name)
        self.members[name] = Member(**({"base": BASE, "prompt": PROMPT, "enabled": True} | member))
        return folder

    def judge(self, name: str) -> None:
        """Write the verdict that the adapter, as it is now, passed."""
        verdict = self.gates / name / "passed.json"
        verdict.parent.mkdir(exist_ok=True)
        judged = {"adapter": digest_folder(self.adapters / name), "passed": True, "numbers": NUMBERS}
        verdict.write_text(json.dumps(judged))

    def render(self, *, base: str = "../../base", base_folder: Path | None = None, source: BaseSpec | None = None, **server: Any) -> ServingReport:
        """Run the stage."""
        pinned = BASE if source is None else PinnedBase(source=source, digest=BASE.digest)
        section = ServingSection(
            code="0" * 64, libraries={}, server=ServerSpec(**server), base=pinned, prompt=PROMPT, adapters=dict(sorted(self.members.items()))
        )
        inputs = ServingInputs(gates=self.gates, adapters=self.adapters, base=base, base_folder=base_folder)
        return render(section, inputs=inputs, out=self.out, progress=QuietProgress())


def stage() -> StageSection:
    return StageSection(code="0" * 64, libraries={})
