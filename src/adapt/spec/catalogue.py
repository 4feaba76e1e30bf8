"""docs/methods.md, written from the table of methods."""

from collections.abc import Iterator

from adapt.spec.methods import METHODS, Method

_HEAD = """\
# Training methods

Written by `make generate` from `src/adapt/spec/methods.py`; do not edit. Fields of each method: [spec.md](spec.md), `train`.

`train.method` names one of these. Learning rate, rank and alpha are what an unset `train.learning_rate`, `lora.r` and `lora.lora_alpha` stand for.

- **vLLM** `adapter`: beside others on one base, hot-swappable; `merged`: as a model of its own, from an export; `no`: neither.
- **onnxruntime** serves what can be merged, from an export with `format: onnx`.
- **transformers** `peft`: the folder is a peft adapter; `adapt chat`: the folder is safetensors and a config of this project, loaded by
  `adapt.adapter.load`. Merged exports are ordinary model folders in every case.
- **plain LoRA**: whether the folder is an ordinary LoRA adapter; `converted on saving` holds for the base as it was before training, exactly in
  float32, and but for one rounding of the base's weights in fewer bits. `loftq` is off by what its first decomposition left of the
  quantization error.
- An export with `format: merged`, `quantized` or `onnx` of a method that does not merge is refused when specs are checked.
"""


def methods_text() -> str:
    """The table as Markdown."""
    return "\n".join([_HEAD, *_capabilities(), "", "## Defaults", "", *_defaults()]) + "\n"


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
    yield "| method | learning rate | r | alpha | read of section `lora` |"
    yield "| --- | --- | --- | --- | --- |"
    for method in METHODS.values():
        rank = str(method.rank) if method.rank is not None else ""
        yield f"| `{method.name}` | {method.learning_rate:g} | {rank} | {_alpha(method)} | {', '.join(method.reads) or 'nothing'} |"


def _alpha(method: Method) -> str:
    if "lora_alpha" not in method.reads:
        return ""
    return "r" if method.scaling == 1 else f"{method.scaling:g} r"
