"""Every pattern of a field is told in words."""

import re
from collections.abc import Iterator
from typing import Any

from adapt.spec.adapter import Params
from adapt.spec.patterns import FORMS


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a JSON Schema, of keys and of values."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            elif key == "patternProperties":
                yield from value
            yield from patterns(value)
    elif isinstance(schema, list):
        for entry in schema:
            yield from patterns(entry)


def test_every_pattern_of_a_field_has_words_and_no_words_are_left_over() -> None:
    assert set(patterns(Params.model_json_schema())) == set(FORMS)


def test_words_show_no_pattern() -> None:
    for form in FORMS.values():
        assert not re.search(r"\[.-|\^|\$\||\\\\", f"{form.expected} {form.hint}"), form
