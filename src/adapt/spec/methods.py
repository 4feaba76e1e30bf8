"""What each training method is and can do: the one table that defaults, validation, documentation, serving and advice are drawn from.

Pure data, no heavy import. A method that is added here needs a model in `adapt.spec.train` and a family in `adapt.adapter.methods`; tests hold
the three against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stored = Literal["peft", "adapt"]
Needs = Literal["nothing", "biases", "experts", "full attention"]
Keeps = Literal["nothing", "inputs", "float32 inputs", "float32 inputs and outputs", "inputs of what is trained"]
LORA_FIELDS = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora")
MAX_SERVED_RANK = 512
"""Largest rank that vLLM has kernels for."""


@dataclass(frozen=True)
class Method:
    """One training method."""

    name: str
    trains: str
    """What changes, in words."""
    learning_rate: float
    """A good peak learning rate with AdamW."""
    paper: str | None = None
    """arXiv id."""
    stored: Stored = "peft"
    """Whose format the adapter folder has."""
    mergeable: bool = True
    """Whether it folds into the base's own weights."""
    plain_lora: Literal["is", "converted on saving", "no"] = "no"
    """Whether its folder is a plain LoRA adapter, which vLLM serves beside one base."""
    quantized_base: bool = False
    """Whether the base is quantized while training."""
    continues: bool = True
    """Whether what it saves can be trained further, by itself."""
    shares_base: bool = True
    """Whether several trainings may use one base in memory; those that change its weights may not."""
    shares_passes: bool = False
    """Whether several trainings may share forward passes over one base."""
    keeps: Keeps = "nothing"
    """What a forward pass keeps of the linear layers for the backward pass, beside what a frozen base keeps: decides on memory."""
    min_records: int = 0
    """Training records from which it has enough to learn from."""
    needs: Needs = "nothing"
    """What the base must have."""
    reads: tuple[str, ...] = ()
    """Fields of section `lora` that it reads."""
    rank: int | None = None
    """A good `lora.r`."""
    scaling: float = 2.0
    """A good `lora.lora_alpha`, as a multiple of the rank."""
    saved_ranks: int = 1
    """Rank of the saved adapter, as a multiple of `lora.r`."""

    @property
    def vllm(self) -> Literal["adapter", "merged", "no"]:
        """How vLLM serves it: beside others on one base, as a model of its own after merging, or not."""
        return "adapter" if self.plain_lora != "no" else self.onnxruntime

    @property
    def onnxruntime(self) -> Literal["merged", "no"]:
        """How onnxruntime serves it."""
        return "merged" if self.mergeable else "no"

    @property
    def transformers(self) -> str:
        """How transformers serves it without merging."""
        return "peft" if self.stored == "peft" else "`adapt chat`"


_ALL = LORA_FIELDS
_NO_RSLORA = ("r", "lora_alpha", "lora_dropout", "target_modules")
_NO_DROPOUT = ("r", "lora_alpha", "target_modules")
_TABLE = (
    Method("full", "every weight", 1e-5, stored="adapt", shares_base=False, keeps="inputs of what is trained", min_records=50_000),
    Method("freeze", "every weight of the last layers, or of named modules", 2e-5, stored="adapt", shares_base=False,
           keeps="inputs of what is trained", min_records=5_000),
    Method("lora", "low-rank updates of linear layers", 2e-4, "2106.09685", plain_lora="is", reads=_ALL, rank=16, shares_passes=True, keeps="inputs"),
    Method("qlora", "low-rank updates over a base in 4 or 8 bits", 2e-4, "2305.14314", plain_lora="is", quantized_base=True, reads=_ALL, rank=16,
           keeps="float32 inputs"),
    Method("rslora", "low-rank updates scaled by alpha / sqrt(r)", 1e-4, "2312.03732", plain_lora="is", reads=_NO_RSLORA, rank=32, scaling=1.0,
           shares_passes=True, keeps="inputs"),
    Method("dora", "low-rank updates of directions, and magnitudes", 1e-4, "2402.09353", reads=_ALL, rank=16, keeps="float32 inputs and outputs"),
    Method("lora_plus", "low-rank updates, B at a higher rate than A", 1e-4, "2402.12354", plain_lora="is", reads=_ALL, rank=16,
           shares_passes=True, keeps="inputs"),
    Method("pissa", "the principal singular directions of linear layers", 1e-4, "2404.02948", plain_lora="converted on saving", reads=_ALL, rank=16,
           scaling=1.0, saved_ranks=2, shares_base=False, keeps="inputs", continues=False),
    Method("olora", "low-rank updates from an orthonormal start", 1e-4, "2406.01775", plain_lora="converted on saving", reads=_ALL, rank=16,
           scaling=1.0, saved_ranks=2, shares_base=False, keeps="inputs", continues=False),
    Method("loftq", "low-rank updates that begin as the base's quantization error", 2e-4, "2310.08659", plain_lora="converted on saving",
           quantized_base=True, reads=_NO_RSLORA, rank=16, scaling=1.0, saved_ranks=2, keeps="float32 inputs", continues=False),
    Method("eva", "low-rank updates along the directions of the data's activations", 2e-4, "2410.07170", plain_lora="converted on saving",
           reads=_ALL, rank=16, scaling=1.0, shares_passes=True, keeps="inputs", continues=False),
    Method("adalora", "low-rank updates whose ranks move to where they matter", 1e-3, "2303.10512", plain_lora="converted on saving",
           reads=_NO_RSLORA, rank=8, keeps="float32 inputs", min_records=2_000, continues=False),
    Method("vera", "scales of fixed random low-rank updates", 4e-3, "2310.11454", plain_lora="converted on saving",
           reads=("r", "lora_dropout", "target_modules"), rank=256, keeps="float32 inputs", continues=False),
    Method("loha", "updates that are Hadamard products of two low-rank ones", 5e-4, "2108.06098", reads=_NO_DROPOUT, rank=8, keeps="float32 inputs"),
    Method("lokr", "updates that are Kronecker products", 5e-4, "2309.14859", reads=_NO_DROPOUT, rank=8, keeps="float32 inputs"),
    Method("moe_lora", "low-rank updates of experts and of linear layers", 1e-4, "2106.09685", needs="experts",
           reads=("r", "lora_alpha", "target_modules", "use_rslora"), rank=8, keeps="inputs"),
    Method("longlora", "low-rank updates, with shifted sparse attention while training", 1e-4, "2309.12307", plain_lora="is",
           needs="full attention", reads=_ALL, rank=16, keeps="inputs"),
    Method("galore", "every weight, with optimiser states of low rank", 1e-5, "2403.03507", stored="adapt", shares_base=False,
           keeps="inputs of what is trained", min_records=50_000),
    Method("houlsby", "bottleneck layers after attention and feed-forward", 3e-4, "1902.00751", stored="adapt", mergeable=False),
    Method("pfeiffer", "bottleneck layers after feed-forward", 3e-4, "2005.00247", stored="adapt", mergeable=False),
    Method("parallel", "bottleneck layers beside feed-forward", 3e-4, "2110.04366", stored="adapt", mergeable=False),
    Method("ia3", "scales of keys, values and feed-forward activations", 3e-3, "2205.05638"),
    Method("ln_tuning", "the weights of normalisation layers", 1e-3, "2312.11420"),
    Method("prompt_tuning", "embeddings of virtual tokens before the prompt", 3e-2, "2104.08691", mergeable=False),
    Method("prefix_tuning", "keys and values before the prompt, through an encoder", 1e-3, "2101.00190", mergeable=False, continues=False),
    Method("p_tuning", "embeddings of virtual tokens, through an encoder", 1e-3, "2103.10385", mergeable=False, continues=False),
    Method("p_tuning_v2", "keys and values before the prompt, directly", 5e-3, "2110.07602", mergeable=False),
    Method("bitfit", "the biases", 4e-4, "2106.10199", stored="adapt", needs="biases", shares_base=False),
)  # fmt: skip
METHODS: Mapping[str, Method] = {method.name: method for method in _TABLE}
"""Every method by name, in the order in which they are shown."""


def fitting_instead(need: Needs) -> str:
    """Methods that ask less of a base, for messages: those that need nothing."""
    return ", ".join(method.name for method in _TABLE if method.needs == "nothing" and method.name != need)


def settled_lora(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Section `lora` as `method` reads it: unread fields left out, and the method's own rank and scaling where none is given."""
    known = METHODS[method]
    kept = {name: value for name, value in given.items() if name in known.reads or name not in LORA_FIELDS}
    if "r" in known.reads and kept.get("r") is None:
        kept["r"] = known.rank
    if "lora_alpha" in known.reads and kept.get("lora_alpha") is None and isinstance(kept["r"], int):
        kept["lora_alpha"] = max(1, round(known.scaling * kept["r"]))
    return kept
