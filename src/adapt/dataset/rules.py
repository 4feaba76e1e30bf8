"""The rules that a record must pass, in the order in which they are asked, as the spec sets them.

A record is dropped by the first rule that it breaks; what every rule measured is kept beside it (`adapt.dataset.verdicts`).
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from adapt.records import Shape
from adapt.spec.dataset import DatasetSpec, Licences
from adapt.spec.quality import Quality

Bound = Literal["min", "max", "below", "allow"]
EXACT, NEAR, PASSAGES, SEMANTIC = "exact_duplicate", "near_duplicate", "repeated_passage", "semantic_duplicate"
CONTRADICTION, SHARED_ANSWER = "contradiction", "shared_answer"
CONTAMINATION, TEST_CONTAMINATION = "contamination", "test_contamination"
UNKNOWN_LICENCE = "unknown"
"""How a rule's threshold names an empty licence."""
LANGUAGE = "language"
CONFIDENCE = "language_confidence"
"""Column of the confidence that the rule on languages looks at beside the language."""

_REMEDIES = {
    "language": "allow more in dataset.languages, or add sources",
    "licence": "allow more in dataset.licences, or name the licences of the sources in corpus.sources",
    "too_short": "lower dataset.lengths.min_output_words, or add sources",
    "too_long": "raise dataset.lengths.max_record_tokens, or divide long sections",
    "exact_duplicate": "the corpus repeats itself: add sources",
    "near_duplicate": "raise dataset.near_duplicates.threshold, or add sources",
    "contradiction": "one question has several answers: set dataset.contradictions to prefer or keep, or mend the sources",
    "shared_answer": "raise dataset.shared_answers.most",
    "contamination": "the corpus holds the evaluation sets: take them out of its sources, or raise dataset.decontamination.min_share",
    "test_contamination": "records quote each other at length: raise dataset.decontamination.min_share, or set passages to cut what repeats",
}
_OTHER_REMEDY = "loosen this rule in dataset.quality, or add sources"


class Rule(Shape):
    """One rule, with the column of verdicts.parquet that holds what it measured."""

    rule: str
    column: str
    bound: Bound
    """`min` and `max`: the measure may equal the threshold; `below`: it must lie under it; `allow`: it must be one of the threshold's names."""
    threshold: float | tuple[str, ...]
    """Names may end in `*`, and `not NAME` excludes."""
    level: Literal["document", "record"]
    """What was measured: all records of a document share what was measured of it."""


def declare_rules(spec: DatasetSpec) -> tuple[Rule, ...]:
    """The rules of `spec`, in their order: languages, licences, quality, lengths, evaluation sets, duplicates, contradictions, shared answers,
    the test split."""
    rules = [*_named(spec), *quality_rules(spec.quality)]
    rules.append(Rule(rule="too_short", column="output_words", bound="min", threshold=spec.lengths.min_output_words, level="record"))
    rules.append(Rule(rule="too_long", column="tokens", bound="max", threshold=spec.lengths.max_record_tokens, level="record"))
    if spec.decontamination.against:
        rules.append(_below(CONTAMINATION, "contamination", spec.decontamination.min_share))
    rules.append(_below(EXACT, "exact_similarity", 1))
    if spec.near_duplicates:
        rules.append(_below(NEAR, "near_similarity", spec.near_duplicates.threshold))
    if spec.passages:
        rules.append(_below(PASSAGES, "repeated_share", spec.passages.max_share))
    if spec.semantic_duplicates:
        rules.append(_below(SEMANTIC, "semantic_similarity", spec.semantic_duplicates.threshold))
    if spec.contradictions != "keep":
        rules.append(_below(CONTRADICTION, "other_answers", 1))
    if spec.shared_answers:
        rules.append(_below(SHARED_ANSWER, "same_answers", spec.shared_answers.most))
    if spec.decontamination.test_split:
        rules.append(_below(TEST_CONTAMINATION, "test_contamination", spec.decontamination.min_share))
    return tuple(rules)


def remedy(rule: str) -> str:
    """What keeps more of the records that `rule` takes."""
    return _REMEDIES.get(rule, _OTHER_REMEDY)


def quality_rules(quality: Quality) -> list[Rule]:
    """A rule for each bound that is set: the field `max_x` bounds the signal `x` from above, `min_x` from below."""
    rules = []
    for name in type(quality).model_fields:
        side, _, signal = name.partition("_")
        threshold = getattr(quality, name)
        if side in ("min", "max") and threshold is not None:
            rules.append(Rule(rule=name, column=signal, bound="min" if side == "min" else "max", threshold=threshold, level="document"))
    return rules


def licence_names(licences: Licences) -> tuple[str, ...]:
    """What `licences` allows and refuses, as names of a rule; empty when everything stays."""
    if licences.allow is None and not licences.refuse and licences.unknown == "keep":
        return ()
    unknown = UNKNOWN_LICENCE if licences.unknown == "keep" else f"not {UNKNOWN_LICENCE}"
    return (*(licences.allow or ("*",)), *(f"not {name}" for name in licences.refuse), unknown)


def early_columns(rules: Sequence[Rule]) -> list[str]:
    """Columns of numbers that one record alone fills, in the order of the rules."""
    confidence = [CONFIDENCE] if any(rule.rule == LANGUAGE for rule in rules) else []
    return list(dict.fromkeys([*confidence, *(rule.column for rule in rules if rule.bound in ("min", "max"))]))


def late_columns(rules: Sequence[Rule]) -> list[str]:
    """Columns of numbers that need all records."""
    return list(dict.fromkeys(rule.column for rule in rules if rule.bound == "below"))


def matches_licence(licence: str, names: Iterable[str]) -> bool:
    """Whether one of `names`, which may be globs, means `licence`; case does not count."""
    return any(fnmatchcase(licence.casefold(), name.casefold()) for name in names)


def _named(spec: DatasetSpec) -> list[Rule]:
    rules = []
    if spec.languages.allow is not None:
        rules.append(Rule(rule=LANGUAGE, column="language", bound="allow", threshold=spec.languages.allow, level="document"))
    if names := licence_names(spec.licences):
        rules.append(Rule(rule="licence", column="licence", bound="allow", threshold=names, level="document"))
    return rules


def _below(rule: str, column: str, threshold: float) -> Rule:
    return Rule(rule=rule, column=column, bound="below", threshold=threshold, level="record")
