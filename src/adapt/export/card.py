"""The model card of an export: README.md as model hubs read it, for whoever is given the folder.

Enters: what the export was made from and how close it came. Leaves: README.md, and the licence files of a base that brings
them. Nothing in it depends on the time, the machine or a path.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapt.adapter.folder import base_name
from adapt.adapter.load import read_training
from adapt.artifact.lines import read_lines
from adapt.export.parity import Figures
from adapt.records import AlpacaRecord
from adapt.spec.base import BundledBase, HubBase, PinnedBase
from adapt.spec.export import ExportSpec
from adapt.spec.resolved.export import ExportSection

CARD = "README.md"
BUNDLED_LICENCE = "apache-2.0"
_LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_LOADED_BY: Mapping[str, str] = {
    "adapter": "`peft.PeftModel.from_pretrained(base, folder)`, or vLLM as a LoRA module",
    "merged": "`transformers.AutoModelForCausalLM.from_pretrained(folder)`, or `vllm serve folder`",
    "quantized": "`transformers.AutoModelForCausalLM.from_pretrained(folder)`, or `vllm serve folder`",
    "onnx": "`onnxruntime_genai.Model(folder)`",
    "onnx_adapters": "`onnxruntime_genai.Model` on the graph, and `Adapters.load` for the adapter file",
    "gguf": "`llama-server -m model.gguf`, or `ollama create NAME -f Modelfile`",
    "gguf_adapter": "`llama-server -m base.gguf --lora adapter.gguf`",
}
"""How each form is loaded, by its format."""


def write_card(folder: Path, section: ExportSection, *, name: str, adapter: Path, dataset: Path, base: Path, figures: Figures) -> None:
    """Write README.md into the finished export in `folder`, and copy the licence files of the model in folder `base`.

    `name` is the spec's; `adapter` and `dataset` are the folders that the export was made from.
    """
    spec, training = section.export, read_training(adapter)
    licence = base_licence(section.base, base)
    front = {
        "base_model": base_name(section.base),
        "license": licence or "other",
        "library_name": "peft" if spec.format == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["adapt", spec.format, str(training["method"])],
    }
    parts = [
        "---\n" + yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---",
        f"# {name}, as {spec.format}",
        _facts(section, training, licence),
        f"## How to load it\n\n{_LOADED_BY[spec.format]}. The chat template in the folder is the one of the training.",
        _data(dataset, training),
        _closeness(figures),
    ]
    (folder / CARD).write_text("\n\n".join(parts) + "\n", encoding="utf-8", newline="\n")
    for pattern in _LICENCE_FILES:
        for file in sorted(base.glob(pattern)):
            if file.is_file():
                shutil.copyfile(file, folder / file.name)


def base_licence(base: PinnedBase, folder: Path) -> str | None:
    """The licence that the base states: the bundled one's, or `license` at the head of its own README.md; None where it states none."""
    if isinstance(base.source, BundledBase):
        return BUNDLED_LICENCE
    try:
        head, front, _ = (folder / "README.md").read_text(encoding="utf-8").split("---", 2)
        stated = yaml.safe_load(front)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    if head.strip() or not isinstance(stated, dict):
        return None
    licence = stated.get("license")
    return str(stated.get("license_name") if licence == "other" and stated.get("license_name") else licence) if licence else None


def _facts(section: ExportSection, training: Mapping[str, Any], licence: str | None) -> str:
    revision = f" at {section.base.source.revision}" if isinstance(section.base.source, HubBase) else ""
    losses = training["losses"]
    rows = {
        "Base model": f"{base_name(section.base)}{revision}",
        "Licence": licence or "the base states none: see where it came from",
        "Method": training["method"],
        "Trained for": f"{training['steps']['taken']} steps, {training['tokens']['seen']} tokens",
        "Validation loss": f"{_short(losses['validation_before'])} before, {_short(losses['validation'])} after",
        "Form": _form(section.export),
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])


def _form(spec: ExportSpec) -> str:
    told = spec.model_dump(exclude={"format", "parity", "max_shard_size"}, exclude_none=True, exclude_defaults=False)
    settings = ", ".join(f"{name} {value}" for name, value in told.items() if isinstance(value, str | int))
    return f"{spec.format}: {settings}" if settings else spec.format


def _data(dataset: Path, training: Mapping[str, Any]) -> str:
    """How many records, in which languages and under which licences."""
    rows = list(read_lines(dataset / "train.jsonl", AlpacaRecord))
    lines = [f"## Data\n\nTrained on {training['records']['train']} records of {len(rows)} in the training split."]
    for field, title in (("language", "Languages"), ("licence", "Licences")):
        counts = Counter(str(getattr(row, field) or "not stated") for row in rows)
        shares = ", ".join(f"{value} {count}" for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        lines.append(f"{title}: {shares}.")
    return "\n\n".join(lines)


def _closeness(figures: Figures) -> str:
    return (
        "## How close it is to its adapter\n\n"
        f"On held-out records, at {figures.positions} positions: both put the same token first at {figures.top1_agreement:.2%}, "
        f"and the mean Kullback-Leibler divergence is {figures.mean_kl:.4g} nats. parity.json has all figures."
    )


def _short(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
