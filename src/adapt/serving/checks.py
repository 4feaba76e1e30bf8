"""Reasons for which an adapter is not served.

Enters: one adapter with what the spec, its gates and its folder say. Leaves: a sentence, or None when it may be served. vLLM refuses some
adapters when it starts, and then nothing is served; others it takes and quietly serves wrongly or not at all. Both are found here, before.
What vLLM does was read from and run with 0.32 (`vllm.lora.peft_helper`, `vllm.lora.lora_model`).
"""

import json
import re
from collections.abc import Callable

from adapt.artifact.manifest import verify
from adapt.errors import InputError
from adapt.serving.candidate import CONFIG, LORA_TENSOR, TEMPLATE, WEIGHTS, Candidate
from adapt.serving.plugin.numbers import overflow_reason, unproved_reason
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.tensors import read_tensors as read_numbers
from adapt.serving.weights import is_zero
from adapt.spec.methods import MAX_SERVED_RANK, METHODS
from adapt.spec.objectives import OBJECTIVES

PLAIN_INITIALISATIONS = frozenset({"gaussian", "eva", "orthogonal", "mica"})
"""Named initialisations that leave the base as it is. The others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) subtract from it, which a server does not."""
FEATURES = {
    "use_dora": "DoRA",
    "lora_bias": "a bias on lora_B",
    "trainable_token_indices": "trained token embeddings",
    "alora_invocation_tokens": "activation by an invocation text (aLoRA)",
    "layer_replication": "replicated layers",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
    "target_parameters": "adapters on bare parameters",
    "arrow_config": "Arrow routing",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
}
"""Fields of adapter_config.json that, when set, change what the adapter computes in ways that vLLM refuses or does not know."""
HEADS = ("embed_tokens", "lm_head")


Check = Callable[[Candidate], str | None]


def reason_against(candidate: Candidate) -> str | None:
    """Why vLLM does not serve `candidate`, or None. The first reason found: later checks build on earlier ones."""
    return _first_reason(candidate, CHECKS)


def reason_beside_gates(candidate: Candidate) -> str | None:
    """As `reason_against`, whatever the gates said: None for an adapter that only they keep out."""
    others = tuple(check for check in CHECKS if check not in _OF_GATES)
    return _first_reason(candidate, others)


def common_reason_against(candidate: Candidate) -> str | None:
    """Why no engine may serve `candidate`, or None."""
    return _first_reason(candidate, COMMON_CHECKS)


def _first_reason(candidate: Candidate, checks: tuple[Check, ...]) -> str | None:
    try:
        return next((reason for check in checks if (reason := check(candidate)) is not None), None)
    except InputError as error:
        return error.message.replace(f"{candidate.folder}/", "").replace(str(candidate.folder), "its folder")  # reasons reach hashed files


def is_disabled(candidate: Candidate) -> str | None:
    return None if candidate.member.enabled else "serving.enabled is false in its spec"


def is_unjudged(candidate: Candidate) -> str | None:
    """Gates that were not passed leave no verdict behind."""
    try:
        passed = json.loads(candidate.verdict.read_bytes())["passed"] is True
    except (OSError, ValueError, KeyError, TypeError):
        passed = False
    return None if passed else "its gates have not passed"


def has_another_base(candidate: Candidate) -> str | None:
    same = candidate.member.base.digest == candidate.server.base
    return None if same else "it was trained on another base model than the one served (`base` in params.yaml)"


def has_another_prompt(candidate: Candidate) -> str | None:
    same = candidate.member.prompt == candidate.server.prompt
    return (
        None if same else "it was trained with another prompt template than the one served (`prompt` in params.yaml); a vLLM server has one for all"
    )


def is_unfinished(candidate: Candidate) -> str | None:
    """Also compares every file with the adapter's manifest; raises InputError that says what differs."""
    if not candidate.folder.is_dir():
        return "its folder does not exist"
    missing = sorted({CONFIG, TEMPLATE} - set(verify(candidate.folder).files))
    return f"its folder lacks {', '.join(missing)}" if missing else None


def answers_nothing(candidate: Candidate) -> str | None:
    """Reward models, classifiers and embeddings: a server of answers would give those of a model that was never trained to answer."""
    known = OBJECTIVES.get(candidate.objective)
    return None if known is None or known.answers else f"it was trained for objective {known.name}, and answers no questions"


def has_unserved_method(candidate: Candidate) -> str | None:
    """Methods whose adapters are no plain LoRA, by the table of methods."""
    method = METHODS.get(candidate.method or "")
    if method is None or method.vllm == "adapter":
        return None
    way = "; export it with format merged and serve that as a model of its own" if method.vllm == "merged" else ""
    return f"it was trained with {method.name}, and vLLM serves only LoRA adapters beside a base{way}"


def has_no_weights(candidate: Candidate) -> str | None:
    return None if (candidate.folder / WEIGHTS).is_file() else f"its folder lacks {WEIGHTS}"


def is_not_what_was_judged(candidate: Candidate) -> str | None:
    judged = json.loads(candidate.verdict.read_bytes()).get("adapter")
    return None if judged == candidate.digest else "its folder is not the one that its gates judged"


def has_no_configuration(candidate: Candidate) -> str | None:
    try:
        config = candidate.config
    except ValueError:
        return f"{CONFIG} is not JSON"
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        return f"{CONFIG} does not describe a LoRA adapter"
    return None


def has_unserved_feature(candidate: Candidate) -> str | None:
    used = [what for field, what in FEATURES.items() if candidate.config.get(field)]
    return f"it uses {', '.join(used)}, which vLLM does not serve" if used else None


def has_bias(candidate: Candidate) -> str | None:
    bias = candidate.config.get("bias", "none")
    return None if bias == "none" else f"it was trained with bias {bias!r}, and vLLM serves only 'none'"


def has_special_initialisation(candidate: Candidate) -> str | None:
    init = candidate.config.get("init_lora_weights", True)
    if not isinstance(init, str) or init.lower() in PLAIN_INITIALISATIONS:
        return None
    return f"init_lora_weights is {init!r}, which changed the base while training; save it with path_initial_model_for_weight_conversion"


def has_whole_modules(candidate: Candidate) -> str | None:
    modules = candidate.config.get("modules_to_save")
    return f"it replaces whole modules ({', '.join(sorted(modules))}), which vLLM does not serve" if modules else None


def has_bad_rank(candidate: Candidate) -> str | None:
    """Ranks, and the patterns that change rank or alpha from module to module."""
    patterns = [candidate.config.get(field) or {} for field in ("rank_pattern", "alpha_pattern")]
    for pattern in patterns:
        if not isinstance(pattern, dict) or not all(_compiles(key) for key in pattern):
            return f"{CONFIG} holds a rank or alpha pattern that is not a mapping of regular expressions"
    for rank in (candidate.config.get("r"), *patterns[0].values()):
        if not isinstance(rank, int) or rank < 1:
            return f"{CONFIG} names the rank {rank!r}; a whole number from 1 is allowed"
    return f"its rank is {candidate.rank}, and vLLM serves up to {MAX_SERVED_RANK}" if candidate.rank > MAX_SERVED_RANK else None


def has_other_tensors(candidate: Candidate) -> str | None:
    """Full embeddings, magnitudes, embedding adapters: vLLM skips some without a word and stops at others."""
    other = [name for name in candidate.tensors if not LORA_TENSOR.fullmatch(name)]
    return f"{WEIGHTS} holds {_some(other)}, which is no lora_A or lora_B of a linear layer" if other else None


def has_head(candidate: Candidate) -> str | None:
    heads = [module for module in candidate.modules if module.rpartition(".")[2] in HEADS]
    return (
        f"it adapts {_some(heads)}, which only some of vLLM's models allow; leave embedding and output head out of lora.target_modules"
        if heads
        else None
    )


def has_unpaired(candidate: Candidate) -> str | None:
    single = [module for module, sides in candidate.modules.items() if len(sides) != 2]
    return f"lora_A or lora_B is missing for {_some(single)}" if single else None


def has_unknown_modules(candidate: Candidate) -> str | None:
    """vLLM looks at the last part of a module's name only, and quietly ignores a module that the base does not have."""
    weights = candidate.server.weights
    unknown = [module for module in candidate.modules if weights is not None and weights.shape_of(module) is None]
    return f"the base has no {_some(unknown)}" if unknown else None


def has_wrong_shapes(candidate: Candidate) -> str | None:
    """vLLM copies what fits into its buffers: a smaller matrix is served as if it were padded with zeros."""
    for module, sides in sorted(candidate.modules.items()):
        flat = [name for name, tensor in sides.values() if len(tensor.shape) != 2]
        if flat:
            return f"{_some(flat)} is not a matrix"
        rank = candidate.rank_of(module)
        base = candidate.server.weights.shape_of(module) if candidate.server.weights is not None else None
        rows, columns = base if base is not None and len(base) == 2 else (sides["B"][1].shape[0], sides["A"][1].shape[-1])
        if candidate.config.get("fan_in_fan_out") and base is not None:
            rows, columns = columns, rows
        for side, expected in (("A", (rank, columns)), ("B", (rows, rank))):
            name, tensor = sides[side]
            if tensor.shape != expected:
                return f"{name} has the shape {list(tensor.shape)}, and {list(expected)} fits the base and the rank"
    return None


def has_missing_modules(candidate: Candidate) -> str | None:
    """A module that was trained and is not in the file would be served without its adapter."""
    targets = candidate.config.get("target_modules")
    if not candidate.modules:
        return f"{WEIGHTS} adapts no module, so it would change nothing"
    if not isinstance(targets, list):
        return None
    absent = sorted(target for target in targets if not any(_is_target(module, target) for module in candidate.modules))
    if absent:
        return f"{WEIGHTS} holds nothing for the target modules {', '.join(absent)}"
    partial = any(candidate.config.get(field) is not None for field in ("layers_to_transform", "exclude_modules"))
    if partial or candidate.server.weights is None:
        return None
    known = {_without_first(module) for module in candidate.modules} | set(candidate.modules)
    lost = [
        module
        for module in candidate.server.weights.linear_modules()
        if module not in known and any(_is_target(module, target) for target in targets)
    ]
    return f"{WEIGHTS} holds nothing for {_some(lost)}, which the adapter targets" if lost else None


def has_no_effect(candidate: Candidate) -> str | None:
    path = candidate.folder / WEIGHTS
    zero = all(is_zero(path, sides["B"][1]) for sides in candidate.modules.values())
    return "every lora_B is zero, so it would change nothing" if zero else None


def has_unusable_numbers(candidate: Candidate) -> str | None:
    """NaN, infinity, and what the server's number format cannot hold: they spoil the answers of others
    too."""
    with (candidate.folder / WEIGHTS).open("rb") as file:
        try:
            largest = read_numbers(file).largest
        except RefusedError as refusal:
            return str(refusal)
    return overflow_reason(largest, candidate.config, candidate.server.formats)


def has_unproved_numbers(candidate: Candidate) -> str | None:
    return unproved_reason(candidate.numbers, candidate.server.formats)


COMMON_CHECKS: tuple[Check, ...] = (is_disabled, is_unjudged, is_unfinished, answers_nothing, is_not_what_was_judged)
"""What speaks against an adapter whatever engine is asked."""
CHECKS: tuple[Check, ...] = (
    is_disabled,
    is_unjudged,
    has_another_base,
    has_another_prompt,
    is_unfinished,
    answers_nothing,
    has_unserved_method,
    has_no_weights,
    is_not_what_was_judged,
    has_no_configuration,
    has_unserved_feature,
    has_bias,
    has_special_initialisation,
    has_whole_modules,
    has_bad_rank,
    has_other_tensors,
    has_head,
    has_unpaired,
    has_unknown_modules,
    has_wrong_shapes,
    has_missing_modules,
    has_no_effect,
    has_unusable_numbers,
    has_unproved_numbers,
)
"""In the order in which they are asked. Rank and alpha patterns and rsLoRA are no reason: vLLM 0.32 applies them, and the vllm test proves it."""
_OF_GATES = (is_unjudged, is_not_what_was_judged, has_unproved_numbers)
"""Checks that read what the gates left, which is nothing where one was missed."""


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _is_target(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


def _without_first(module: str) -> str:
    return module.partition(".")[2]


def _some(names: list[str]) -> str:
    """The first of the names, and how many more there are."""
    first = min(names)
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
