"""Adapters that passed their gates to a folder that a vLLM server starts from.

Enters: the verdicts of the gates, the adapters, and the base model's name and shapes. Leaves: serve.yaml,
start.sh, server.env, the chat template, copies of the adapters in folders named by content, the server's
plugin with the facts that it checks, models.json, a README, and files for docker, Kubernetes and systemd.
An adapter that cannot be served is left out with its reason and is no error for the others; when none
remains, the base is served alone. One that only its gates keep out leaves a slot, and its chat template
where no other has one, to the version that served before: that goes on serving until it is replaced or
disabled.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.artifact.digest import MANIFEST
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.errors import InputError
from adapt.serving.bundle import write_plugin
from adapt.serving.candidate import CONFIG, TEMPLATE, WEIGHTS, Candidate, Served
from adapt.serving.checks import reason_against, reason_beside_gates
from adapt.serving.declared import adapter_facts, server_facts
from adapt.serving.launch import environment, is_loopback, models_file, readme, start_script, variables
from adapt.serving.options import Offer, Option, lora_options, option_problems, prompt_options, server_options, write_options
from adapt.serving.platforms import write_platform_files
from adapt.serving.plugin.numbers import choose_formats
from adapt.serving.verdicts import as_plain, verdicts
from adapt.serving.weights import BaseWeights
from adapt.spec.base import HubBase
from adapt.spec.resolved.serving import ServingSection

log = logging.getLogger(__name__)
DIGEST_DIGITS = 12
"""Hex digits of the content's digest in a served name: enough that two builds of an adapter never share one."""
VERDICT = "passed.json"
GENERATION = "generation_config.json"


@dataclass(frozen=True)
class ServingInputs:
    """What the server is made from."""

    gates: Path
    """Folder with `<name>/passed.json` of each adapter that passed its gates."""
    adapters: Path
    """Folder with `<name>/` of each adapter."""
    base: str
    """The model as vLLM is told: a folder relative to the output, or an id on the hub."""
    base_folder: Path | None
    """Folder of the prepared base, to hold adapters against; None when it is not at hand."""


@dataclass(frozen=True)
class ServingReport:
    """What is served, and what is not."""

    served: tuple[Offer, ...]
    left_out: dict[str, str]
    """Adapter to the reason for which it is not served."""
    max_loras: int
    """Adapter slots of the server; 0 when only the base is served."""
    max_lora_rank: int
    """Rank of each slot; 0 when only the base is served."""
    shapes_checked: bool
    """Whether the adapters' shapes were held against the base."""


def render(section: ServingSection, *, inputs: ServingInputs, out: Path, progress: Progress) -> ServingReport:
    """Write the folder `out`. Raises InputError when `server.max_model_len` is longer than the base allows, or the base is unreadable."""
    weights = BaseWeights(inputs.base_folder) if inputs.base_folder is not None else None
    _check_length(section, weights)
    _warn_about_exposure(section.server.host)
    with staged(out, section=section, inputs={"gates": inputs.gates, "adapters": inputs.adapters}) as folder:
        chosen, reserved, left_out, judged = _choose(section, inputs, weights, progress)
        offers = tuple(_copy(candidate, folder, inputs.base_folder) for candidate in chosen)
        prompt = _write_prompt(chosen or reserved, folder)
        options = lora_options([*offers, *map(_make_offer, reserved)])
        lora = {key: value for key, value, _ in options}
        slots, rank = lora.get("max-loras", 0), lora.get("max-lora-rank", 0)
        facts = server_facts(
            section,
            model=inputs.base,
            base=inputs.base_folder,
            weights=weights,
            slots=slots,
            rank=rank,
            folder=folder,
        )
        _write_launch_files(section, inputs.base, offers, left_out, [*prompt, *options], folder)
        _write_json(folder / "server.json", facts)
        _write_json(folder / "verdicts.json", judged)
        write_plugin(folder / "plugin")
    return ServingReport(
        served=offers,
        left_out=left_out,
        max_loras=slots,
        max_lora_rank=rank,
        shapes_checked=weights is not None,
    )


def _choose(
    section: ServingSection, inputs: ServingInputs, weights: BaseWeights | None, progress: Progress
) -> tuple[list[Candidate], list[Candidate], dict[str, str], dict[str, Any]]:
    """The adapters to serve, sorted by name; those that only their gates keep out; the reasons; every
    engine's verdict on each.

    Those in the second list get a slot: an earlier version of theirs may serve, and goes on serving.
    """
    formats = choose_formats(section.server.dtype, weights.dtype if weights is not None else None)
    server = Served(base=section.base.digest, prompt=section.prompt, weights=weights, formats=formats)
    chosen: list[Candidate] = []
    reserved: list[Candidate] = []
    left_out: dict[str, str] = {}
    judged: dict[str, Any] = {}
    with progress.task("adapters", total=len(section.adapters)) as task:
        for name, member in sorted(section.adapters.items()):
            candidate = Candidate(name, member, folder=inputs.adapters / name, verdict=inputs.gates / name / VERDICT, server=server)
            reason = reason_against(candidate)
            if reason is None and chosen and candidate.template != chosen[0].template:
                reason = f"its chat template differs from that of {chosen[0].name}; a vLLM server has one for all"
            if reason is None:
                chosen.append(candidate)
            else:
                left_out[name] = reason
                if member.enabled and candidate.verdict.is_file():
                    log.warning("%s passed its gates and is not served: %s", name, reason)
                if reason_beside_gates(candidate) is None:
                    reserved.append(candidate)
            judged[name] = as_plain(verdicts(candidate, reason))
            task.advance()
    return chosen, reserved, left_out, judged


def _make_offer(candidate: Candidate) -> Offer:
    served_name = f"{candidate.name}@{candidate.digest[:DIGEST_DIGITS]}"
    path = f"adapters/{served_name}"
    return Offer(candidate.name, served_name, path=path, rank=candidate.rank, digest=candidate.digest)


def _copy(candidate: Candidate, folder: Path, base: Path | None) -> Offer:
    offer = _make_offer(candidate)
    copy = folder / offer.path
    copy.mkdir(parents=True)
    for name in (WEIGHTS, CONFIG, MANIFEST):
        shutil.copyfile(candidate.folder / name, copy / name)
    _write_json(copy / "adapter.json", adapter_facts(candidate, base=base))
    return offer


def _write_prompt(chosen: Sequence[Candidate], folder: Path) -> list[Option]:
    """Write the chat template and the tokens that end an answer, both as in training.

    A template may end a turn with a token that the base does not end its answers with; vLLM would then write on until the limit of tokens.
    It reads further end tokens from generation_config.json alone.
    """
    if not chosen:
        return prompt_options(template=None, generation="vllm")
    (folder / TEMPLATE).write_bytes(chosen[0].template)
    ends = chosen[0].end_token_ids
    if ends:
        (folder / GENERATION).write_text(json.dumps({"eos_token_id": ends}) + "\n", encoding="utf-8")
    return prompt_options(template=TEMPLATE, generation="." if ends else "vllm")


def _write_launch_files(
    section: ServingSection,
    base: str,
    offers: Sequence[Offer],
    left_out: dict[str, str],
    further: Sequence[Option],
    folder: Path,
) -> None:
    """`further` are the options of the prompt and of the adapters."""
    source = section.base.source
    hub = source if isinstance(source, HubBase) and base == source.model else None
    options = [
        *server_options(section.server, model=base, revision=hub.revision if hub is not None else None),
        *further,
    ]
    disabled = [name for name, member in section.adapters.items() if not member.enabled]
    serve = write_options(options)
    problems = option_problems(serve)
    assert not problems, problems
    files = {
        "serve.yaml": serve,
        "server.env": environment(section.server, offline=hub is None),
        "start.sh": start_script(None if hub is not None else base),
        "models.json": models_file(offers, left_out, disabled, base_digest=section.base.digest),
        "README.md": readme(section.server, offers),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "start.sh").chmod(0o755)
    set_there = variables(section.server, offline=hub is None)
    write_platform_files(folder / "deploy", section.server, model=base, variables=set_there, offers=offers)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _check_length(section: ServingSection, weights: BaseWeights | None) -> None:
    positions = weights.positions if weights is not None else None
    if positions is not None and section.server.max_model_len > positions:
        raise InputError(
            f"params.yaml: server.max_model_len is {section.server.max_model_len}, and the base model has {positions} positions",
            hint=f"set server.max_model_len to {positions} or less",
        )


def _warn_about_exposure(host: str) -> None:
    if not is_loopback(host):
        log.warning("server.host is %s: anyone who reaches this address may send requests; make API keys with `adapt keys client NAME`", host)
