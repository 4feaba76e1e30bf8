from pathlib import Path

import pytest

from adapt.dataset.verdicts import read_verdicts
from adapt.errors import InputError
from adapt.records import Signals
from tests.dataset.made import Built, question, questions, text
from tests.dataset.texts import prose, reworded


def test_every_rule_measured_every_record_it_holds_for(tmp_path: Path) -> None:
    page = text(f"# T\n\n## A\n\n{prose('a')}\n\n## B\n\n{prose('b')}", signals=Signals(bullet_lines=0.95, top_2gram=0.1, alphabetic_words=1))
    built = Built(tmp_path, [*questions(20), page, question("Is it?", "Yes.")], quality={"max_bullet_lines": 0.9})
    pages = [verdict for verdict in built.verdicts if verdict.source == "guide.md"]
    assert [verdict.rule for verdict in pages] == ["max_bullet_lines"] * 2
    assert [verdict.measured["top_2gram"] for verdict in pages] == [0.1, 0.1]
    assert all(verdict.measured["output_words"] == 30 for verdict in pages)
    (short,) = [verdict for verdict in built.verdicts if verdict.rule == "too_short"]
    assert short.measured == {"output_words": 1, "tokens": 5}
    (row, _) = built.dropped("max_bullet_lines")
    assert (row.score, row.threshold, row.reason) == (0.95, 0.9, "The document's bullet lines is 0.95; at most 0.9 is asked for.")


def test_columns_are_those_that_the_rules_name(tmp_path: Path) -> None:
    report = Built(tmp_path, questions(20), languages={"allow": ["en"]}, passages={}).report
    assert [(rule.rule, rule.column, rule.bound) for rule in report.rules if rule.level == "record"] == [
        ("too_short", "output_words", "min"),
        ("too_long", "tokens", "max"),
        ("exact_duplicate", "exact_similarity", "below"),
        ("near_duplicate", "near_similarity", "below"),
        ("repeated_passage", "repeated_share", "below"),
        ("test_contamination", "test_contamination", "below"),
    ]
    assert report.rules[0].model_dump() == {"rule": "language", "column": "language", "bound": "allow", "threshold": ("en",), "level": "document"}


def test_duplicates_name_their_winner_and_their_similarity(tmp_path: Path) -> None:
    built = Built(tmp_path, [*questions(20), *(question("What is it?", prose("it"), source=name) for name in ("a.csv", "b.csv", "c.csv"))])
    kept, *lost = [verdict for verdict in built.verdicts if verdict.source in ("a.csv", "b.csv", "c.csv")]
    assert (kept.source, kept.rule, kept.winner, kept.winner_source, kept.winner_locator) == ("a.csv", None, None, None, None)
    assert [(verdict.source, verdict.rule, verdict.winner) for verdict in lost] == [
        ("b.csv", "exact_duplicate", kept.record),
        ("c.csv", "exact_duplicate", kept.record),
    ]
    assert [(verdict.winner_source, verdict.winner_locator) for verdict in lost] == [("a.csv", "line 1")] * 2
    assert [verdict.measured["exact_similarity"] for verdict in lost] == [1, 1]
    assert not any("near_similarity" in verdict.measured for verdict in lost)
    assert [family.model_dump() for family in built.report.duplicates] == [{"records": 3, "families": 1}]


def test_records_that_stay_have_the_similarity_of_their_best_candidate(tmp_path: Path) -> None:
    answer = prose("it", 60)
    family = [question("What is it?", text, source=name) for name, text in (("a.csv", answer), ("b.csv", reworded(answer, 15)))]
    dropped = Built(tmp_path, [*questions(20), *family], "dropped")
    kept = Built(tmp_path, [*questions(20), *family], "kept", near_duplicates={"threshold": 0.85})
    (near,) = [verdict for verdict in dropped.verdicts if verdict.rule == "near_duplicate"]
    (stays,) = [verdict for verdict in kept.verdicts if verdict.source == "b.csv"]
    assert stays.rule is None
    assert 0.7 <= stays.measured["near_similarity"] < 0.85
    assert stays.measured["near_similarity"] == pytest.approx(near.measured["near_similarity"], abs=1e-4)


def test_records_that_stay_have_the_share_of_their_repeated_passages(tmp_path: Path) -> None:
    shared = prose("shared", 60)
    pair = [question(prose((n, "q"), 9), f"{shared} {prose((n, 'own'), 140)}", source=f"{n}.csv") for n in ("a", "b")]
    built = Built(tmp_path, [*questions(20), *pair], passages={})
    first, second = (verdict for verdict in built.verdicts if verdict.source in ("a.csv", "b.csv"))
    assert (first.rule, first.measured.get("repeated_share")) == (None, None)
    assert (second.rule, second.measured["repeated_share"]) == (None, 0.3)


def test_rows_stand_by_source_place_and_id(tmp_path: Path) -> None:
    documents = [question(prose((n, "q"), 9), prose(n), source=source, line=n) for source in ("b.csv", "a.csv") for n in (10, 9, 2, 100, 1)]
    built = Built(tmp_path, documents)
    assert [(verdict.source, verdict.locator) for verdict in built.verdicts] == [
        (source, f"line {n}") for source in ("a.csv", "b.csv") for n in (1, 2, 9, 10, 100)
    ]


def test_a_folder_without_verdicts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no verdicts\.parquet"):
        list(read_verdicts(tmp_path))


def test_languages_and_licences_are_asked_first(tmp_path: Path) -> None:
    documents = [
        *(question(prose((n, "q"), 9), prose(n), line=n + 1, licence="MIT") for n in range(20)),
        question("Qu'est-ce ?", "Oui.", source="fr.csv", language="fr", licence="CC-BY-NC-4.0", signals=Signals(language_confidence=0.75)),
        question(prose("nc", 9), prose("nc answer"), source="nc.csv", licence="CC-BY-NC-4.0"),
        question(prose("none", 9), prose("none answer"), source="none.csv"),
    ]
    built = Built(tmp_path, documents, languages={"allow": ["en"]}, licences={"refuse": ["CC-BY-NC*"], "unknown": "drop"})
    assert [(row.source, row.rule, row.score, row.threshold) for row in built.ledger] == [
        ("fr.csv", "language", None, None), ("nc.csv", "licence", None, None), ("none.csv", "licence", None, None),
    ]  # fmt: skip
    assert [row.reason for row in built.ledger][1:] == [
        "The licence is CC-BY-NC-4.0, which dataset.licences does not allow.",
        "The licence is not known.",
    ]
    (french,) = [verdict for verdict in built.verdicts if verdict.source == "fr.csv"]
    assert french.measured["language_confidence"] == 0.75
    assert built.report.licences == {"MIT": {"train": 16, "validation": 2, "test": 2}}
