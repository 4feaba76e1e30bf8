"""Changes the settings of a spec in its YAML text, comments and order kept.

Enters: the text of a spec, and the spec as it is in force. Leaves: the text with only those settings changed that differ from the advice.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping
from typing import Any, get_args

from adapt.errors import InputError
from adapt.spec.adapter import AdapterSpec
from adapt.spec.low_rank_train import QloraTrain
from adapt.spec.methods import LORA_FIELDS, METHODS
from adapt.spec.train import TrainSpec

_WIDTH = 150


def differing(settings: Mapping[str, Any], spec: AdapterSpec) -> dict[str, Any]:
    """Those of `settings`, by field path, that the spec in force has otherwise.

    With another method the learning rate is always among them: params.yaml may hold one for that method, which the spec did not inherit so far.
    """
    changes = {path: value for path, value in settings.items() if _in_force(spec, path) != value}
    if "train.method" in changes:
        changes["train.learning_rate"] = settings["train.learning_rate"]
    return changes


def rewritten(text: str, settings: Mapping[str, Any]) -> str:
    """The YAML `text` with `settings`, by path, in it; what another method than the text has does not read goes out."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text) or CommentedMap()
    for path, value in settings.items():
        *groups, name = path.split(".")
        section = content
        for group in groups:
            if isinstance(section.get(group), str):  # `objective: dpo` is short for its kind
                section[group] = CommentedMap(kind=section[group])
            elif section.get(group) is None:
                section[group] = CommentedMap()
            section = section[group]
            if not isinstance(section, CommentedMap):
                raise InputError(f"{path}: {group} holds no settings of its own", hint="name a setting of docs/spec.md")
        if name in section:
            section[name] = value
        else:  # before the others, since what follows the last one, empty lines and comments, belongs to it
            section.insert(0, name, value)
    if (method := settings.get("train.method")) in METHODS:  # another is refused where the text is checked
        _drop_unread(content, str(method))
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def difference(before: str, after: str, *, name: str) -> str:
    """A unified diff, empty when nothing differs."""
    return "".join(difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name))


def _drop_unread(content: Any, method: str) -> None:
    """Take out fields of section `train` that belong to other methods, and fields of section `lora` that `method` does not read."""
    for group, known in (("train", _train_fields(method)), ("lora", {*METHODS[method].reads})):
        section = content.get(group)
        for field in list(section) if section is not None else ():
            if field not in known and (group == "train" or field in LORA_FIELDS):
                del section[field]
        if section is not None and not section:
            del content[group]


def _train_fields(method: str) -> set[str]:
    """Fields of section `train` with this method."""
    models = get_args(get_args(TrainSpec)[0])
    return {field for model in models if method in get_args(model.model_fields["method"].annotation) for field in model.model_fields}


def _in_force(spec: AdapterSpec, path: str) -> Any:
    group, _, name = path.partition(".")
    if path == "train.quantization_type" and not isinstance(spec.train, QloraTrain):
        return None
    return getattr(getattr(spec, group), name)
