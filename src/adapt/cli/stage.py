"""`adapt stage`: runs one stage on its resolved section. DVC calls these; a person can, to see one stage alone."""

import json
import os
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from pydantic import TypeAdapter, ValidationError

from adapt.artifact.process import die_with_parent
from adapt.artifact.progress import Progress, progress_for_terminal
from adapt.cli.context import all_specs, open_workspace
from adapt.errors import WorkspaceError
from adapt.plan.runs import recorded
from adapt.plan.stages import SERVING, Stage, split_item
from adapt.plan.workspace import Workspace
from adapt.spec.base import HubBase, PathBase, PinnedBase
from adapt.spec.engine import EngineSpec
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.serving import ServingSection
from adapt.spec.resolved.stage import StageSection
from adapt.spec.resolved.train import TrainSection
from adapt.spec.synthesis import LocalTeacher

if TYPE_CHECKING:
    from adapt.dataset.synthesis.teacher import Teacher
    from adapt.engine.engine import Engine

_SECTIONS: dict[str, type[StageSection]] = {
    "corpus": CorpusSection,
    "dataset": DatasetSection,
    "train": TrainSection,
    "evaluate": EvaluateSection,
    "gate": GateSection,
    "export": ExportSection,
    "serving": ServingSection,
}


@click.command("stage")
@click.argument("kind", type=click.Choice(["resolve", *_SECTIONS]))
@click.argument("item", required=False, default="")
def stage_command(kind: str, item: str) -> None:
    """Run the stage KIND for ITEM: an adapter's name, or <adapter>-<export> for an export."""
    if bool(item) == (kind in ("resolve", "serving")):
        raise click.UsageError(f"stage {kind} takes {'no item' if item else 'an item'}")
    die_with_parent()
    _spin_briefly()
    workspace = open_workspace()
    if kind == "resolve":
        _resolve(workspace)
        return
    stage = SERVING if kind == "serving" else split_item(kind, item)
    section = _read_section(workspace, stage)
    with recorded(workspace, stage.name) as figures:
        figures.update(_figures(_run(workspace, stage, section, progress_for_terminal())))


def _spin_briefly() -> None:
    """Let OpenMP threads that wait for each other give up the core soon; must be set before torch is loaded.

    By default they spin for long. Where another program wants a core too, training was seen to slow down eightfold; alone on the
    machine, spinning briefly was as fast as spinning long (docs/benchmarks.md).
    """
    if not {"OMP_WAIT_POLICY", "KMP_BLOCKTIME"} & set(os.environ):
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def _resolve(workspace: Workspace) -> None:
    from adapt.plan.index import check_index
    from adapt.plan.resolve import resolve, write_resolved
    from adapt.spec.load import load_params

    specs = all_specs(workspace)
    check_index(workspace, specs)
    params = load_params(workspace.root)
    adapters, serving = resolve(workspace, specs, params)
    write_resolved(workspace.resolved, adapters, serving, params.engine)


def _read_section(workspace: Workspace, stage: Stage) -> StageSection:
    path = stage.resolved(workspace)
    try:
        content = _read_yaml(path)
        for part in stage.section:
            content = content[part]
        return _SECTIONS[stage.kind].model_validate(content)
    except (KeyError, TypeError, ValidationError):
        raise WorkspaceError(f"{path} holds no usable section for {stage.name}", hint="run `adapt stage resolve`, or `adapt build`") from None


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError):
        raise WorkspaceError(f"{path} is missing or broken", hint="run `adapt stage resolve`, or `adapt build`") from None


def _run(workspace: Workspace, stage: Stage, section: StageSection, progress: Progress) -> Any:
    """Call the room of `stage`."""
    out, name = stage.out(workspace), stage.adapter
    if isinstance(section, CorpusSection):
        return _clean(workspace, stage, section, progress)
    if isinstance(section, DatasetSection):
        return _make_dataset(workspace, stage, section, progress)
    if isinstance(section, TrainSection):
        from adapt.adapter.train import train

        base = _base(workspace, section.base, progress)
        work = workspace.work(stage.name)
        return train(section, inputs=workspace.dataset(name), base=base, out=out, curves=workspace.curves(name), work=work, progress=progress)
    if isinstance(section, EvaluateSection):
        return _evaluate(workspace, name, section, out, progress)
    if isinstance(section, GateSection):
        from adapt.evaluate.judge import judge

        return judge(section, inputs=workspace.evaluation(name), out=out, progress=progress)
    if isinstance(section, ExportSection):
        from adapt.export.export import ExportInputs, export

        base = _base(workspace, section.base, progress)
        return export(
            section, inputs=ExportInputs(adapter=workspace.adapter(name), dataset=workspace.dataset(name), base=base), out=out, progress=progress
        )
    if isinstance(section, ServingSection):
        return _render(workspace, section, out, progress)
    raise AssertionError(stage.kind)


def _clean(workspace: Workspace, stage: Stage, section: CorpusSection, progress: Progress) -> Any:
    from adapt.corpus.build import build

    raw, cache = workspace.raw(stage.adapter, section.corpus.path), workspace.increments(stage.name)
    with _engine(workspace) as engine:
        return build(section, inputs=raw, out=stage.out(workspace), progress=progress, engine=engine, root=workspace.root, cache=cache)


def _make_dataset(workspace: Workspace, stage: Stage, section: DatasetSection, progress: Progress) -> Any:
    from adapt.dataset.build import build

    base, name = _base(workspace, section.base, progress), stage.adapter
    with _engine(workspace) as engine:
        return build(
            section,
            inputs=workspace.corpus(name),
            tokenizer=base,
            out=stage.out(workspace),
            progress=progress,
            engine=engine,
            root=workspace.root,
            teacher=_teacher(section, base),
            cache=workspace.increments(stage.name),
        )


def _teacher(section: DatasetSection, base: Path) -> "Teacher | None":
    """Who writes for synthesis and augmentation; loaded by name, since only a section that asks for one stands for its code."""
    spec = section.dataset.teacher
    if spec is None or section.dataset.taught is None:
        return None
    if isinstance(spec, LocalTeacher):
        teacher: Teacher = import_module("adapt.base.teacher").LocalTeacher(base, digest=section.base.digest, max_tokens=spec.max_tokens)
    else:
        teacher = import_module("adapt.dataset.synthesis.openai").OpenAITeacher(spec)
    return teacher


def _engine(workspace: Workspace) -> "AbstractContextManager[Engine]":
    """The engine of params.yaml, as `resolve` wrote it down."""
    from adapt.engine.engine import open_engine

    return open_engine(TypeAdapter[EngineSpec](EngineSpec).validate_python(_read_yaml(workspace.engine)))


def _base(workspace: Workspace, base: PinnedBase, progress: Progress) -> Path:
    from adapt.base.prepare import prepare

    return prepare(base, root=workspace.root, cache=workspace.cache, progress=progress)


def _evaluate(workspace: Workspace, name: str, section: EvaluateSection, out: Path, progress: Progress) -> Any:
    from adapt.evaluate.build import EvaluateInputs, build

    base = _base(workspace, section.base, progress)
    report = build(
        section, inputs=EvaluateInputs(adapter=workspace.adapter(name), dataset=workspace.dataset(name), base=base), out=out, progress=progress
    )
    metrics = workspace.metrics(name)
    metrics.parent.mkdir(exist_ok=True)
    metrics.write_bytes((out / "metrics.json").read_bytes())  # DVC shows metrics from a file of their own
    return report


def _render(workspace: Workspace, section: ServingSection, out: Path, progress: Progress) -> Any:
    from adapt.serving.render import ServingInputs, render

    source = section.base.source
    folder = None if isinstance(source, HubBase) else _base(workspace, section.base, progress)
    if isinstance(source, HubBase):
        model = source.model
    elif isinstance(source, PathBase) and Path(source.path).is_absolute():
        model = source.path
    else:  # relative to dist/vllm, so that the rendered bytes do not depend on where the workspace lies
        model = f"../../{_relative(workspace, folder)}"
    workspace.gates.mkdir(parents=True, exist_ok=True)
    inputs = ServingInputs(gates=workspace.gates, adapters=workspace.root / "adapters", base=model, base_folder=folder)
    return render(section, inputs=inputs, out=out, progress=progress)


def _relative(workspace: Workspace, folder: Path | None) -> str:
    if folder is None:
        raise AssertionError("only a hub model has no folder")
    return folder.relative_to(workspace.root).as_posix()


def _figures(report: Any) -> dict[str, Any]:
    """A report's figures as plain JSON values."""
    fields = report.model_dump(mode="json") if hasattr(report, "model_dump") else vars(report)
    return {str(key): value for key, value in json.loads(json.dumps(fields, default=str)).items()}
