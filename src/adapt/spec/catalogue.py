"""docs/methods.md, written from the tables of methods and objectives."""

from collections.abc import Iterator

from adapt.spec.methods import METHODS, Method
from adapt.spec.objectives import OBJECTIVES, Objective

_HEAD = """\
# Training methods

Written by `make generate` from `src/adapt/spec/methods.py` and `objectives.py`; do not edit. Fields of each method and objective: [spec.md](spec.md),
`train`.

`train.method` names one of these. Learning rate, rank and alpha are what an unset `train.learning_rate`, `lora.r` and `lora.lora_alpha` stand for.

- **vLLM** `adapter`: beside others on one base, hot-swappable; `merged`: as a model of its own, from an export; `no`: neither.
- **onnxruntime** serves what can be merged, from an export with `format: onnx`; and plain LoRA adapters, many on one base, from `onnx_adapters`.
- **transformers** `peft`: the folder is a peft adapter; `adapt chat`: the folder is safetensors and a config of this project, loaded by
  `adapt.adapter.load`. Merged exports are ordinary model folders in every case.
- **plain LoRA**: whether the folder is an ordinary LoRA adapter; `converted on saving` holds for the base as it was before training, exactly in
  float32, and but for one rounding of the base's weights in fewer bits. `loftq` is off by what its first decomposition left of the
  quantization error.
- **records from**: how many records it wants; **keeps of linear layers**: what a forward pass keeps of them for the backward pass, which decides on
  memory. `adapt advise` reads both.
- An export that folds the adapter into the base (`merged`, `quantized`, `onnx`, `gguf`) of a method that does not merge is refused when specs are
  checked, as are those of the adapter alone (`adapter`, `onnx_adapters`, `gguf_adapter`) of a method that is not plain LoRA.
"""


_OBJECTIVES = """\
## Objectives

`train.objective` names one of these; every objective works with every method. The learning rate that an unset `train.learning_rate` stands for is the
method's own times the factor here. How to: [preferences](how-to/train-on-preferences.md), [chains of trainings](how-to/chain-trainings.md).

- **metrics** are what `evaluate.gates` may bound; the default gate is on the first.
- **head**: weights that are saved beside the adapter, in `head.safetensors`.
- What does not **answer** is neither served nor asked questions by checks; what has a head is not exported either, `ppo` excepted.
"""


def methods_text() -> str:
    """The tables as Markdown."""
    return "\n".join([_HEAD, *_capabilities(), "", "## Defaults", "", *_defaults(), "", _OBJECTIVES, *_objectives(), "", _further()]) + "\n"


def _objectives() -> Iterator[str]:
    yield "| objective | minimises | `dataset.form` | rate | head | answers | metrics | default gate | paper |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for objective in OBJECTIVES.values():
        paper = f"[{objective.paper}](https://arxiv.org/abs/{objective.paper})" if objective.paper else ""
        cells = (", ".join(objective.forms), f"{objective.rate:g}", objective.head or "", "yes" if objective.answers else "no")
        measured = (", ".join(objective.metrics), _gate(objective))
        yield f"| `{objective.name}` | {objective.minimises} | {' | '.join((*cells, *measured))} | {paper} |"


def _further() -> str:
    able = ", ".join(name for name, method in METHODS.items() if method.continues)
    return f"`train.start_from` trains a step's adapter further with these methods: {able}. What the others save is no longer what they train."


def _gate(objective: Objective) -> str:
    return f"{objective.metrics[0]} {'beats the base' if objective.minimum is None else f'at least {objective.minimum:g}'}"


def _capabilities() -> Iterator[str]:
    yield "| method | trains | base while training | needs | merges | plain LoRA | vLLM | onnxruntime | transformers | paper |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for method in METHODS.values():
        base = "quantized" if method.quantized_base else "as it is"
        merges, needs = "yes" if method.mergeable else "no", method.needs if method.needs != "nothing" else ""
        paper = f"[{method.paper}](https://arxiv.org/abs/{method.paper})" if method.paper else ""
        cells = (base, needs, merges, method.plain_lora, method.vllm, method.onnxruntime, method.transformers, paper)
        yield f"| `{method.name}` | {method.trains} | {' | '.join(cells)} |"


def _defaults() -> Iterator[str]:
    yield "| method | learning rate | r | alpha | read of section `lora` | records from | keeps of linear layers |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for method in METHODS.values():
        rank = str(method.rank) if method.rank is not None else ""
        reads, records = ", ".join(method.reads) or "nothing", str(method.min_records or "")
        yield f"| `{method.name}` | {method.learning_rate:g} | {rank} | {_alpha(method)} | {reads} | {records} | {method.keeps} |"


def _alpha(method: Method) -> str:
    if "lora_alpha" not in method.reads:
        return ""
    return "r" if method.scaling == 1 else f"{method.scaling:g} r"
