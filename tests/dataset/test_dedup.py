from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup.exact import content_keys, earliest_equals
from adapt.dataset.dedup.minhash import Bands, band_keys, choose_bands
from adapt.dataset.dedup.near import Drop, find_near_duplicates
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.dedup.overlap import similar_pairs
from adapt.dataset.dedup.shingles import ShingleFile, shingle
from tests.dataset.made import han, prose, reworded


def equal(one: str, other: str) -> bool:
    keys = content_keys(normalise([one, "something between", other]))
    return bool((keys[0] == keys[2]).all())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is  a bond?", "WHAT IS A BOND"),
        ("全角ＡＢＣ，１２３。", "全角abc,123."),
        ("如何理解  杠杆 的作用？", "如何理解杠杆的作用?"),
        ("an e-mail\r\nfor you", "an email for you"),
        ("1,250,000 shares", "1250000 shares"),
        ("zero\u200bwidth", "zerowidth"),
        ("**bold** and `code`", "bold and code"),
    ],
)
def test_form_does_not_tell_texts_apart(one: str, other: str) -> None:
    assert equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it is 3.5", "it is 35"),
        ("pay 1 2", "pay 12"),
        ("a loss of -5", "a loss of 5"),
        ("grew 5%", "grew 5"),
        ("x + y", "x - y"),
        ("1/2", "12"),
        ("costs $5", "costs €5"),
        ("เก่า", "เกา"),
    ],
)
def test_what_carries_meaning_tells_texts_apart(one: str, other: str) -> None:
    assert not equal(one, other)


def test_a_text_does_not_depend_on_its_neighbours() -> None:
    texts = [prose("a"), "", han("b"), "\u0301mark", "x\0y", "3", "000"]
    together = content_keys(normalise(texts))
    alone = np.concatenate([content_keys(normalise([text])) for text in texts])
    assert together.tolist() == alone.tolist()
    values, counts = shingle(normalise(texts), words=2, characters=3)
    apart = [shingle(normalise([text]), words=2, characters=3) for text in texts]
    assert values.tolist() == np.concatenate([part[0] for part in apart]).tolist()
    assert counts.tolist() == [int(part[1][0]) for part in apart]


def test_earliest_of_equals_wins() -> None:
    keys = np.array([[7, 7], [1, 2], [7, 7], [7, 8], [7, 7]], dtype=np.uint64)
    assert earliest_equals(keys, np.array([4, 3, 2, 1, 0])).tolist() == [4, 1, 4, 3, 4]


@pytest.mark.parametrize(
    ("text", "count"),
    [("one two three four", 3), ("one", 1), ("", 0), ("?!", 0), ("one two one two", 2), ("一二三四五", 3), ("一二", 1), ("利率ABC上升了", 6)],
)
def test_shingles_of_two_words_or_three_characters(text: str, count: int) -> None:
    assert shingle(normalise([text]), words=2, characters=3)[1].tolist() == [count]


def shingle_file(folder: Path, texts: Sequence[str]) -> ShingleFile:
    file = ShingleFile(folder / "shingles.tmp")
    file.append(*shingle(normalise(texts), words=2, characters=3))
    file.finish()
    return file


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return set(pairwise(words))


def test_similarity_is_the_true_jaccard(tmp_path: Path) -> None:
    texts = [prose("a", 50), reworded(prose("a", 50), 10), prose("a", 50)[:150], prose("b", 50)]
    with shingle_file(tmp_path, texts) as shingles:
        found = shingles.similarity(0, np.array([1, 2, 3]))
    own = grams(texts[0])
    assert found.tolist() == pytest.approx([len(own & grams(text)) / len(own | grams(text)) for text in texts[1:]])


def near(folder: Path, texts: Sequence[str], threshold: float = 0.7) -> list[Drop]:
    cut = choose_bands(threshold, 256)
    keys = band_keys(*shingle(normalise(texts), words=2, characters=3), cut)
    with shingle_file(folder, texts) as shingles:
        return list(find_near_duplicates(shingles, keys, np.arange(len(texts)), threshold))


@pytest.mark.parametrize("every", [20, 13])
def test_five_to_eight_percent_of_changed_words_are_found(tmp_path: Path, every: int) -> None:
    texts = [prose(n, 60) for n in range(50)]
    found = near(tmp_path, [*texts, *(reworded(text, every) for text in texts)])
    assert [(drop.record, drop.winner) for drop in found] == [(n + 50, n) for n in range(50)]


def test_changed_chinese_characters_are_found(tmp_path: Path) -> None:
    original = han("text", 100)
    changed = original[:20] + "利率" + original[22:60] + "风险" + original[62:]
    assert [(drop.record, drop.winner) for drop in near(tmp_path, [original, han("other", 100), changed])] == [(2, 0)]


def test_chains_do_not_merge_unlike_records(tmp_path: Path) -> None:
    words = prose("chain", 60).split()
    links = [" ".join([f"new{n}" for n in range(step)] + words[step:]) for step in (0, 8, 16)]
    assert [(drop.record, drop.winner) for drop in near(tmp_path, links)] == [(1, 0)]


def test_most_similar_winner_is_named(tmp_path: Path) -> None:
    text = prose("t", 60)
    far, close = reworded(text, 8), reworded(text, 40)
    drops = near(tmp_path, [far, close.upper(), text], threshold=0.7)
    assert [drop.winner for drop in drops if drop.record == 2] == [1]


def test_texts_without_words_are_never_near_duplicates(tmp_path: Path) -> None:
    assert near(tmp_path, ["?", "!", "", "..."]) == []


def test_no_texts_at_all(tmp_path: Path) -> None:
    assert near(tmp_path, []) == []


def test_bands_find_pairs_at_the_threshold() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.9, 1.0):
        cut = choose_bands(threshold, 256)
        assert cut.bands * cut.rows <= 256
        assert cut.recall(threshold) >= 0.999
    assert choose_bands(0.7, 256) == Bands(51, 5)
    assert choose_bands(0.01, 16) == Bands(16, 1)


def test_more_permutations_leave_fewer_unlike_pairs_to_measure() -> None:
    assert choose_bands(0.7, 1024).recall(0.3) < choose_bands(0.7, 256).recall(0.3) < choose_bands(0.7, 32).recall(0.3)


def test_signatures_agree_as_often_as_the_sets_do() -> None:
    texts = [prose("a", 400), reworded(prose("a", 400), 10)]
    keys = band_keys(*shingle(normalise(texts), words=1, characters=3), Bands(1024, 1))
    assert float((keys[:, 0] == keys[:, 1]).mean()) == pytest.approx(360 / 440, abs=0.05)


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0])
def test_pair_search_finds_what_brute_force_finds(tmp_path: Path, threshold: float) -> None:
    texts = [reworded(prose(n % 7, 40), 40 - n) for n in range(35)] + [prose("alone"), "", "one", "one"]
    with shingle_file(tmp_path, texts) as shingles:
        everyone = np.random.default_rng(0).permutation(len(texts))
        labels = np.arange(len(texts))
        pairs = [pair for batch in similar_pairs(shingles, everyone, threshold, labels) for pair in zip(*batch, strict=True)]
        found = {(int(min(pair)), int(max(pair))) for pair in pairs}
        full = [number for number in range(len(texts)) if len(shingles.of(number))]
        expected = {(a, b) for a, b in combinations(full, 2) if shingles.similarity(a, np.array([b]))[0] >= threshold}
    assert found == expected
    assert len(pairs) == len(found) >= 1


def test_pair_search_skips_pairs_of_one_label(tmp_path: Path) -> None:
    with shingle_file(tmp_path, [prose("a"), prose("a"), prose("a")]) as shingles:
        found = [pair for pairs in similar_pairs(shingles, np.arange(3), 0.7, np.array([0, 0, 1])) for pair in zip(*pairs, strict=True)]
    assert found == [(0, 2), (1, 2)]
