"""JSON Schema of specs and of params.yaml, for editors that complete and check YAML as it is typed."""

import json
from typing import Any

from adapt.spec.adapter import AdapterSpec, Params


def schema_text(*, params: bool = False) -> str:
    """The schema of a spec, or of params.yaml, as it stands in its file."""
    model = Params if params else AdapterSpec
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
