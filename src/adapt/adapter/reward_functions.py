"""Declared reward functions: an answer and its record to a number. Plain text work, and no code of a spec."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from adapt.records import AlpacaRecord
from adapt.spec.objective import ContainsReward, ExactMatchReward, JsonValidReward, LengthReward, RegexReward, RewardFunction, SameMatchReward


def summed_rewards(functions: Sequence[RewardFunction], answer: str, tokens: int, record: AlpacaRecord) -> float:
    """What `answer`, of so many `tokens`, to the question of `record` is worth by all `functions`."""
    return sum((function.weight for function in functions if _holds(function, answer, tokens, record)), start=0.0)


def _holds(function: RewardFunction, answer: str, tokens: int, record: AlpacaRecord) -> bool:
    if isinstance(function, ExactMatchReward):
        return _plain(answer) == _plain(record.output)
    if isinstance(function, ContainsReward):
        return all(_plain(text) in _plain(answer) for text in function.texts)
    if isinstance(function, RegexReward):
        return re.search(function.pattern, answer) is not None
    if isinstance(function, SameMatchReward):
        found = _last_match(function.pattern, answer)
        return found is not None and found == _last_match(function.pattern, record.output)
    if isinstance(function, LengthReward):
        return function.min_tokens <= tokens <= function.max_tokens
    return _is_json(function, answer)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _last_match(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return str(found[-1]).strip() if found else None


def _is_json(function: JsonValidReward, answer: str) -> bool:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return not function.keys or (isinstance(value, dict) and set(function.keys) <= value.keys())
