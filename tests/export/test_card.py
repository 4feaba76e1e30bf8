"""The model card of an export, read as a model hub reads it."""

from pathlib import Path

import pytest
import yaml

from adapt.base.pin import pin
from adapt.export.card import base_licence
from adapt.export.forms import ExportInputs
from adapt.spec.base import BundledBase, PathBase, PinnedBase
from adapt.spec.export import AdapterExport, ExportSpec, GgufExport, MergedExport
from tests.export.conftest import run


@pytest.mark.parametrize("spec", [AdapterExport(format="adapter"), MergedExport(format="merged"), GgufExport(format="gguf", type="f32")])
def test_card_names_base_method_data_and_how_to_load(spec: ExportSpec, inputs: ExportInputs, tmp_path: Path) -> None:
    (inputs.base / "LICENSE").write_text("Do as you like.")
    report = run(spec, inputs, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["pipeline_tag"]) == ("apache-2.0", "text-generation")
    assert spec.format in front["tags"]
    assert front["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert f"# {inputs.adapter.name}, as {spec.format}" in card
    assert "| Method | lora |" in card
    assert "Licences: not stated" in card
    assert f"at {report.parity.positions} positions" in card
    assert str(tmp_path) not in card
    assert (tmp_path / "out" / "LICENSE").read_text() == "Do as you like."


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [a]\n---\n# X", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: llama3.2\n---\n", "llama3.2"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: [a]\n---\n", None),
        ("# No front matter\n\n---\nlicense: mit\n---\n", None),
        ("---\n[broken\n---\n", None),
        (None, None),
    ],
)
def test_licence_is_what_the_base_states(text: str | None, licence: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert base_licence(PinnedBase(source=PathBase(kind="path", path="base"), digest="d"), tmp_path) == licence


def test_bundled_base_is_under_its_own_licence(tmp_path: Path) -> None:
    assert base_licence(pin(BundledBase(), root=tmp_path), tmp_path) == "apache-2.0"
