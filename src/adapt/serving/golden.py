"""Golden prompts: questions of the test split, with what base and adapter answered when the adapter was measured.

Enters: predictions.jsonl of the evaluation, and the test split for whole conversations. Leaves: a few prompts with two answers each.
"""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from adapt.records import AlpacaRecord
from adapt.serving.client import Answer

COMPARED_CHARACTERS = 64
"""How much of an answer is compared: greedy answers of two engines in bfloat16 part sooner or later at near-ties."""
_HALF = "\ufffd"
"""How a character ends an answer of which some tokens are missing."""


def golden_prompts(predictions: Path, test_split: Path, *, most: int = 8) -> list[dict[str, Any]]:
    """`messages`, `base` and `adapter` of the first records on which the two answered differently; fewer, or none, where there are no answers."""
    answered = {}
    for line in _lines(predictions):
        entry = json.loads(line)
        base, adapter = entry["base"]["answer"], entry["adapter"]["answer"]
        if base and adapter and base[:COMPARED_CHARACTERS] != adapter[:COMPARED_CHARACTERS]:
            answered[entry["id"]] = {"base": base, "adapter": adapter}
    found = []
    for line in _lines(test_split):
        record = AlpacaRecord.model_validate_json(line)
        if record.id in answered and record.instruction:
            messages = [message.model_dump() for message in record.messages[:-1]]
            found.append({"messages": messages, **answered[record.id]})
        if len(found) == most:
            break
    return found


def agreement(expected: Sequence[str], found: Sequence[Answer]) -> float:
    """Mean share of the expected answers' beginnings that the found ones bring back, from 0 to 1.

    Nothing is expected beyond where an answer was cut: in some languages the tokens that were asked for do not reach as far as is compared.
    """
    shares = []
    for one, other in zip(expected, found, strict=True):
        said = other.text.strip().rstrip(_HALF)
        compared = one.strip()[: min(COMPARED_CHARACTERS, len(said)) if other.cut else COMPARED_CHARACTERS]
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(compared, said, strict=False)))
        shares.append(same / max(len(compared), 1))
    return sum(shares) / len(shares)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
