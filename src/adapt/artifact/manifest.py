"""What an output folder holds, and beside it what it was made from.

`manifest.json` lies in the folder and lists its files: content alone, so that who depends on the folder sees no change where no file of it changed.
`<folder>.provenance.json` stands beside the folder: section, inputs, libraries and seed, for people and for `adapt status`. No stage depends on it.
A folder is finished when both are there and the provenance names the manifest.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from adapt.artifact.digest import MANIFEST, digest_file, digest_files, digest_value
from adapt.errors import InputError
from adapt.spec.resolved.stage import StageSection

PROVENANCE = ".provenance.json"
SCHEMA = 2
T = TypeVar("T", bound=BaseModel)


class Manifest(BaseModel):
    """Contents of manifest.json: equal files give equal bytes, whatever they were made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    files: dict[str, str]
    """SHA-256 of every other file, by relative path."""


class Provenance(BaseModel):
    """What a folder was made from. No times, host names or absolute paths: equal builds give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    content: str
    """SHA-256 of the manifest that it belongs to."""
    section: str
    """Digest of the stage's section: settings, code and libraries."""
    inputs: dict[str, str]
    """Digests of what the stage read, by label."""
    libraries: dict[str, str]
    seed: int | None


def section_digest(section: StageSection) -> str:
    """Digest of everything that a section says."""
    return digest_value(section.model_dump(mode="json"))


def provenance_path(out: Path) -> Path:
    """Where the provenance of the output folder `out` stands."""
    return out.with_name(f"{out.name}{PROVENANCE}")


def write_manifest(folder: Path) -> None:
    """Write the manifest of `folder`, which must be complete but for it."""
    _write(folder / MANIFEST, Manifest(schema_version=SCHEMA, files=digest_files(folder)))


def write_provenance(path: Path, folder: Path, *, section: StageSection, inputs: Mapping[str, str], seed: int | None) -> None:
    """Write to `path` what the folder was made from whose manifest is written."""
    provenance = Provenance(
        schema_version=SCHEMA,
        content=digest_file(folder / MANIFEST),
        section=section_digest(section),
        inputs=dict(inputs),
        libraries=section.libraries,
        seed=seed,
    )
    _write(path, provenance)


def _write(path: Path, model: BaseModel) -> None:
    text = json.dumps(model.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished output. Raises InputError when there is none or it cannot be read."""
    return _read(folder / MANIFEST, Manifest, folder)


def read_provenance(folder: Path) -> Provenance:
    """What the finished output `folder` was made from. Raises InputError when that is not known, or is that of another content."""
    path = provenance_path(folder)
    provenance = _read(path, Provenance, folder)
    if not (folder / MANIFEST).is_file() or digest_file(folder / MANIFEST) != provenance.content:
        raise InputError(f"{path} is not of the files that {folder} holds", hint="build it with `adapt build`")
    return provenance


def _read(path: Path, model: type[T], folder: Path) -> T:
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder} is not a finished output: it has no {path.name}", hint="build it with `adapt build`") from None
    except ValidationError as error:
        raise InputError(f"{path} cannot be read: {error.errors()[0]['msg']}", hint="build it with `adapt build`") from None


def verify(folder: Path, names: Iterable[str] | None = None) -> Manifest:
    """The manifest of `folder`, after every file was compared with it, or only those of `names`. Raises InputError that names what differs."""
    manifest = read_manifest(folder)
    if names is None:
        actual = {name: digest for name, digest in digest_files(folder).items() if name != MANIFEST}
        expected: Mapping[str, str] = manifest.files
    else:
        wanted = list(names)
        actual = {name: digest_file(folder / name) for name in wanted if (folder / name).is_file()}
        expected = {name: manifest.files.get(name, "") for name in wanted}
    differing = sorted(name for name in actual.keys() | expected.keys() if actual.get(name) != expected.get(name))
    if differing:
        raise InputError(f"{folder} differs from its manifest: {', '.join(differing[:5])}", hint="build it with `adapt build`")
    return manifest
