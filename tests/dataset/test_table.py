from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup.buckets import Crossing
from adapt.dataset.table import UNDATED
from adapt.spec.dataset import NearDuplicates
from tests.dataset.tables import answers, deduplicate, filled, record
from tests.dataset.texts import han, prose, reworded


def test_a_table_gives_back_what_was_put_in(tmp_path: Path) -> None:
    records = [record(prose(n), line=n, source=f"{n % 3}.csv", licence="mit" if n % 2 else "") for n in range(7)]
    with filled(tmp_path, records, at_once=3) as table:
        assert len(table) == 7
        assert [table.read(number) for number in (6, 0, 3)] == [records[6], records[0], records[3]]
        assert [table.id(n) for n in range(7)] == [each.id for each in records]
        assert (table.source(4), table.locator(4)) == ("1.csv", "line 4")
        assert list(table.lines(np.array([5, 1]))) == [records[n].model_dump_json().encode() for n in (5, 1)]
        names, numbers = table.licences()
        assert [names[number] for number in numbers] == [each.licence for each in records]
        assert table.tokens.tolist() == list(range(7))
    assert list(tmp_path.iterdir()) == []


def test_records_of_one_document_have_one_number(tmp_path: Path) -> None:
    records = answers(prose("a"), prose("b"), prose("c"))
    records[2] = records[2].model_copy(update={"document": records[0].document})
    with filled(tmp_path, records, at_once=1) as table:
        assert table.documents[0] == table.documents[2] != table.documents[1]


def test_an_empty_table(tmp_path: Path) -> None:
    with filled(tmp_path, []) as table:
        assert deduplicate(table, near_duplicates={}).records.tolist() == []


def test_ranks_follow_source_place_and_id(tmp_path: Path) -> None:
    records = [record(prose(n), source=source, line=line) for n, (source, line) in enumerate([("b", 1), ("a", 10), ("a", 9), ("é", 1), ("a", 9)])]
    order = sorted(range(5), key=lambda n: (records[n].source, int(records[n].locator.split()[1]), records[n].id))
    for at_once in (1, 2, 5):
        with filled(tmp_path, records, at_once=at_once) as table:
            assert np.argsort(table.ranks()).tolist() == order


def test_a_record_can_be_replaced(tmp_path: Path) -> None:
    records = answers(prose("a"), prose("b"))
    other = record(prose("c"), instruction=records[0].instruction, line=1)
    with filled(tmp_path, records) as table:
        before = table.questions.copy()
        table.replace(0, other, other.question + other.output, NearDuplicates())
        table.reopen()
        assert [table.read(0), table.read(1)] == [other, records[1]]
        assert table.id(0) == other.id
        assert (table.questions == before).all()


def test_lines_can_be_read_as_they_were(tmp_path: Path) -> None:
    records = answers(prose("a"), prose("b"))
    with filled(tmp_path, records) as table:
        line_of = table.lines_as_now()
        table.replace(0, record(prose("c")), prose("c"), NearDuplicates())
        table.reopen()
        assert [line_of(0), line_of(1)] == [each.model_dump_json().encode() for each in records]
        assert table.line(0) != line_of(0)


def test_records_with_material_meet_each_other_without_it(tmp_path: Path) -> None:
    given = [each.model_copy(update={"input": prose("table", 200)}) for each in answers(prose("a"), prose("b"))]
    with filled(tmp_path, [*given, record(prose("c"))]) as table:
        first, crossing = islice(table.take_band_keys(), 2)
        assert isinstance(first, np.ndarray)
        assert isinstance(crossing, Crossing)
        assert crossing.sides.tolist() == [True, True, False]
        assert (first != crossing.keys).tolist() == [True, True, False]


def test_band_keys_are_given_once(tmp_path: Path) -> None:
    with filled(tmp_path, answers(prose("a"), prose("b")), at_once=1) as table:
        assert [len(band) for band in table.take_band_keys()] == [2] * 38
        assert list(table.take_band_keys()) == []


def test_exact_duplicates_go_with_the_first_as_winner(tmp_path: Path) -> None:
    first, second = record("The answer is here.", "What?", line=1), record("the ANSWER is here", "what", line=2)
    with filled(tmp_path, [second, first, record(prose("other"))]) as table:
        kept = deduplicate(table)
        (dropped,) = kept.dropped
        row = dropped.row(table)
    assert kept.records.tolist() == [1, 2]
    assert (row.record, row.winner, row.rule, row.score) == (second.id, first.id, "exact_duplicate", 1)
    assert row.reason == "Same question and answer as in a.jsonl, line 1, but for case, width, spacing and punctuation."


def test_near_duplicates_go_with_their_similarity(tmp_path: Path) -> None:
    text = prose("t", 60)
    records = [record(text, "the same question", line=1), record(reworded(text, 20), "the same question", line=2)]
    with filled(tmp_path, records) as table:
        kept = deduplicate(table, near_duplicates={})
        row = kept.dropped[0].row(table)
    assert kept.records.tolist() == [0]
    assert (row.rule, row.record, row.winner, row.threshold) == ("near_duplicate", records[1].id, records[0].id, 0.7)
    assert row.score is not None
    assert 0.7 <= row.score < 1


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("prefer", "stays"),
    [((), 0), (("quality",), 1), (("recency",), 2), (("length",), 3), (("licence",), 4), (("licence", "length"), 4), (("quality", "length"), 1)],
)
def test_what_is_preferred_stays(tmp_path: Path, language: str, prefer: tuple[str, ...], stays: int) -> None:
    text = prose("text", 80) if language == "en" else han("text", 160)
    texts = [text, text + (" ore" if language == "en" else "一"), text + " twig", text + " thirsty tree", text + "山"]
    records = [record(each, "the question", line=line, licence="CC-BY-4.0" if line == 4 else "") for line, each in enumerate(texts)]
    day = 86_400
    with filled(tmp_path, records, quality=[0.1, 0.9, 0.1, 0.1, 0.1], dates=[UNDATED, -9 * day, 7 * day, 0, UNDATED]) as table:
        kept = deduplicate(table, near_duplicates={}, prefer=prefer)
    assert kept.records.tolist() == [stays]


def test_licences_are_preferred_in_the_order_of_the_list(tmp_path: Path) -> None:
    licences = ["", "gpl-3", "cc-by-nc-4.0", "MIT"]
    records = [record("The same answer.", "question", line=line, licence=licence) for line, licence in enumerate(licences)]
    with filled(tmp_path, records) as table:
        listed = deduplicate(table, prefer=("licence",), licences={"allow": ("mit", "CC-BY-NC*", "gpl-3")})
    with filled(tmp_path, records) as table:
        known = deduplicate(table, prefer=("licence",))
    assert (listed.records.tolist(), known.records.tolist()) == ([3], [1])


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    texts = [prose(n // 3, 50) if n % 3 == 0 else reworded(prose(n // 3, 50), 20 + n % 3) for n in range(60)]
    records = [record(text, "question", line=line) for line, text in enumerate(texts)]
    outcomes = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(60).tolist()
        with filled(tmp_path, [records[n] for n in order], at_once=7 + seed) as table:
            kept = deduplicate(table, near_duplicates={})
            rows = sorted((each.row(table) for each in kept.dropped), key=lambda row: row.record)
            outcomes.append(({table.id(number) for number in kept.records.tolist()}, rows))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][1]) >= 20
