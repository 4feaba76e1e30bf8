import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapt.corpus.draft import Draft
from adapt.corpus.quality.measure import measure
from adapt.corpus.quality.signals import measure_signals, rounded
from adapt.records import Signals
from adapt.spec.corpus import CorpusSpec
from tests.corpus.plain_signals import plain_signals

PIECES = (
    *"的是一二十病痛，、（）！。.…#{}`~|-=*_ 1aTé\ufffd\t\u3000",
    "\n", "\n\n", "the ", "The", "be", "占位文字", "lorem ipsum ", "Lorem Ipsum", "```", "~~~\n", "# ", "## a", "| a |", "---", "- ", "1. ", "①",
    "（一）", "一、", "(a) ", "[insert name here]", "【此处填写】", "...", "。。。", "word ", "word ", "甲乙丙丁", "甲乙丙丁", "”",
    '"', "A b ", "\U00020000", "\ud800",
)  # fmt: skip
BODIES = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=30)


def all_signals(*bodies: str) -> list[Signals]:
    columns = measure_signals(bodies)
    rows = zip(*([None if math.isnan(value) else value for value in values.tolist()] for values in columns.values()), strict=True)
    return [Signals(language_confidence=1.0, **dict(zip(columns, row, strict=True))) for row in rows]


def signals(*bodies: str) -> Signals:
    """The signals of the first body, measured beside the others."""
    return all_signals(*bodies)[0]


def test_every_signal_is_measured() -> None:
    assert {"language_confidence", *measure_signals(["One."])} == set(Signals.model_fields)


@given(st.lists(BODIES, min_size=1, max_size=6))
@settings(derandomize=True, database=None, deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
def test_many_bodies_are_measured_as_the_definitions_say_of_each(bodies: list[str]) -> None:
    bodies = [re.sub("[İΣς]", "", body) for body in bodies]  # letters whose small form depends on what stands beside them: here it does not
    assert all_signals(*bodies) == [plain_signals(body) for body in bodies]


def test_pages_are_cut_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = ["The cat and the cat.", "病痛，病痛。", "", "# Title\n\nA line.\nA line."]
    whole = measure_signals(bodies)
    monkeypatch.setattr("adapt.corpus.quality.signals._AT_ONCE", 1)
    cut = measure_signals(bodies)
    assert all(np.array_equal(whole[name], cut[name], equal_nan=True) for name in whole)
    assert all(len(values) == 0 for values in measure_signals([]).values())


@pytest.mark.parametrize("value", [1 / 160, 3 / 20000, 1 / 32, 2 / 3, 12345.5, 0.0, 1.0])
def test_rounding_is_that_of_decimals(value: float) -> None:
    assert rounded(np.array([value]))[0] == round(value, 4)


def test_letters_with_two_small_forms_are_one_letter() -> None:
    assert signals("ΟΔΟΣ ΟΔΟΣ οδος οδος οδος").top_2gram > 0.9
    assert signals("İki").mean_word_length == 3


def test_words_and_their_lengths_in_english() -> None:
    found = signals("The cat, aged 9, sat. It slept - soundly...")
    assert (found.words, found.mean_word_length) == (8, round((3 + 3 + 4 + 1 + 3 + 2 + 5 + 7) / 8, 4))
    assert found.alphabetic_words == round(7 / 9, 4)  # the dash is a word too, and "9," has no letter
    assert found.symbols_per_word == round(1 / 8, 4)
    assert found.stop_words == 1


def test_words_of_chinese_are_pairs_of_characters_and_have_no_length() -> None:
    found = signals("这是2023年的报告，收入增长了……#总结")
    assert (found.words, found.mean_word_length) == (13 / 2 + 1, None)
    assert found.symbols_per_word == round(2 / 7.5, 4)
    assert found.stop_words == 3  # 是 的 了


def test_letters_of_chinese_are_held_against_all_characters() -> None:
    assert signals("利率是百分之五，或5%。").alphabetic_words == round(8 / 12, 4)
    assert signals("1+1=2；3+3=6").alphabetic_words == 0


def test_stop_words_of_both_languages_count_each_once() -> None:
    assert signals("The rate of the loan and the fee that they have to pay.").stop_words == 6
    assert signals("合同的条款和附件是有效的，不得更改。").stop_words == 5  # 的 和 是 有 不
    assert signals("Kurz und gut.").stop_words == 0


def test_text_without_words_has_no_means() -> None:
    found = signals("……")
    assert (found.words, found.mean_word_length, found.symbols_per_word, found.alphabetic_words) == (0, None, None, 0)
    assert signals("").alphabetic_words is None


@pytest.mark.parametrize(
    "line",
    ["- one", "* one", "• one", "·甲", "1. one", "12) one", "(a) one", "a) one", "（一）甲", "一、甲", "3、甲", "1.甲", "①甲", "●甲"],
)
def test_items_of_lists_are_recognised(line: str) -> None:
    assert signals(f"Prose.\n{line}").bullet_lines == 0.5


@pytest.mark.parametrize(
    "line", ["3.5 million", "-5 degrees", "2023 was good", "5、6月份气温升高", "一名患者", "Anna slept", "*stressed* word", "1990.", "十分好"]
)
def test_lines_that_only_begin_like_items_are_none(line: str) -> None:
    assert signals(f"Prose.\n{line}").bullet_lines == 0


def test_shares_of_lines_in_english() -> None:
    found = signals(
        "A line that is longer than thirty characters ends here.\nShort one.\nAnother line without an end that is long enough\nAnd so on...\n- item"
    )
    assert (found.bullet_lines, found.ellipsis_lines, found.punctuated_lines, found.short_lines) == (0.2, 0.2, 0.75, 0.5)


def test_shares_of_lines_in_chinese() -> None:
    found = signals("这是一行超过十五个汉字的完整句子，到此结束。\n短句！\n这一行很长但是没有写完也没有任何标点符号\n未完……\n“好的。”")
    assert (found.ellipsis_lines, found.punctuated_lines, found.short_lines) == (0.2, 0.8, 0.6)


@pytest.mark.parametrize("end", [".", "!", "?", "。", "！", "？", "…", '."', "。”", "！）", ".)", ".**", "。』"])
def test_ends_of_sentences(end: str) -> None:
    assert signals(f"Text{end}").punctuated_lines == 1


@pytest.mark.parametrize("end", ["", ",", "，", ":", "：", "；", ")", "”", " the"])
def test_what_ends_no_sentence(end: str) -> None:
    assert signals(f"Text{end}").punctuated_lines == 0


def test_code_tables_and_headings_are_no_bad_prose() -> None:
    prose = "A sentence of the prose that is long enough to be none of the short ones."
    body = f"# Title\n\n{prose}\n\n```\nx = {{1}}\nx = {{1}}\n```\n\n| 1 | 2 |\n| --- | --- |\n| 1 | 2 |\n| 1 | 2 |\n\n---\n\n## Part\n\n## Part"
    whole, alone = signals(body).model_dump(), signals(prose).model_dump()
    assert whole.pop("words") == alone.pop("words") + 13
    assert whole == alone


def test_body_of_code_alone_breaks_no_bound_on_lines() -> None:
    found = signals("```\nx = 1\nx = 1\n```")
    assert (found.punctuated_lines, found.short_lines, found.duplicate_lines, found.duplicate_paragraphs) == (1, 0, 0, 0)


def test_repeated_lines_and_paragraphs() -> None:
    found = signals("aaaa\nbb\n\naaaa\nbb\n\ncc\naaaa")
    assert found.duplicate_lines == 0.5
    assert found.duplicate_line_characters == round((4 + 2 + 4) / (4 + 2 + 4 + 2 + 2 + 4), 4)
    assert found.duplicate_paragraphs == round(1 / 3, 4)


def test_repeated_pairs_and_runs_of_words() -> None:
    found = signals("one two red one two blue one two")
    assert found.top_2gram == round(3 * 6 / (3 * 6 + 3 + 4), 4)
    assert (found.top_3gram, found.duplicate_5gram) == (0, 0)
    again = signals("a b c d e f. X y. A b c d e g")
    assert again.duplicate_5gram == round(10 / 14, 4)
    assert again.duplicate_10gram == 0


def test_repeated_characters_of_chinese_are_counted_by_twice_the_number() -> None:
    found = signals("甲乙丙丁，戊己甲乙丙丁庚")
    assert found.top_2gram == round(8 / 11, 4)
    assert found.top_3gram == 0
    assert signals("一二三四五六七八九十。甲。一二三四五六七八九十").duplicate_5gram == round(20 / 21, 4)


def test_nothing_that_occurs_once_is_repetition() -> None:
    for body in ("short answer", "是的", "", "a", "甲乙"):
        found = signals(body)
        assert {found.top_2gram, found.top_3gram, found.top_4gram, found.duplicate_5gram, found.duplicate_10gram} == {0.0}


def test_words_of_the_same_letters_are_not_the_same_words() -> None:
    assert signals("15 6 16 5 156 1 56").top_2gram == 0


@pytest.mark.parametrize("times", [2, 40, 400])
def test_short_and_long_texts_are_measured_alike(times: int) -> None:
    found = signals(" ".join([f"w{number}" for number in range(12)] * times))
    assert (found.duplicate_5gram, found.duplicate_10gram) == (1.0, 1.0)
    assert found.top_2gram == round(6 / 26, 4)  # of pairs that are as common the longest, w10 w11
    assert signals("甲乙丙丁戊己庚辛壬癸子丑" * times).top_2gram == round(4 / 12, 4)


def test_only_the_beginning_of_a_very_long_text_is_searched_for_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.quality.repetition._MOST", 4)
    assert signals("a b c d a b c d", "x y x y").top_2gram == 0
    assert signals("x y x y", "a b c d a b c d").top_2gram == 1


def test_braces_placeholders_and_lost_characters() -> None:
    found = signals("Fill {this} in: Lorem ipsum dolor. [Insert name here] 【此处填写姓名】 \ufffd")
    assert found.curly_braces == round(2000 / 64, 4)
    assert found.placeholders == 3
    assert found.replacement_characters == round(1 / 64, 4)
    assert signals("See [your notes] and [1].").placeholders == 0


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft("a", "", "text", title="Not counted here", text="Two words"), 2),
        (Draft("a", "", "question", instruction="Not counted", input="nor this", output="Three short words"), 3),
        (Draft("a", "", "preference", instruction="Not counted", output="One", rejected="Not counted either"), 1),
        (
            Draft("a", "", "chat", messages=(("system", "No"), ("user", "not"), ("assistant", "yes two"), ("user", "no"), ("assistant", "和三四"))),
            3.5,
        ),
    ],
)
def test_body_is_what_would_be_learned(draft: Draft, words: float) -> None:
    assert measure([draft], CorpusSpec())[1]["words"].tolist() == [words]


def test_what_the_spec_leaves_out_is_not_measured() -> None:
    languages, columns = measure([Draft("a", "", "text", text="Three short words")], CorpusSpec(language="zh", measure_quality=False))
    assert languages == ["zh"]
    assert {name: values.tolist() for name, values in columns.items()} == {"language_confidence": [1.0]}
