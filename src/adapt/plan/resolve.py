"""Specs and params.yaml to build/resolved/: one section per stage, holding all that the stage may read.

What is pinned here: the base model by digest, the prompt template by text, the stage's code and libraries by digest and
version. So a stage re-runs when something that it depends on changed, and not when a comment did.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import scrypt
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from adapt.artifact.digest import digest_file
from adapt.artifact.digest_store import digests_remembered
from adapt.base.embedding import pin_embedding
from adapt.base.pin import pin
from adapt.errors import InputError, Problem, SpecError, naming_file
from adapt.plan.fingerprint import remembered
from adapt.plan.pins import pin_local_sources
from adapt.plan.repro import read_lock_file
from adapt.plan.runtime import runtime_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.base import PinnedBase
from adapt.spec.engine import EngineSpec
from adapt.spec.export import ExportSpec, MergedExport
from adapt.spec.low_rank_train import QloraTrain
from adapt.spec.problems import nearest
from adapt.spec.prompt import FilePrompt, PinnedPrompt, PromptSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection, QuantizedBase
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.serving import Member, ServingSection
from adapt.spec.resolved.train import TrainSection
from adapt.spec.trackers import TrackersSpec

_HEADER = "# Written by `adapt stage resolve` from specs/ and params.yaml; do not edit.\n"


def resolve(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> tuple[dict[str, ResolvedAdapter], ServingSection]:
    """Every stage's section. Raises SpecError with every base or template that cannot be pinned."""
    problems: list[Problem] = []
    adapters = {}
    with remembered(workspace.fingerprints), digests_remembered(workspace.digests):
        for name, spec in specs.items():
            try:
                adapters[name] = resolve_adapter(workspace, name, spec)
            except InputError as error:
                found = path_problems(workspace, spec) or [str(error)]
                problems += [Problem.of_text(f"specs/{name}.yaml", problem) for problem in found]
        if problems:
            raise SpecError(problems)
        return adapters, _resolve_serving(workspace, specs, params)


def path_problems(workspace: Workspace, spec: AdapterSpec) -> list[str]:
    """Every base, template, evaluation set and embedding model of a spec that is not there: `field: message`,
    with a hint on a line of its own."""
    dataset = spec.dataset
    looks: list[Callable[[], object]] = [
        lambda: pin(spec.base, root=workspace.root),
        lambda: _pin_prompt(workspace, spec.prompt),
        *(partial(_pin_evaluation_set, workspace, path) for path in dataset.decontamination.against),
    ]
    if dataset.synthesis and dataset.synthesis.template:
        looks.append(partial(_read_template, workspace, "dataset.synthesis.template", dataset.synthesis.template))
    if dataset.semantic_duplicates:
        looks.append(partial(pin_embedding, dataset.semantic_duplicates, root=workspace.root))
    problems = []
    for look in looks:
        try:
            look()
        except InputError as error:
            problems.append(str(error))
    return problems


def write_resolved(out: Path, adapters: Mapping[str, ResolvedAdapter], serving: ServingSection, engine: EngineSpec, trackers: TrackersSpec) -> None:
    """Write one file per adapter, one for the server, one for the engine and one for the trackers into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, adapter in adapters.items():
        _write(out / f"{name}.yaml", adapter)
    _write(out / "_serving.yaml", serving)
    _write(out / "_engine.yaml", engine)
    _write(out / "_trackers.yaml", trackers)


def plain(section: BaseModel) -> dict[str, Any]:
    """A section as the resolved file holds it: plain values."""
    value: dict[str, Any] = section.model_dump(mode="json")
    return value


def _write(path: Path, model: BaseModel) -> None:
    content = {"serving": plain(model)} if isinstance(model, ServingSection) else plain(model)
    text = _HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=1000)
    with naming_file(path):
        path.write_text(text, encoding="utf-8")


def resolve_adapter(workspace: Workspace, name: str, spec: AdapterSpec) -> ResolvedAdapter:
    """The sections of one adapter's stages. Raises InputError when a base or template cannot be pinned."""
    base = pin(spec.base, root=workspace.root)
    measured, prompt = spec.evaluate.model_copy(update={"gates": ()}), _pin_prompt(workspace, spec.prompt)
    return ResolvedAdapter(
        corpus=_resolve_corpus(workspace, name, spec),
        dataset=_resolve_dataset(workspace, spec, base),
        steps={
            name: TrainSection(**runtime_of("step"), base=base, prompt=prompt, lora=step.lora, train=step.train, seed=spec.seed)
            for name, step in spec.steps.items()
        },
        train=TrainSection(**runtime_of("train"), base=base, prompt=prompt, lora=spec.lora, train=spec.train, seed=spec.seed),
        evaluate=EvaluateSection(**runtime_of("evaluate"), base=base, evaluate=measured),
        gate=GateSection(**runtime_of("gate"), gates=spec.evaluate.gates),
        export={
            key: ExportSection(**runtime_of("export", export), base=base, export=export, trained_on=_trained_on(spec, export))
            for key, export in sorted(spec.export.items())
        },
    )


def _trained_on(spec: AdapterSpec, export: ExportSpec) -> QuantizedBase | None:
    """How training quantized the base, for a merge that does the same."""
    train = spec.train
    if not (isinstance(export, MergedExport) and export.onto == "dequantized" and isinstance(train, QloraTrain)):
        return None
    double = train.quantization_type != "int8" and train.double_quantization is not False
    return QuantizedBase(quantization_type=train.quantization_type, double_quantization=double, dtype=train.dtype)


def _resolve_corpus(workspace: Workspace, name: str, spec: AdapterSpec) -> CorpusSection:
    sources = pin_local_sources(workspace, spec.corpus)
    section = CorpusSection(**runtime_of("corpus", spec.corpus), corpus=spec.corpus, local_sources=sources)
    variable = spec.corpus.pii.pseudonym_key
    if variable is None or "pseudonym" not in spec.corpus.pii.policies().values():
        return section
    key = os.environ.get(variable)
    digest = _key_digest(key) if key else _recorded_key(workspace, name)
    return section.model_copy(update={"pseudonym_key": digest})


@cache
def _key_digest(key: str) -> str:
    """Tells one key from another, and costs too much to try keys out by it (scrypt, RFC 7914)."""
    return scrypt(key.encode("utf-8", "surrogateescape"), salt=b"adapt: key of pseudonyms", n=1 << 14, r=8, p=1, dklen=16).hex()


def _recorded_key(workspace: Workspace, name: str) -> str | None:
    """Digest of the key that the corpus was built with: who does not have the key, has the corpus all the same."""
    recorded: Any = read_lock_file(workspace).get(f"corpus@{name}", {})
    sections = recorded.get("params", {}).get(f"build/resolved/{name}.yaml", {})
    digest = sections.get("corpus", {}).get("pseudonym_key")
    return digest if isinstance(digest, str) else None


def _resolve_dataset(workspace: Workspace, spec: AdapterSpec, base: PinnedBase) -> DatasetSection:
    dataset = spec.dataset
    sets = {path: _pin_evaluation_set(workspace, path) for path in dataset.decontamination.against}
    template = None
    if dataset.synthesis and dataset.synthesis.template:
        template = _read_template(workspace, "dataset.synthesis.template", dataset.synthesis.template)
    return DatasetSection(
        **runtime_of("dataset", dataset),
        dataset=dataset,
        base=base,
        seed=spec.seed,
        evaluation_sets=sets,
        embedding=pin_embedding(dataset.semantic_duplicates, root=workspace.root) if dataset.semantic_duplicates else None,
        template=template,
    )


def _pin_evaluation_set(workspace: Workspace, path: str) -> str:
    file = workspace.root / path
    if not file.is_file():
        raise InputError(f"dataset.decontamination.against: {path} is not a file", hint=_beside(file, "name evaluation sets"))
    return digest_file(file)


def _beside(missing: Path, advice: str) -> str:
    """A hint for a file that is not there: one of nearly that name beside it, else what to give."""
    names = [path.name for path in missing.parent.iterdir()] if missing.parent.is_dir() else []
    guess = nearest(missing.name, names)
    return f"did you mean '{guess}'?" if guess else f"{advice}, relative to the workspace"


def _resolve_serving(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> ServingSection:
    members = {
        name: Member(base=pin(spec.base, root=workspace.root), prompt=_pin_prompt(workspace, spec.prompt), enabled=spec.serving.enabled)
        for name, spec in sorted(specs.items())
    }
    base = pin(params.base, root=workspace.root)
    return ServingSection(**runtime_of("serving"), server=params.server, base=base, prompt=_pin_prompt(workspace, params.prompt), adapters=members)


def _pin_prompt(workspace: Workspace, prompt: PromptSpec) -> PinnedPrompt:
    template = _read_template(workspace, "prompt.path", prompt.path) if isinstance(prompt, FilePrompt) else None
    return PinnedPrompt(
        kind=prompt.kind,
        system=prompt.system,
        template=template,
        date=prompt.date,
        system_without_place=prompt.system_without_place,
    )


def _read_template(workspace: Workspace, field: str, path: str) -> str:
    try:
        return (workspace.root / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{field}: {path} does not exist", hint=_beside(workspace.root / path, "give a Jinja file")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{field}: {path} cannot be read: {error}", hint="save the template as UTF-8 text") from None
