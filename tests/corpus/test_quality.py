import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapt.corpus.draft import Draft
from adapt.corpus.quality.lines import measure_lines, prose_of
from adapt.corpus.quality.measure import measure
from adapt.corpus.quality.plain import is_plain, measure_plain
from adapt.corpus.quality.repetition import repetition_of_characters, repetition_of_words
from adapt.corpus.quality.signals import Measured, signals_of
from adapt.records import Signals


def signals(body: str) -> Signals:
    return Signals(**signals_of(body, 1.0)._asdict())


def test_measured_are_the_fields_of_the_signals_in_their_order() -> None:
    assert Measured._fields == tuple(Signals.model_fields)


@given(st.text(st.sampled_from("的是一二十病痛占位文字。。。，、（）！"), min_size=1, max_size=60))
@settings(derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_lines_of_plain_chinese_are_measured_as_all_others_are(line: str) -> None:
    assert not is_plain(line) or measure_plain([line, "好。", line], [0.7, 1.0, 0.7]) == [
        signals_of(body, sure) for body, sure in ((line, 0.7), ("好。", 1.0), (line, 0.7))
    ]


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
    assert measure_lines(prose_of(f"Prose.\n{line}")).bullet_lines == 0.5


@pytest.mark.parametrize(
    "line", ["3.5 million", "-5 degrees", "2023 was good", "5、6月份气温升高", "一名患者", "Anna slept", "*stressed* word", "1990.", "十分好"]
)
def test_lines_that_only_begin_like_items_are_none(line: str) -> None:
    assert measure_lines(prose_of(f"Prose.\n{line}")).bullet_lines == 0


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
    assert set(repetition_of_words(("short", "answer"))) == {0.0}
    assert set(repetition_of_characters("是的")) == {0.0}
    assert set(repetition_of_words(())) == set(repetition_of_characters("")) == {0.0}


@pytest.mark.parametrize("times", [2, 40, 400])
def test_long_and_short_texts_are_measured_alike(times: int) -> None:
    words = tuple(f"w{number}" for number in range(12))
    assert repetition_of_words(words * times)[3:] == (1.0, 1.0)
    assert repetition_of_words(words * times).top_2gram == pytest.approx(6 / 26)  # of pairs that are as common the longest, w10 w11
    assert repetition_of_characters("甲乙丙丁戊己庚辛壬癸子丑" * times).top_2gram == pytest.approx(4 / 12)


def test_arrays_and_dictionaries_agree_on_texts_of_the_same_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["".join("甲乙丙丁戊"[(number * number * factor) % 11 % 5] for number in range(90)) for factor in range(1, 8)]
    short = [(repetition_of_characters(text), repetition_of_words(tuple(text))) for text in texts]
    monkeypatch.setattr("adapt.corpus.quality.repetition._LONG", 1)
    assert [(repetition_of_characters(text), repetition_of_words(tuple(text))) for text in texts] == short


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
    assert measure([draft])[0][1].words == words
