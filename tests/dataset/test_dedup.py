import random
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup import buckets, near, overlap
from adapt.dataset.dedup.bitmaps import Bitmaps
from adapt.dataset.dedup.buckets import Crossing, shared_buckets
from adapt.dataset.dedup.exact import content_keys, earliest_equals
from adapt.dataset.dedup.fingerprints import Material, fingerprint
from adapt.dataset.dedup.minhash import Bands, band_keys, choose_bands
from adapt.dataset.dedup.near import Drop, find_near_duplicates
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.dedup.overlap import similar_pairs
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.dedup.shingles import shingle
from adapt.dataset.groups import group_records
from adapt.spec.dataset import NearDuplicates
from tests.dataset.texts import han, prose, reworded


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
    texts = [prose("a"), "", han("b"), "\u0301mark", "x\0y", "3", "000", "ÀB", "AB", "x" * 600]
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


@pytest.mark.parametrize(("one", "other"), [("no it", "to in"), ("ab cd", "db ca"), ("ab cd", "cd ab"), ("bb cc", "ab cd")])
def test_other_words_are_another_shingle(one: str, other: str) -> None:
    values, counts = shingle(normalise([one, other]), words=2, characters=3)
    assert counts.tolist() == [1, 1]
    assert values[0] != values[1]


@pytest.mark.parametrize(("words", "characters"), [(1, 1), (2, 3), (5, 9), (40, 40)])
def test_shingles_are_the_distinct_runs_of_the_text(words: int, characters: int) -> None:
    texts = [prose(n, 7 * n) for n in range(9)] + [han(n, 11 * n) for n in range(9)] + ["a b a b a b a b"]
    values, counts = shingle(normalise(texts), words=words, characters=characters)
    expected = []
    for text in texts:
        units, size = (text.split(), words) if text.isascii() else (list(text), characters)
        expected.append(len({tuple(units[n : n + size]) for n in range(max(len(units) - size + 1, min(1, len(units))))}))
    assert counts.tolist() == expected
    lists = np.split(values, np.cumsum(counts)[:-1])
    assert all((part[1:] > part[:-1]).all() for part in lists)


def shingle_file(folder: Path, texts: Sequence[str]) -> ShingleFile:
    file = ShingleFile(folder / "shingles.tmp")
    file.append(*shingle(normalise(texts), words=2, characters=3))
    file.finish()
    return file


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return set(pairwise(words))


def test_similarity_is_the_true_jaccard(tmp_path: Path) -> None:
    texts = [prose("a", 50), reworded(prose("a", 50), 10), prose("a", 50)[:150], prose("b", 50), prose("a", 500)]
    with shingle_file(tmp_path, texts) as shingles:
        found = shingles.similarity(np.array([0, 2, 0, 0, 4]), np.array([1, 0, 3, 0, 0]))
    pairs = [(0, 1), (2, 0), (0, 3), (0, 0), (4, 0)]
    sets = [grams(text) for text in texts]
    assert found.tolist() == pytest.approx([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs])


def test_a_set_can_be_replaced(tmp_path: Path) -> None:
    texts = [prose("a"), prose("b"), prose("c")]
    with shingle_file(tmp_path, texts) as shingles:
        shingles.replace(1, shingle(normalise([prose("c")]), words=2, characters=3)[0])
        shingles.reopen()
        assert shingles.similarity(np.array([0, 1]), np.array([1, 2])).tolist() == [0, 1]
    assert not list(tmp_path.iterdir())


def test_fingerprints_do_not_depend_on_the_batch() -> None:
    texts = [*(han(n, 3000) for n in range(60)), "", *(prose(n) for n in range(60))]
    cut = choose_bands(0.7, 256, 0.999)
    together = fingerprint(texts, texts, NearDuplicates(), cut)
    alone = [fingerprint([text], [text], NearDuplicates(), cut) for text in texts]
    assert together.shingles.tolist() == np.concatenate([part.shingles for part in alone]).tolist()
    assert together.contents.tolist() == np.concatenate([part.contents for part in alone]).tolist()
    asked = np.delete(together.questions, 60, axis=0)
    assert asked.tolist() == np.delete(together.contents, 60, axis=0).tolist()
    assert together.questions[60].tolist() == [0, 0], "who asks nothing shares no question"
    assert (together.bands == np.concatenate([part.bands for part in alone], axis=1)).all()
    assert together.bands.shape == (cut.bands, len(texts))
    assert fingerprint([], [], NearDuplicates(), cut).bands.shape == (cut.bands, 0)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("recall", [0.9, 0.999])
def test_bands_are_as_many_as_the_recall_asks_for(threshold: float, recall: float) -> None:
    cut = choose_bands(threshold, 256, recall)
    assert cut.bands * cut.rows <= 256
    assert cut.recall(threshold) >= recall
    assert cut.bands == 1 or Bands(cut.bands - 1, cut.rows).recall(threshold) < recall


def test_too_few_permutations_give_bands_of_one_row() -> None:
    assert choose_bands(0.01, 16, 0.999) == Bands(16, 1)
    assert choose_bands(0.7, 256, 0.999) == Bands(38, 5)


def test_more_permutations_leave_fewer_unlike_pairs_to_measure() -> None:
    found = [choose_bands(0.7, permutations, 0.999).recall(0.3) for permutations in (32, 256, 1024)]
    assert found == sorted(found, reverse=True)
    assert found[2] < found[1] < found[0]


def pairs_of_sets(similarity: tuple[int, int, int], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sets of random shingles, pair after pair: so many in both, and so many in each alone."""
    both, one, other = similarity
    drawn = np.random.default_rng(5).integers(0, 1 << 32, (count, both + one + other), dtype=np.uint64).astype(np.uint32)
    left, right = drawn[:, : both + one], np.concatenate([drawn[:, :both], drawn[:, both + one :]], axis=1)
    values = np.stack([np.sort(left, axis=1), np.sort(right, axis=1)], axis=1).reshape(-1)
    return values, np.full(2 * count, both + one), np.arange(count) * 2


@pytest.mark.parametrize("sizes", [(14, 3, 3), (140, 30, 30), (700, 150, 150)])
def test_recall_at_the_threshold_is_what_was_asked_for(sizes: tuple[int, int, int]) -> None:
    values, counts, left = pairs_of_sets(sizes, 3000)
    for recall in (0.9, 0.999):
        keys = band_keys(values, counts, choose_bands(0.7, 256, recall))
        found = float((keys[:, left] == keys[:, left + 1]).any(axis=0).mean())
        assert found >= recall - 4 * (recall * (1 - recall) / 3000) ** 0.5


@pytest.mark.parametrize("sizes", [(14, 3, 3), (100, 50, 50), (20, 90, 90)])
def test_signatures_agree_as_often_as_the_sets_do(sizes: tuple[int, int, int]) -> None:
    values, counts, left = pairs_of_sets(sizes, 2000)
    keys = band_keys(values, counts, Bands(200, 1))
    agreed = (keys[:, left] == keys[:, left + 1]).mean()
    assert float(agreed) == pytest.approx(sizes[0] / sum(sizes), abs=0.01)


def find_near(folder: Path, texts: Sequence[str], threshold: float = 0.7) -> list[Drop]:
    keys = band_keys(*shingle(normalise(texts), words=2, characters=3), choose_bands(threshold, 256, 0.999))
    with shingle_file(folder, texts) as shingles:
        return list(find_near_duplicates(shingles, keys, np.arange(len(texts)), threshold))


@pytest.mark.parametrize("every", [20, 13])
def test_five_to_eight_percent_of_changed_words_are_found(tmp_path: Path, every: int) -> None:
    texts = [prose(n, 60) for n in range(50)]
    found = find_near(tmp_path, [*texts, *(reworded(text, every) for text in texts)])
    assert sorted((drop.record, drop.winner) for drop in found) == [(n + 50, n) for n in range(50)]


def test_changed_chinese_characters_are_found(tmp_path: Path) -> None:
    original = han("text", 100)
    changed = original[:20] + "利率" + original[22:60] + "风险" + original[62:]
    assert [(drop.record, drop.winner) for drop in find_near(tmp_path, [original, han("other", 100), changed])] == [(2, 0)]


def test_chains_do_not_merge_unlike_records(tmp_path: Path) -> None:
    words = prose("chain", 60).split()
    links = [" ".join([f"new{n}" for n in range(step)] + words[step:]) for step in (0, 8, 16)]
    assert [(drop.record, drop.winner) for drop in find_near(tmp_path, links)] == [(1, 0)]


def test_most_similar_winner_is_named(tmp_path: Path) -> None:
    text = prose("t", 60)
    far, close = reworded(text, 8), reworded(text, 40)
    drops = find_near(tmp_path, [far, close.upper(), text], threshold=0.7)
    assert [drop.winner for drop in drops if drop.record == 2] == [1]


def test_texts_without_words_are_never_near_duplicates(tmp_path: Path) -> None:
    assert find_near(tmp_path, ["?", "!", "", "..."]) == []


def test_no_texts_at_all(tmp_path: Path) -> None:
    assert find_near(tmp_path, []) == []


def variants(rng: random.Random, count: int) -> list[str]:
    """Texts of a few families, some members alike and some not."""
    base = [han((rng.random(), n), rng.randrange(1, 60)) for n in range(6)]
    made = []
    for _ in range(count):
        letters = list(rng.choice(base))
        for _ in range(rng.randrange(6)):
            letters[rng.randrange(len(letters))] = chr(rng.randrange(0x4E00, 0x9000))
        made.append("".join(letters))
    return made


def one_after_the_other(shingles: ShingleFile, keys: np.ndarray, members: Sequence[int], threshold: float) -> set[tuple[int, int, float]]:
    """Near-duplicates by their definition."""
    kept: list[int] = []
    drops = set()
    for record in members:
        others = [other for other in kept if (keys[:, record] == keys[:, other]).any()]
        similarity = shingles.similarity(np.full(len(others), record), np.array(others, dtype=np.int64)).tolist()
        best = max(range(len(others)), key=lambda place: (similarity[place], -place), default=None)
        if best is None or similarity[best] < threshold:
            kept.append(record)
        else:
            drops.add((record, others[best], similarity[best]))
    return drops


def greatest_similarities(shingles: ShingleFile, keys: np.ndarray, kept: Sequence[int], threshold: float) -> list[float]:
    """Of each kept record the greatest similarity to those kept before it, of candidates whose sizes allow the threshold."""
    sizes = shingles.sizes()
    found = []
    for place, record in enumerate(kept):
        others = np.array([other for other in kept[:place] if (keys[:, record] == keys[:, other]).any()], dtype=np.int64)
        able = others[np.minimum(sizes[others], sizes[record]) >= threshold * np.maximum(sizes[others], sizes[record]) - 1e-9]
        found.append(shingles.similarity(np.full(len(able), record), able).max(initial=-1.0))
    return [np.nan if value < 0 else value for value in found]


@pytest.mark.parametrize("block", [1, 7, 40, 1024])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_give_what_one_record_after_the_other_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, seed: int) -> None:
    monkeypatch.setattr(near, "_BLOCK", block)
    monkeypatch.setattr(buckets, "_PAIRS_AT_ONCE", 5 * block)
    texts = variants(random.Random(seed), 120)
    threshold = (0.3, 0.5, 0.7, 1.0)[seed]
    members = np.random.default_rng(seed).permutation(len(texts))
    keys = band_keys(*shingle(normalise(texts), words=2, characters=3), choose_bands(threshold, 64, 0.9))
    measured = np.full(len(texts), np.nan)
    with shingle_file(tmp_path, texts) as shingles:
        found = list(find_near_duplicates(shingles, iter(keys), members, threshold, measured=measured))
        expected = one_after_the_other(shingles, keys, members.tolist(), threshold)
        kept = [record for record in members.tolist() if record not in {drop[0] for drop in expected}]
        greatest = greatest_similarities(shingles, keys, kept, threshold)
    assert {tuple(drop) for drop in found} == expected
    assert len(found) == len(expected) > 5
    np.testing.assert_array_equal(measured[kept], greatest)


def test_records_just_at_a_threshold_are_duplicates_whatever_their_sizes(tmp_path: Path) -> None:
    assert 0.55 * 100 > 55, "what would hide the pair"
    values = np.arange(100, dtype=np.uint32)
    with ShingleFile(tmp_path / "shingles.tmp") as shingles:
        shingles.append(np.concatenate([values, values[:55]]), np.array([100, 55]))
        shingles.finish()
        found = list(find_near_duplicates(shingles, [np.zeros(2, dtype=np.uint32)], np.arange(2), 0.55))
    assert found == [Drop(1, 0, 0.55)]


def test_a_crossing_band_makes_candidates_of_different_sides_only() -> None:
    keys = np.array([7, 7, 7, 8, 8, 9], dtype=np.uint32)
    sides = np.array([True, True, False, True, True, False])
    assert np.diff(shared_buckets([Crossing(keys, sides)], np.arange(6)).starts).tolist() == [1, 1, 1, 0, 0, 0]
    assert np.diff(shared_buckets([Crossing(keys, sides)], np.array([0, 1, 3, 4])).starts).tolist() == [0, 0, 0, 0]


def test_no_band_keys_are_made_where_nothing_asks_for_them() -> None:
    texts = [prose(n) for n in range(3)]
    made, cut = (
        fingerprint(texts, texts, NearDuplicates(), bands, [Material("", "", ""), Material("?", "given", prose("alone")), Material("", "", "")])
        for bands in (None, choose_bands(0.7, 256, 0.999))
    )
    assert (made.bands.shape, made.alone_bands.shape) == ((0, 3), (0, 1))
    assert (cut.bands.shape, cut.alone_bands.shape) == ((38, 3), (38, 1))
    assert made.shingles.tolist() == cut.shingles.tolist()
    assert made.alone_counts.tolist() == cut.alone_counts.tolist() == [0, 29, 0]


class Counting(ShingleFile):
    """Counts the pairs that are measured."""

    pairs = 0

    def similarity(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        self.pairs += len(left)
        return super().similarity(left, right)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[Counting, np.ndarray]]:
    """Three thousand records of one template, each with a word of its own."""
    texts = [f"{prose('template', 60)} number{n}" for n in range(3000)]
    made = fingerprint(texts, texts, NearDuplicates(), choose_bands(0.7, 256, 0.999))
    with Counting(tmp_path / "shingles.tmp") as shingles:
        shingles.append(made.shingles, made.counts)
        shingles.finish()
        yield shingles, made.bands


def test_a_family_costs_a_few_comparisons_for_each_member(family: tuple[Counting, np.ndarray]) -> None:
    shingles, keys = family
    assert len(list(find_near_duplicates(shingles, keys, np.arange(3000), 0.7))) == 2999
    assert shingles.pairs < 4 * 3000


def test_an_unlike_family_is_noted_with_a_few_comparisons_for_each_member(tmp_path: Path) -> None:
    texts = [f"{prose('template', 120)} {prose(n, 40)}" for n in range(300)]
    made = fingerprint(texts, texts, NearDuplicates(), choose_bands(0.7, 256, 0.999))
    measured = np.full(300, np.nan)
    with Counting(tmp_path / "shingles.tmp") as shingles:
        shingles.append(made.shingles, made.counts)
        shingles.finish()
        assert not list(find_near_duplicates(shingles, made.bands, np.arange(300), 0.7, measured=measured))
        assert shingles.pairs < 24 * 300, "of 150 candidates each"
    assert (np.nan_to_num(measured) > 0.5).sum() > 290


def test_a_family_that_stays_is_grouped_with_a_few_comparisons_for_each_member(family: tuple[Counting, np.ndarray]) -> None:
    shingles, _ = family
    questions = np.arange(6000, dtype=np.uint64).reshape(-1, 2)
    groups = group_records(np.arange(3000), np.arange(3000), questions)
    assert len(np.unique(groups.labels)) == 3000
    groups.join_similar(np.arange(3000), shingles, 0.7)
    assert len(np.unique(groups.labels)) == 1
    assert shingles.pairs < 4 * 3000


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("at_once", [7, 1 << 20])
def test_pair_search_finds_what_brute_force_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: float, at_once: int) -> None:
    monkeypatch.setattr(overlap, "_PAIRS_AT_ONCE", at_once)
    monkeypatch.setattr(overlap, "_ENTRIES_AT_ONCE", at_once)
    texts = [reworded(prose(n % 7, 40), 40 - n) for n in range(35)] + [prose("alone"), "", "one", "one", *variants(random.Random(1), 40)]
    with shingle_file(tmp_path, texts) as shingles:
        everyone = np.random.default_rng(0).permutation(len(texts))
        pairs = [pair for batch in similar_pairs(shingles, everyone, threshold, np.arange(len(texts))) for pair in zip(*batch, strict=True)]
        found = {(int(min(pair)), int(max(pair))) for pair in pairs}
        full = [number for number in range(len(texts)) if shingles.sizes()[number]]
        expected = {(a, b) for a, b in combinations(full, 2) if shingles.similarity(np.array([a]), np.array([b]))[0] >= threshold}
    assert list(tmp_path.iterdir()) == []
    assert found == expected
    assert len(found) >= 1


def test_pair_search_skips_pairs_of_one_label(tmp_path: Path) -> None:
    with shingle_file(tmp_path, [prose("a"), prose("a"), prose("a")]) as shingles:
        found = {pair for pairs in similar_pairs(shingles, np.arange(3), 0.7, np.array([0, 0, 1])) for pair in zip(*pairs, strict=True)}
    assert found == {(0, 2), (1, 2)}


def test_bitmaps_bound_similarity_from_above_and_refuse_unlike_pairs(tmp_path: Path) -> None:
    texts = [*variants(random.Random(2), 60), *(prose(n, 400) for n in range(5)), *(reworded(prose(n, 400), 20) for n in range(5))]
    members = np.random.default_rng(0).permutation(len(texts))
    left, right = np.array(list(combinations(range(len(texts)), 2))).T
    with shingle_file(tmp_path, texts) as shingles:
        similarity = shingles.similarity(members[left], members[right])
        at_most = Bitmaps(shingles, members).at_most(left, right)
    assert (at_most >= similarity).all()
    assert (similarity >= 0.7).sum() > 5
    assert (at_most[similarity < 0.4] >= 0.7).mean() < 0.02


def test_a_search_among_fewer_records_finds_their_pairs_alone(tmp_path: Path) -> None:
    texts = [prose(n // 3) for n in range(30)]

    def search(shingles: ShingleFile, members: np.ndarray, threshold: float) -> set[tuple[int, int]]:
        pairs = [pair for batch in similar_pairs(shingles, members, threshold, np.arange(30)) for pair in zip(*batch, strict=True)]
        return {(int(min(pair)), int(max(pair))) for pair in pairs}

    with shingle_file(tmp_path, texts) as shingles:
        first = search(shingles, np.arange(30), 0.7)
        fewer = search(shingles, np.arange(1, 30)[::-1], 0.7)
        assert fewer == {pair for pair in first if 0 not in pair} != first
        shingles.replace(5, shingles.of(29))
        shingles.reopen()
        assert search(shingles, np.arange(30), 0.7) == first - {(3, 5), (4, 5)} | {(5, 27), (5, 28), (5, 29)}
        assert search(shingles, np.arange(4), 0.7) == {(0, 1), (0, 2), (1, 2)}
        assert search(shingles, np.arange(30), 0.01) >= first - {(3, 5), (4, 5)}
