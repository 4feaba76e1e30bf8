"""manifest.json: what an output folder holds and what it was made from. Its presence means that the folder is complete."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from adapt.artifact.digest import digest_files, digest_value
from adapt.errors import InputError
from adapt.spec.resolved.stage import StageSection

MANIFEST = "manifest.json"
SCHEMA = 1


class Manifest(BaseModel):
    """Contents of manifest.json. No times, host names or absolute paths: equal builds give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    section: str
    """Digest of the stage's section: settings, code and libraries."""
    inputs: dict[str, str]
    """Digests of what the stage read, by label."""
    libraries: dict[str, str]
    seed: int | None
    files: dict[str, str]
    """SHA-256 of every other file, by relative path."""


def section_digest(section: StageSection) -> str:
    """Digest of everything that a section says."""
    return digest_value(section.model_dump(mode="json"))


def write_manifest(folder: Path, *, section: StageSection, inputs: Mapping[str, str], seed: int | None) -> None:
    """Write the manifest of `folder`, which must be complete but for it."""
    manifest = Manifest(
        schema_version=SCHEMA,
        section=section_digest(section),
        inputs=dict(inputs),
        libraries=section.libraries,
        seed=seed,
        files=digest_files(folder),
    )
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished output. Raises InputError when there is none or it cannot be read."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder} is not a finished output: it has no {MANIFEST}", hint="build it with `adapt build`") from None
    except ValidationError as error:
        raise InputError(f"{folder / MANIFEST} cannot be read: {error.errors()[0]['msg']}", hint="delete the folder and build it again") from None


def verify(folder: Path) -> Manifest:
    """The manifest of `folder`, after every file was compared with it. Raises InputError that names what differs."""
    manifest = read_manifest(folder)
    found = {name: digest for name, digest in digest_files(folder).items() if name != MANIFEST}
    differing = sorted(name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name))
    if differing:
        raise InputError(f"{folder} differs from its manifest: {', '.join(differing[:5])}", hint="delete the folder and build it again")
    return manifest
