import json
from pathlib import Path

from adapt.spec.adapter import AdapterSpec, Params
from adapt.spec.catalogue import methods_text
from adapt.spec.methods import METHODS
from adapt.spec.reference import reference_text
from adapt.spec.schema import schema_text

ROOT = Path(__file__).parents[2]


def test_spec_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "spec.md").read_text(encoding="utf-8") == reference_text(), "run `make generate`"


def test_the_table_of_methods_is_up_to_date() -> None:
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == methods_text(), "run `make generate`"


def test_schemas_are_up_to_date() -> None:
    assert (ROOT / "specs" / "_schema.json").read_text(encoding="utf-8") == schema_text(), "run `make generate`"
    assert (ROOT / "specs" / "_params_schema.json").read_text(encoding="utf-8") == schema_text(params=True), "run `make generate`"


def test_every_field_is_documented() -> None:
    undocumented: list[str] = []

    def walk(schema: dict[str, object], where: str) -> None:
        for name, field in schema.get("properties", {}).items():  # type: ignore[union-attr]
            if "description" not in field and "$ref" not in field:  # a reference shows the description of what it refers to
                undocumented.append(f"{where}.{name}")

    for model in (AdapterSpec, Params):
        schema = model.model_json_schema()
        walk(schema, model.__name__)
        for name, definition in schema["$defs"].items():
            walk(definition, name)
    assert undocumented == []


def test_schema_offers_the_choices_of_a_union() -> None:
    schema = json.loads(schema_text())
    assert set(schema["properties"]["train"]["discriminator"]["mapping"]) == set(METHODS)
    assert schema["additionalProperties"] is False
