import random
import time
from pathlib import Path

import numpy as np
import pytest

from adapt.artifact.digest import digest_text
from adapt.dataset.dedup import runs
from adapt.dataset.dedup.folding import read_units, roll
from adapt.dataset.dedup.winnowing import choose_anchors
from adapt.dataset.passages import cut_sentences
from adapt.records import AlpacaRecord
from tests.dataset.tables import answers, deduplicate, filled, record
from tests.dataset.texts import han, prose

PASSAGES = {"min_words": 20, "min_characters": 30, "max_share": 0.5}


def test_units_know_where_they_stand() -> None:
    texts = ["Hello,  WORLD! ３.5%", "", "他说ＡＢＣ好。", "ﾃﾞ—x"]
    units = read_units(texts)
    words = [
        [text[begin:end] for begin, end in zip(units.begins[first:last], units.ends[first:last], strict=True)]
        for text, first, last in zip(texts, units.starts[:-1], units.starts[1:], strict=True)
    ]
    assert words == [["Hello", "WORLD", "３", "5"], [], ["他", "说", "ＡＢＣ", "好"], ["ﾃ", "ﾞ", "x"]]
    assert units.unspaced.tolist() == [False, False, False, True]


def test_units_are_equal_but_for_case_and_width() -> None:
    one, other = read_units(["Ｔhe BOND yields 利率"]), read_units(["the, bond: yields—利率!"])
    assert one.hashes.tolist() == other.hashes.tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 13, 26, 75])
def test_rolled_hashes_are_those_of_the_run_alone(size: int) -> None:
    hashes = np.random.default_rng(0).integers(0, 1 << 63, 200).astype(np.uint64)
    rolled = roll(hashes, size)
    assert len(rolled) == len(np.unique(rolled)) == 201 - size
    assert rolled[40] == roll(hashes[40 : 40 + size], size)[0]
    assert roll(hashes[: size - 1], size).tolist() == []


@pytest.mark.parametrize("shortest", [5, 30, 100])
def test_a_shared_run_always_has_a_shared_anchor(shortest: int) -> None:
    rng = random.Random(shortest)
    for seed in range(60):
        run = han((seed, "run"), shortest)
        texts = [han((seed, side), rng.randrange(80)) + run + han((seed, side, "after"), rng.randrange(80)) for side in range(2)]
        units = read_units([texts[0], han("between", 200), texts[1]])
        anchors = choose_anchors(units, shortest, np.ones(3, dtype=bool))
        assert set(anchors.hashes[anchors.texts == 0].tolist()) & set(anchors.hashes[anchors.texts == 2].tolist())


def test_texts_that_are_not_asked_for_have_no_anchors() -> None:
    units = read_units([han("a", 100), prose("b", 100), "", han("c", 29)])
    assert set(choose_anchors(units, 30, units.unspaced).texts.tolist()) == {0}
    assert set(choose_anchors(units, 30, ~units.unspaced).texts.tolist()) == {1}


@pytest.mark.parametrize(("make", "length"), [(prose, 25), (han, 40)])
def test_a_record_that_is_mostly_a_run_goes(tmp_path: Path, make: type, length: int) -> None:
    joint = " " if make is prose else ""
    run = make("run", length)
    first = joint.join([make("a", 60), run, make("b", 60)])
    mostly, partly = joint.join([make("c", length // 3), run]), joint.join([make("d", length * 2), run])
    records = answers(first, make("other", 80), mostly, partly)
    with filled(tmp_path, records) as table:
        kept = deduplicate(table, passages=PASSAGES)
        (dropped,) = kept.dropped
        row = dropped.row(table)
    assert kept.records.tolist() == [0, 1, 3]
    assert (row.rule, row.record, row.winner, row.field) == ("repeated_passage", records[2].id, records[0].id, "output")
    assert [mostly[begin:end] for begin, end in row.spans] == [run]
    assert row.score == pytest.approx(0.75, abs=0.02)


def test_runs_are_followed_to_both_ends(tmp_path: Path) -> None:
    run = prose("long run", 200)
    texts = [f"{prose(1, 9)} {run} {prose(2, 9)}", f"{prose(3, 5)} {run.upper()}, {prose(4, 12)}"]
    with filled(tmp_path, answers(*texts)) as table:
        spans = deduplicate(table, passages=PASSAGES).dropped[0].spans
    assert [texts[1][begin:end] for begin, end in spans] == [run.upper()]


def test_a_run_shorter_than_asked_for_is_no_run(tmp_path: Path) -> None:
    texts = [f"{prose(n, 5)} {prose('run', 19)}" for n in range(4)]
    with filled(tmp_path, answers(*texts)) as table:
        assert deduplicate(table, passages=PASSAGES).dropped == []


def test_what_only_a_dropped_record_had_counts_for_nothing(tmp_path: Path) -> None:
    shared, rest = prose("shared", 60), prose("rest", 40)
    texts = [shared, f"{shared} {rest}", f"{rest} {prose('new', 5)}"]
    with filled(tmp_path, answers(*texts)) as table:
        kept = deduplicate(table, passages=PASSAGES)
    assert kept.records.tolist() == [0, 2]


def test_repeats_inside_one_record_are_not_shared(tmp_path: Path) -> None:
    with filled(tmp_path, answers(" ".join([prose("run", 30)] * 3), prose("b", 60))) as table:
        assert deduplicate(table, passages=PASSAGES).dropped == []


def test_inputs_may_repeat(tmp_path: Path) -> None:
    table_text = prose("table", 100)
    records = [each.model_copy(update={"input": table_text}) for each in answers(prose("a"), prose("b"))]
    with filled(tmp_path, records) as table:
        assert len(deduplicate(table, passages=PASSAGES).records) == 2


def test_whole_sentences_are_cut_from_all_but_the_first(tmp_path: Path) -> None:
    own = ["This one is about bonds and what they pay every year.", "That one is about shares and about what a company owes."]
    run = f"{prose('x', 15).capitalize()}. {prose('y', 15).capitalize()}."
    texts = [f"{own[0]} {run}", f"{own[1]} {run} See you."]
    records = answers(*texts)
    with filled(tmp_path, records) as table:
        kept = deduplicate(table, passages={**PASSAGES, "action": "cut"})
        changed = table.read(1)
        ((number, row),) = kept.edited
        similar = table.shingles.similarity(np.array([1]), np.array([0]))[0]
    assert kept.records.tolist() == [0, 1]
    assert kept.dropped == []
    assert changed.output == f"{own[1]} See you."
    assert changed.id == digest_text(changed.instruction, "", changed.output, "")
    assert (number, row.action, row.record, row.winner, row.field) == (1, "edited", records[1].id, changed.id, "output")
    assert [texts[1][begin:end] for begin, end in row.spans] == [run.removesuffix(".")]
    assert similar < 0.2


def test_a_cut_record_holds_its_runs_where_they_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, third = (f"{prose(run, 40).capitalize()}." for run in ("one", "other", "third"))
    own = [f"{prose((n, 'own'), 60).capitalize()}." for n in range(4)]
    texts = [f"{own[0]} {one}", f"{one} {own[1]} {other}", f"{third} {own[2]}", f"{own[3]} {third} {other}"]
    monkeypatch.setattr(runs, "_TEXTS_HELD", 1)  # every text is read again for each comparison
    with filled(tmp_path, answers(*texts)) as table:
        kept = deduplicate(table, passages={**PASSAGES, "action": "cut"})
        left = [table.read(number).output for number in range(4)]
    assert left == [texts[0], f"{own[1]} {other}", texts[2], own[3]]
    assert [[texts[number][begin:end] for begin, end in row.spans] for number, row in kept.edited] == [
        [one.removesuffix(".")],
        [f"{third} {other}".removesuffix(".")],
    ]


def test_a_record_of_which_too_little_is_left_goes(tmp_path: Path) -> None:
    run = f"{prose('x', 30)}."
    with filled(tmp_path, answers(f"{prose('a', 40)}. {run}", f"Note. {run}")) as table:
        kept = deduplicate(table, passages={**PASSAGES, "action": "cut"})
    assert (kept.records.tolist(), [each.rule for each in kept.dropped]) == ([0], ["repeated_passage"])


@pytest.mark.parametrize(
    ("text", "cut", "left"),
    [
        ("One two. Three 3.5 four! Five?", "Three 3.5 four", "One two. Five?"),
        ("甲乙丙。丁戊！己庚？", "丁戊", "甲乙丙。己庚？"),
        ("“甲乙。”丙丁。", "丙丁", "“甲乙。”"),
        ("One two. Three four.", "two. Three four", "One two."),
        ("- a\n- b\n- c", "b", "- a\n- c"),
        ("Only a part of it.", "part of", "Only a part of it."),
    ],
)
def test_sentences_are_cut_whole(text: str, cut: str, left: str) -> None:
    begin = text.index(cut)
    assert cut_sentences(text, ((begin, begin + len(cut)),)) == left


def test_the_outcome_does_not_depend_on_arrival(tmp_path: Path) -> None:
    runs = [prose(("run", n), 30) for n in range(5)]
    records = [record(f"{prose(n, 4 + n)} {runs[n % 5]}", line=n) for n in range(40)]

    def outcome(order: list[AlpacaRecord]) -> set[tuple[str, str | None, float | None]]:
        with filled(tmp_path, order) as table:
            rows = [each.row(table) for each in deduplicate(table, passages=PASSAGES).dropped]
        return {(row.record, row.winner, row.score) for row in rows}

    assert outcome(records) == outcome(records[::-1])
    assert len(outcome(records)) > 10


@pytest.mark.parametrize("mark", [".", "?!", ".'", "\u3002", " ", ". "])
def test_a_long_run_of_stops_is_cut_in_no_time(mark: str) -> None:
    began = time.process_time()
    assert cut_sentences(f"a{mark * 20_000}b", ()) == f"a{mark * 20_000}b"
    assert time.process_time() - began < 2
