import math
from collections.abc import Sequence

import numpy as np
import pytest

from adapt.dataset.filters import PASSES, Evaluated, Facts, evaluate, explain, score_quality
from adapt.dataset.rules import Rule, declare_rules
from adapt.records import Signals
from adapt.spec.dataset import DatasetSpec


def facts(count: int, **changes: Sequence[object]) -> Facts:
    """Records that break nothing, but for `changes`: columns of Facts or signals."""
    signals = {name: np.full(count, np.nan if value is None else float(value)) for name, value in vars(Signals(alphabetic_words=1)).items()}
    for name, values in changes.items():
        if name in signals:
            signals[name] = np.array(values, dtype=float)
    given = {
        name: changes.get(name, ["en" if name == "languages" else "text" if name == "kinds" else ""] * count)
        for name in ("languages", "licences", "kinds")
    }
    numbers = {name: np.array(changes.get(name, [20] * count), dtype=float) for name in ("words", "tokens")}
    return Facts(**given, signals=signals, **numbers)  # type: ignore[arg-type]


def asked(settings: dict[str, object], found: Facts) -> tuple[Evaluated, list[str | None]]:
    spec = DatasetSpec.model_validate(settings)
    rules = declare_rules(spec)
    evaluated = evaluate(rules, found, spec)
    return evaluated, [None if number == PASSES else rules[number].rule for number in evaluated.first.tolist()]


def test_rules_come_in_the_declared_order() -> None:
    spec = DatasetSpec.model_validate(
        {
            "languages": {"allow": ["en"]}, "licences": {"refuse": ["CC-BY-NC*"], "unknown": "drop"}, "quality": {"min_words": 5},
            "passages": {}, "semantic_duplicates": {}, "decontamination": {"against": ["eval.jsonl"]},
        }
    )  # fmt: skip
    rules = declare_rules(spec)
    names = [rule.rule for rule in rules]
    assert names[:4] == ["language", "licence", "min_words", "max_mean_word_length"]
    assert names[-8:] == [
        "too_short", "too_long", "contamination", "exact_duplicate", "near_duplicate", "repeated_passage", "semantic_duplicate", "test_contamination",
    ]  # fmt: skip
    assert rules[1].threshold == ("*", "not CC-BY-NC*", "not unknown")
    assert rules[2] == Rule(rule="min_words", column="words", bound="min", threshold=5, level="document")


def test_rules_that_are_off_are_not_asked() -> None:
    names = {rule.rule for rule in declare_rules(DatasetSpec.model_validate({"near_duplicates": None, "decontamination": {"test_split": False}}))}
    assert not names & {"language", "licence", "min_words", "near_duplicate", "contamination", "test_contamination"}


def test_the_first_broken_rule_counts_and_everything_is_measured() -> None:
    settings = {"languages": {"allow": ["en"]}, "quality": {"max_bullet_lines": 0.5}}
    evaluated, rules = asked(settings, facts(4, languages=["fr", "en", "en", "en"], bullet_lines=[0.9, 0.9, 0.5, 0], words=[1, 1, 1, 8]))
    assert rules == ["language", "max_bullet_lines", "too_short", None]
    assert evaluated.measured["bullet_lines"].tolist() == [0.9, 0.9, 0.5, 0]
    assert evaluated.measured["output_words"].tolist() == [1, 1, 1, 8]


def test_quality_is_asked_of_its_kinds_alone() -> None:
    evaluated, rules = asked({"quality": {"max_bullet_lines": 0.5}}, facts(2, kinds=["question", "text"], bullet_lines=[0.9, 0.9]))
    assert rules == [None, "max_bullet_lines"]
    assert math.isnan(evaluated.measured["bullet_lines"][0])


def test_a_signal_without_meaning_breaks_nothing() -> None:
    assert asked({"quality": {"min_mean_word_length": 3}}, facts(1, mean_word_length=[np.nan]))[1] == [None]


def test_both_sides_of_a_bound_are_rules_of_one_measure() -> None:
    settings = {"quality": {"min_mean_word_length": 3, "max_mean_word_length": 10}}
    evaluated, rules = asked(settings, facts(4, mean_word_length=[2.9, 3, 10, 10.1]))
    assert rules == ["min_mean_word_length", None, None, "max_mean_word_length"]
    assert list(evaluated.measured).count("mean_word_length") == 1


def test_an_unsure_language_counts_as_allowed() -> None:
    settings = {"languages": {"allow": ["en"], "min_confidence": 0.6}}
    assert asked(settings, facts(2, languages=["fr", "fr"], language_confidence=[0.59, 0.6]))[1] == [None, "language"]


@pytest.mark.parametrize(
    ("licences", "kept"),
    [
        ({"refuse": ["cc-by-nc*"]}, ["MIT", "CC-BY-4.0", ""]),
        ({"allow": ["mit", "CC-*"]}, ["MIT", "CC-BY-4.0", "CC-BY-NC-4.0", ""]),
        ({"allow": ["CC-*"], "refuse": ["*-NC-*"], "unknown": "drop"}, ["CC-BY-4.0"]),
        ({"unknown": "drop"}, ["MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "Apache-2.0"]),
        ({}, ["MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "Apache-2.0", ""]),
    ],
)
def test_licences_are_allowed_and_refused_by_pattern(licences: dict[str, object], kept: list[str]) -> None:
    given = ["MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "Apache-2.0", ""]
    kept = [*kept, "Apache-2.0"] if licences == {"refuse": ["cc-by-nc*"]} else kept
    _, rules = asked({"licences": licences}, facts(5, licences=given))
    assert {licence for licence, rule in zip(given, rules, strict=True) if rule is None} == set(kept)


def test_bounds_allow_themselves() -> None:
    assert asked({"lengths": {"max_record_tokens": 100}}, facts(2, tokens=[100, 101]))[1] == [None, "too_long"]
    assert asked({"lengths": {"min_output_words": 4}}, facts(2, words=[3.5, 4]))[1] == ["too_short", None]


def test_reasons_say_what_was_measured() -> None:
    said = {rule.rule: rule for rule in declare_rules(DatasetSpec.model_validate({"languages": {"allow": ["en"]}, "licences": {"unknown": "drop"}}))}
    assert explain(said["too_short"], 3) == "The answer has 3 words; at least 8 are asked for."
    assert explain(said["too_long"], 1025) == "The conversation has 1025 tokens; at most 1024 are allowed."
    assert explain(said["max_top_2gram"], 0.31) == "The document's top 2gram is 0.31; at most 0.2 is asked for."
    assert explain(said["language"], "fr") == "The language is fr, which dataset.languages does not allow."
    assert explain(said["licence"], "") == "The licence is not known."


def test_better_text_scores_higher() -> None:
    found = facts(3, punctuated_lines=[1, 0.5, 0], alphabetic_words=[1, 1, np.nan], duplicate_line_characters=[0, 0, 0.5])
    best, middle, worst = score_quality(found.signals)
    assert best == 1 > middle > worst
    assert worst == 0.625
