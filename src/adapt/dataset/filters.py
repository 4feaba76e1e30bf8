"""Asks every rule that one record alone can answer: its language, its licence, what was measured of its document, its length.

Columns in, columns out: one value for each record of a batch. Rules about duplicates and evaluation sets need all records and are asked later.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.rules import CONFIDENCE, LANGUAGE, Rule, matches_licence
from adapt.spec.dataset import DatasetSpec, Languages, Licences

Floats = NDArray[np.float64]
PASSES = -1
"""In place of a rule's number: no rule is broken."""


class Facts(NamedTuple):
    """What the rules look at, one value for each record."""

    languages: Sequence[str]
    licences: Sequence[str]
    kinds: Sequence[str]
    """Kind of each record's document."""
    signals: Mapping[str, Floats]
    """Each signal of the record's document; NaN where it has no meaning."""
    words: Floats
    """Words of the answer."""
    tokens: Floats
    """Tokens of the whole conversation."""


class Evaluated(NamedTuple):
    """What the rules found."""

    measured: dict[str, Floats]
    """By column, in the order of the rules; NaN where a rule does not ask."""
    first: NDArray[np.int16]
    """Number of the first rule that each record breaks, or PASSES."""


def evaluate(rules: Sequence[Rule], facts: Facts, spec: DatasetSpec) -> Evaluated:
    """Ask all rules of all records; rules that need other records are passed over."""
    measured: dict[str, Floats] = {}
    first = np.full(len(facts.words), PASSES, dtype=np.int16)
    judged = np.isin(np.array(facts.kinds, dtype=object), spec.quality.kinds)
    for number, rule in enumerate(rules):
        if rule.rule == LANGUAGE:
            measured[CONFIDENCE] = facts.signals[CONFIDENCE]
            broken = ~_languages_allowed(facts.languages, facts.signals[CONFIDENCE], spec.languages)
        elif rule.rule == "licence":
            broken = ~_licences_allowed(facts.licences, spec.licences)
        elif rule.rule == "too_short":
            measured[rule.column] = facts.words
            broken = facts.words < _bound(rule)
        elif rule.rule == "too_long":
            measured[rule.column] = facts.tokens
            broken = facts.tokens > _bound(rule)
        elif rule.column in facts.signals and rule.level == "document":
            values = np.where(judged, facts.signals[rule.column], np.nan)
            measured.setdefault(rule.column, values)  # the rule on languages has asked for the confidence of all
            broken = values < _bound(rule) if rule.bound == "min" else values > _bound(rule)
        else:
            continue
        first[broken & (first == PASSES)] = number
    return Evaluated(measured, first)


def score_quality(signals: Mapping[str, Floats]) -> Floats:
    """One figure between 0 and 1 for choosing among duplicates: the mean of what Gopher and FineWeb ask of good text, as far as it was measured.

    Shares of alphabetic words and of lines that end as sentences do, and what is left beside repeated lines, ellipses and lost characters.
    """
    good = [signals["alphabetic_words"], signals["punctuated_lines"]]
    bad = [signals[name] for name in ("duplicate_line_characters", "ellipsis_lines", "replacement_characters")]
    shares = np.stack([*good, *(1 - share for share in bad)])
    known = ~np.isnan(shares)
    mean = np.where(known, shares, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.round(mean, 4), dtype=np.float64)


def explain(rule: Rule, value: float | str) -> str:
    """One sentence on why a record goes that broke `rule`."""
    if rule.rule == LANGUAGE:
        return f"The language is {value}, which dataset.languages does not allow."
    if rule.rule == "licence":
        return f"The licence is {value}, which dataset.licences does not allow." if value else "The licence is not known."
    if rule.rule == "too_short":
        return f"The answer has {value:g} words; at least {rule.threshold:g} are asked for."
    if rule.rule == "too_long":
        return f"The conversation has {value:g} tokens; at most {rule.threshold:g} are allowed."
    side = "at least" if rule.bound == "min" else "at most"
    return f"The document's {rule.column.replace('_', ' ')} is {value:g}; {side} {rule.threshold:g} is asked for."


def _bound(rule: Rule) -> float:
    if isinstance(rule.threshold, tuple):
        raise AssertionError(f"{rule.rule} is no bound on a number")
    return rule.threshold


def _languages_allowed(found: Sequence[str], confidence: Floats, languages: Languages) -> NDArray[np.bool_]:
    allowed = frozenset(languages.allow or ())
    named = np.array([language in allowed for language in found], dtype=bool)
    return np.asarray(named | (confidence < languages.min_confidence), dtype=bool)


def _licences_allowed(found: Sequence[str], licences: Licences) -> NDArray[np.bool_]:
    verdicts = {licence: _licence_allowed(licence, licences) for licence in set(found)}
    return np.array([verdicts[licence] for licence in found], dtype=bool)


def _licence_allowed(licence: str, licences: Licences) -> bool:
    if not licence:
        return licences.unknown == "keep"
    if matches_licence(licence, licences.refuse):
        return False
    return licences.allow is None or matches_licence(licence, licences.allow)
