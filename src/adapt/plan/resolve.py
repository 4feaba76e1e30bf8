"""Specs and params.yaml to build/resolved/: one section per stage, holding all that the stage may read.

What is pinned here: the base model by digest, the prompt template by text, the stage's code and libraries by digest and
version. So a stage re-runs when something that it depends on changed, and not when a comment did.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from adapt.base.pin import pin
from adapt.errors import InputError, SpecError
from adapt.plan.fingerprint import code_digest, library_versions
from adapt.plan.stages import ENTRIES
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.prompt import FilePrompt, PinnedPrompt, PromptSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.serving import Member, ServingSection
from adapt.spec.resolved.train import TrainSection

_HEADER = "# Written by `adapt stage resolve` from specs/ and params.yaml; do not edit.\n"


def resolve(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> tuple[dict[str, ResolvedAdapter], ServingSection]:
    """Every stage's section. Raises SpecError with every base or template that cannot be pinned."""
    problems: list[str] = []
    adapters = {}
    for name, spec in specs.items():
        try:
            adapters[name] = _resolve_adapter(workspace, name, spec)
        except InputError as error:
            problems.append(f"specs/{name}.yaml: {error}")
    if problems:
        raise SpecError(problems)
    return adapters, _resolve_serving(workspace, specs, params)


def write_resolved(out: Path, adapters: Mapping[str, ResolvedAdapter], serving: ServingSection) -> None:
    """Write one file per adapter and one for the server into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, adapter in adapters.items():
        _write(out / f"{name}.yaml", adapter)
    _write(out / "_serving.yaml", serving)


def plain(section: BaseModel) -> dict[str, Any]:
    """A section as the resolved file holds it: plain values."""
    value: dict[str, Any] = section.model_dump(mode="json")
    return value


def _write(path: Path, model: BaseModel) -> None:
    content = {"serving": plain(model)} if isinstance(model, ServingSection) else plain(model)
    path.write_text(_HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=1000), encoding="utf-8")


def _resolve_adapter(workspace: Workspace, name: str, spec: AdapterSpec) -> ResolvedAdapter:
    base = pin(spec.base, root=workspace.root)
    measured = spec.evaluate.model_copy(update={"gates": ()})
    return ResolvedAdapter(
        corpus=CorpusSection(**_stage("corpus"), corpus=spec.corpus),
        dataset=DatasetSection(**_stage("dataset"), dataset=spec.dataset, base=base, seed=spec.seed),
        train=TrainSection(
            **_stage("train"), base=base, prompt=_pin_prompt(workspace, spec.prompt), lora=spec.lora, train=spec.train, seed=spec.seed
        ),
        evaluate=EvaluateSection(**_stage("evaluate"), base=base, evaluate=measured),
        gate=GateSection(**_stage("gate"), gates=spec.evaluate.gates),
        export={key: ExportSection(**_stage("export"), base=base, export=export) for key, export in sorted(spec.export.items())},
    )


def _resolve_serving(workspace: Workspace, specs: Mapping[str, AdapterSpec], params: Params) -> ServingSection:
    members = {
        name: Member(base=pin(spec.base, root=workspace.root), prompt=_pin_prompt(workspace, spec.prompt), enabled=spec.serving.enabled)
        for name, spec in sorted(specs.items())
    }
    base = pin(params.base, root=workspace.root)
    return ServingSection(**_stage("serving"), server=params.server, base=base, prompt=_pin_prompt(workspace, params.prompt), adapters=members)


def _stage(kind: str) -> dict[str, Any]:
    entry = ENTRIES[kind]
    return {"code": code_digest(entry), "libraries": library_versions(entry)}


def _pin_prompt(workspace: Workspace, prompt: PromptSpec) -> PinnedPrompt:
    template = None
    if isinstance(prompt, FilePrompt):
        path = workspace.root / prompt.path
        try:
            template = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(f"prompt.path: {prompt.path} does not exist", hint="give a Jinja file, relative to the workspace") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"prompt.path: {prompt.path} cannot be read: {error}", hint="save the template as UTF-8 text") from None
    return PinnedPrompt(kind=prompt.kind, system=prompt.system, template=template)
