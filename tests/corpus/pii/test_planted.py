"""Precision and recall on a part of the planted set; `bench/pii.py` reports on all of it."""

import pytest

from adapt.corpus.pii.rules import find, worth_a_look
from adapt.spec.pii import PII_KINDS
from tests.corpus.pii.planted.cases import KINDS, Case, Score, cases, scored

CASES = cases(rounds=3)
LOOK = worth_a_look(PII_KINDS)


def _found(case: Case) -> list[tuple[str, int, int]]:
    return [(finding.kind, finding.begin, finding.end) for finding in find(case.text)] if LOOK.search(case.text) else []


@pytest.fixture(scope="module")
def scores() -> dict[tuple[str, str], Score]:
    return scored(CASES, [_found(case) for case in CASES])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_planted_data_is_found_and_little_else(scores: dict[tuple[str, str], Score], kind: str, language: str) -> None:
    score = scores[language, kind]
    least_recall, least_precision = (0.98, 0.97) if kind in {"cn_id", "bank_card", "iban"} else (0.97, 0.95)
    assert score.recall >= least_recall
    assert score.precision >= least_precision


def test_the_set_is_large_and_half_chinese_with_as_many_texts_that_hold_nothing() -> None:
    planted = {language: sum(len(case.planted) for case in CASES if case.language == language) for language in ("en", "zh")}
    harmless = {language: sum(not case.planted for case in CASES if case.language == language) for language in ("en", "zh")}
    assert min(planted.values()) >= 200
    assert min(harmless.values()) >= 180


def test_the_first_look_passes_over_nothing_that_is_found() -> None:
    assert [case.text for case in CASES if find(case.text) and not LOOK.search(case.text)] == []
