"""What became of a row: verdicts, edits, winners, and clear errors."""

import json
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.explain.outputs import Outputs
from adapt.explain.why import Fate, why
from tests.dataset.texts import prose
from tests.explain.conftest import make, rows


def fate(built: Outputs, asked: str) -> Fate:
    [answer] = why([built], asked)
    [only] = answer.fates
    return only


def test_a_kept_record_shows_every_rule_and_its_split(built: Outputs) -> None:
    found = fate(built, "faq.jsonl:line 1")
    assert found.outcome in ("train", "validation", "test")
    assert found.rule is None
    assert {verdict.rule for verdict in found.verdicts} == {rule.rule for rule in built.report.rules}
    assert not any(verdict.broke for verdict in found.verdicts)
    assert found.text is not None
    assert found.text["instruction"].startswith("What of")


def test_a_near_duplicate_names_its_winner_and_similarity(built: Outputs) -> None:
    found = fate(built, "faq.jsonl:line 23")
    assert (found.outcome, found.rule) == ("dropped", "near_duplicate")
    assert found.winner_place == "faq.jsonl, line 21"
    [verdict] = [verdict for verdict in found.verdicts if verdict.rule == "near_duplicate"]
    assert verdict.broke
    assert verdict.score is not None
    assert 0.7 <= verdict.score < 1
    assert verdict.threshold == 0.7


def test_an_exact_duplicate_names_its_winner(built: Outputs) -> None:
    found = fate(built, "faq.jsonl:line 22")
    assert (found.rule, found.winner_place) == ("exact_duplicate", "faq.jsonl, line 21")


def test_a_short_answer_shows_what_was_measured(built: Outputs) -> None:
    found = fate(built, "faq.jsonl:line 24")
    assert found.rule == "too_short"
    [verdict] = [verdict for verdict in found.verdicts if verdict.broke]
    assert (verdict.score, verdict.threshold) == (3, 8)
    assert found.text is not None
    assert found.text["output"] == "Yes, it is."


def test_an_edit_is_told_with_its_document(built: Outputs) -> None:
    [answer] = why([built], "faq.jsonl:line 25")
    [edit] = [event for event in answer.events if event.action == "edited"]
    assert edit.rule == "mask_email"
    assert edit.field == "output"
    [only] = answer.fates
    assert only.text is not None
    [(start, end)] = edit.spans
    assert only.text["output"][start:end] == "[EMAIL]"


def test_a_row_that_never_became_a_document_is_known_by_its_place(built: Outputs) -> None:
    [answer] = why([built], "faq.jsonl:line 26")
    assert [event.rule for event in answer.events] == ["invalid_json"]
    assert answer.fates == ()


def test_the_first_digits_of_an_id_suffice(built: Outputs) -> None:
    full = fate(built, "faq.jsonl:line 1").record
    assert fate(built, full[:10]).record == full


def test_what_nobody_knows_is_an_error(built: Outputs) -> None:
    with pytest.raises(InputError, match=r"(?s)nothing is known of 'faq.jsonl:line 99'.*hint: give the first digits") as caught:
        why([built], "faq.jsonl:line 99")
    assert "faq.csv:line 12" in str(caught.value)


def test_what_means_too_much_is_an_error(built: Outputs) -> None:
    with pytest.raises(InputError, match="means 25 records"):
        why([built], "faq.jsonl")


def test_an_unbuilt_set_says_how_to_build_it(built: Outputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adapt build faq --to dataset"):
        Outputs("faq", tmp_path, tmp_path, built.resolved).require()


def test_rules_on_names_are_told_with_the_name_and_its_confidence(tmp_path: Path) -> None:
    built = make(tmp_path, rows(), languages={"allow": ["en"]}, licences={"refuse": ["CC-BY-NC*"]})
    found = fate(built, "faq.jsonl:line 1")
    named = {verdict.rule: verdict for verdict in found.verdicts}
    assert (named["language"].score, named["language"].threshold) == ("en", ("en",))
    assert named["language"].confidence is not None
    assert (named["licence"].score, named["licence"].confidence, named["licence"].broke) == ("", None, False)


def test_copies_of_equal_content_are_told_apart_by_their_places(tmp_path: Path) -> None:
    lines = rows()
    lines[21] = lines[20]
    built = make(tmp_path, lines)
    lost = fate(built, "faq.jsonl:line 22")
    assert (lost.rule, lost.winner, lost.winner_place) == ("exact_duplicate", lost.record, "faq.jsonl, line 21")
    kept = fate(built, "faq.jsonl:line 21")
    assert (kept.record, kept.rule, kept.winner) == (lost.record, None, None)
    [answer] = why([built], "faq.jsonl:line 21")
    assert answer.events == ()


def test_rules_behind_the_one_that_dropped_were_not_asked(built: Outputs) -> None:
    short = {verdict.rule: verdict.asked for verdict in fate(built, "faq.jsonl:line 24").verdicts}
    assert (short["too_long"], short["exact_duplicate"], short["test_contamination"]) == (True, False, False)
    assert all(verdict.asked for verdict in fate(built, "faq.jsonl:line 1").verdicts)
    near = {verdict.rule: (verdict.score, verdict.asked) for verdict in fate(built, "faq.jsonl:line 23").verdicts}
    assert near["exact_duplicate"] == (None, True)
    assert near["test_contamination"] == (None, False)


def test_a_copy_that_augmentation_made_names_what_it_is_of(tmp_path: Path) -> None:
    built = make(tmp_path, rows(), augmentation=[{"method": "noise", "share": 1}])
    train = [json.loads(line) for line in (built.dataset / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    copy = next(record for record in train if record["origin"])
    found = fate(built, copy["id"])
    assert (found.outcome, found.verdicts) == ("train", ())
    assert found.text is not None
    assert found.text["origin"] == {"method": "noise", "parent": copy["origin"]["parent"]}
    [parent] = why([built], copy["origin"]["parent"])
    assert [child.record for child in parent.fates] == [copy["origin"]["parent"], copy["id"]]


def test_a_cut_record_is_known_by_its_old_id_and_by_its_new_one(tmp_path: Path) -> None:
    template = " ".join(f"{prose((n, 'template'), 12).capitalize()}." for n in range(8))
    lines = [json.dumps({"instruction": prose((n, "q"), 9), "output": f"{prose(n, 200).capitalize()}. {template}"}) for n in range(20)]
    built = make(tmp_path, lines, passages={"action": "cut"}, near_duplicates=None, decontamination={"test_split": False})
    new = fate(built, "faq.jsonl:line 7")
    [answer] = why([built], new.record)
    [edit] = [event for event in answer.events if event.rule == "repeated_passage"]
    assert (edit.winner, edit.locator) == (new.record, "line 7")
    assert fate(built, edit.record) == new
    assert new.text is not None
    assert template not in new.text["output"]


def test_a_set_for_which_too_much_is_meant_does_not_hide_the_others(built: Outputs, tmp_path: Path) -> None:
    other = make(tmp_path, rows()[:4], name="few", split={"validation": 0.3, "test": 0.3})
    many, few = why([built, other], "faq.jsonl")
    assert (many.too_many, many.fates) == (25, ())
    assert (few.too_many, len(few.fates)) == (0, 4)


def test_dropped_records_have_no_text_once_the_settings_are_others(built: Outputs, tmp_path: Path) -> None:
    newer = tmp_path / "resolved.yaml"
    newer.write_text(built.resolved.read_text(encoding="utf-8").replace("seed: 0", "seed: 1"), encoding="utf-8")
    outputs = Outputs("faq", built.corpus, built.dataset, newer)
    assert outputs.spec is None
    assert fate(outputs, "faq.jsonl:line 24").text is None
    assert fate(outputs, "faq.jsonl:line 1").text is not None
