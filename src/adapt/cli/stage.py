"""`adapt stage`: runs one stage on its resolved section. DVC calls these; a person can, to see one stage alone."""

import json
import os
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import TypeAdapter

from adapt.artifact.process import die_with_parent
from adapt.artifact.progress import Progress, progress_for_terminal
from adapt.cli.context import all_specs, inside_build, open_workspace, say_outside_builds, warn_of_idle_defaults
from adapt.cli.cotrain import train_stage
from adapt.cli.sections import SECTIONS, prepared_base, read_section, read_yaml, spin_briefly
from adapt.plan.runs import recorded
from adapt.plan.stages import SERVING, Stage, split_item
from adapt.plan.workspace import Workspace
from adapt.spec.base import HubBase
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

QUANTIZE_PYTHON = "QUANTIZE_PYTHON"
"""Environment variable: the Python of the environment with llm-compressor, where it is not the workspace's own."""


@click.command("stage")
@click.argument("kind", type=click.Choice(["resolve", *SECTIONS]))
@click.argument("item", required=False, default="")
def stage_command(kind: str, item: str) -> None:
    """Run the stage KIND for ITEM: an adapter's name, <adapter>-<export> for an export, or <adapter>-<step> for a step."""
    if bool(item) == (kind in ("resolve", "serving")):
        raise click.UsageError(f"stage {kind} takes {'no item' if item else 'an item'}")
    die_with_parent()
    spin_briefly()
    workspace = open_workspace()
    if kind == "resolve":
        say_outside_builds(f"resolved {len(_resolve(workspace))} specs into {workspace.shown(workspace.resolved)}")
        return
    stage = SERVING if kind == "serving" else split_item(kind, item)
    section = read_section(workspace, stage)
    with recorded(workspace, stage.name) as figures:
        progress = progress_for_terminal()
        with progress.alive(stage.name):
            figures.update(_figures(_run(workspace, stage, section, progress)))
    say_outside_builds(f"built {workspace.shown(stage.out(workspace))}")


def _resolve(workspace: Workspace) -> list[str]:
    """Write build/resolved/; the names of the specs in it."""
    from adapt.plan.index import check_index
    from adapt.plan.resolve import resolve, write_resolved
    from adapt.spec.load import load_params

    specs = all_specs(workspace)
    check_index(workspace, specs)
    if not inside_build():  # `adapt build` has said it, for the specs that it builds
        warn_of_idle_defaults(workspace, list(specs))
    params = load_params(workspace.root)
    adapters, serving = resolve(workspace, specs, params)
    write_resolved(workspace.resolved, adapters, serving, params.engine, params.trackers)
    return list(specs)


def _run(workspace: Workspace, stage: Stage, section: StageSection, progress: Progress) -> Any:
    """Call the room of `stage`."""
    out, name = stage.out(workspace), stage.adapter
    if isinstance(section, CorpusSection):
        return _clean(workspace, stage, section, progress)
    if isinstance(section, DatasetSection):
        return _make_dataset(workspace, stage, section, progress)
    if isinstance(section, TrainSection):
        return train_stage(workspace, stage, section, progress)
    if isinstance(section, EvaluateSection):
        return _evaluate(workspace, name, section, out, progress)
    if isinstance(section, GateSection):
        from adapt.evaluate.judge import judge

        return judge(section, inputs=workspace.evaluation(name), out=out, progress=progress)
    if isinstance(section, ExportSection):
        return _export(workspace, name, section, out, progress)
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

    base, name = prepared_base(workspace, section.base, progress), stage.adapter
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

    return open_engine(TypeAdapter[EngineSpec](EngineSpec).validate_python(read_yaml(workspace.engine)))


def _evaluate(workspace: Workspace, name: str, section: EvaluateSection, out: Path, progress: Progress) -> Any:
    from adapt.evaluate.build import EvaluateInputs, build

    base = prepared_base(workspace, section.base, progress)
    inputs = EvaluateInputs(adapter=workspace.adapter(name), dataset=workspace.dataset(name), base=base, steps=workspace.step(name, ""))
    return build(section, inputs=inputs, out=out, progress=progress, figures=workspace.metrics(name))


def _export(workspace: Workspace, name: str, section: ExportSection, out: Path, progress: Progress) -> Any:
    from adapt.export.export import export
    from adapt.export.forms import ExportInputs

    inputs = ExportInputs(
        adapter=workspace.adapter(name),
        dataset=workspace.dataset(name),
        base=prepared_base(workspace, section.base, progress),
        quantize_python=Path(os.environ.get(QUANTIZE_PYTHON) or workspace.root / ".venv-quantize/bin/python"),
    )
    return export(section, inputs=inputs, out=out, progress=progress)


def _render(workspace: Workspace, section: ServingSection, out: Path, progress: Progress) -> Any:
    from adapt.serving.declared import served_model
    from adapt.serving.render import ServingInputs, render

    source = section.base.source
    folder = None if isinstance(source, HubBase) else prepared_base(workspace, section.base, progress)
    model = served_model(source, folder=folder, root=workspace.root)
    workspace.gates.mkdir(parents=True, exist_ok=True)
    inputs = ServingInputs(gates=workspace.gates, adapters=workspace.root / "adapters", base=model, base_folder=folder)
    return render(section, inputs=inputs, out=out, progress=progress)


def _figures(report: Any) -> dict[str, Any]:
    """A report's figures as plain JSON values."""
    fields = report.model_dump(mode="json") if hasattr(report, "model_dump") else vars(report)
    return {str(key): value for key, value in json.loads(json.dumps(fields, default=str)).items()}
