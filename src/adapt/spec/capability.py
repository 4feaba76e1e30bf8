"""Holds a valid spec against what its training method can do, before anything runs.

Enters: a spec and what its file itself says, without what it inherits: a default in params.yaml that the method does not read is meant for
other adapters, the same line in the spec is a mistake. Leaves: problems, one line each and a hint.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from adapt.spec.adapter import AdapterSpec
from adapt.spec.chain import chain_problems
from adapt.spec.combinations import shape_problems
from adapt.spec.export import ALONE, MergedExport
from adapt.spec.methods import LORA_FIELDS, MAX_SERVED_RANK, METHODS, Method


def capability_problems(spec: AdapterSpec, own: Mapping[str, Any]) -> list[str]:
    """What the spec asks of its method that the method cannot do or does not read."""
    method = METHODS[spec.train.method]
    lora = own.get("lora")
    own_lora = lora if isinstance(lora, Mapping) else {}
    return [
        *_unread(method, own_lora),
        *_rank(spec, method),
        *_shapes(spec),
        *_exports(spec, method),
        *chain_problems(spec),
    ]


def _shapes(spec: AdapterSpec) -> Iterator[str]:
    trainings = {f"steps.{name}.train": (step.train, step.lora) for name, step in spec.steps.items()}
    for path, (train, lora) in {**trainings, "train": (spec.train, spec.lora)}.items():
        for problem in shape_problems(train, lora):
            yield f"{path}: {problem}"


def _unread(method: Method, lora: Mapping[str, Any]) -> Iterator[str]:
    read = f"it reads {', '.join(method.reads)}" if method.reads else "it reads nothing of section lora"
    for name, value in lora.items():
        if value is not None and name in LORA_FIELDS and name not in method.reads:
            readers = ", ".join(each.name for each in METHODS.values() if name in each.reads)
            hint = f"take the line out, or choose a method that reads it: {readers}"
            yield f"lora.{name}: train.method {method.name} does not read it; {read}\nhint: {hint}"


def _rank(spec: AdapterSpec, method: Method) -> Iterator[str]:
    if "r" in method.reads and method.vllm == "adapter" and spec.lora.rank * method.saved_ranks > MAX_SERVED_RANK:
        times = f"{method.name} saves an adapter of {method.saved_ranks} times the rank"
        largest = MAX_SERVED_RANK // method.saved_ranks
        yield f"lora.r: {spec.lora.rank}: {times}, and vLLM serves up to {MAX_SERVED_RANK}\nhint: set lora.r to {largest} or less"


def _exports(spec: AdapterSpec, method: Method) -> Iterator[str]:
    merging = ", ".join(each.name for each in METHODS.values() if each.mergeable)
    for name, export in sorted(spec.export.items()):
        null = f"set export.{name} to null"
        if export.format in ALONE and method.plain_lora == "no":
            other = "export it as merged" if method.mergeable else null
            yield f"export.{name}: format {export.format} carries the adapter as plain LoRA, which {method.name} cannot become\nhint: {other}"
        elif export.format not in ALONE and not method.mergeable:
            folds = f"format {export.format} folds the adapter into the base, and {method.name} cannot be merged"
            yield f"export.{name}: {folds}\nhint: {null}, or choose a method that merges: {merging}"
        if isinstance(export, MergedExport) and export.onto == "dequantized" and method.name != "qlora":
            reason = f"{method.name} is not trained on a quantized base as it stands"
            yield f"export.{name}.onto: dequantized is for method qlora; {reason}\nhint: set it to full"
