import re
import sys
from itertools import product

import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad

from adapt.corpus.cleaning.characters import _MOJIBAKE, is_settled, normalize_unicode, repair_mojibake, tidy_whitespace
from adapt.corpus.cleaning.wrapping import unwrap


@pytest.mark.parametrize("text", ["It’s “fine” — naïve café £9", "现值等于未来现金流"])
def test_mojibake_is_undone(text: str) -> None:
    garbled = text.encode().decode("cp1252", "ignore") if text.isascii() else text.encode().decode("latin-1")
    assert repair_mojibake(f"Untouched “line”.\n{garbled}") == (f"Untouched “line”.\n{text}", 1)


def test_good_text_is_not_touched_by_mojibake_repair() -> None:
    text = "Curly ‘quotes’, ﬁ ligature, ＡＢＣ，中文：“引号”、½ &amp; Ünïcödé"
    assert repair_mojibake(text) == (text, 0)


@pytest.mark.parametrize(
    ("text", "expected", "touched"),
    [
        ("自２０２１年１月１日起", "自2021年1月1日起", 6),
        ("６％ a year, ｅ＝ｍｃ２", "6% a year, e=mc2", 7),
        ("中文，全角：（标点）！？保留", "中文，全角：（标点）！？保留", 0),
        ("bench\u00admark gall\u200bbladder \ufeffx\u202ey\x07", "benchmark gallbladder xy", 5),
        ("cafe\u0301", "café", 1),
        ("合\u200d同", "合同", 1),
        ("👩\u200d⚕️", "👩\u200d⚕️", 0),
        ("bad \ud800 half", "bad \ufffd half", 1),
    ],
)
def test_characters_are_normalized_and_counted(text: str, expected: str, touched: int) -> None:
    assert normalize_unicode(text) == (expected, touched)


def test_whitespace_is_tidied_but_code_tables_and_lists_keep_theirs() -> None:
    text = (
        "Two  spaces,\u00a0one nbsp.\x0b \r\n\u3000\u3000中文缩进。\n\n\n\nNext\u2028line\n- item\n    - nested  item\n\n"
        "```\nx  =  1\n\n\n\ny   = 2\n```\n| a  | b |\n\nName      Amount\nArden      9,000\n"
    )
    assert tidy_whitespace(text) == (
        "Two spaces, one nbsp.\n中文缩进。\n\nNext\nline\n- item\n    - nested  item\n\n"
        "```\nx  =  1\n\n\n\ny   = 2\n```\n| a  | b |\n\nName      Amount\nArden      9,000"
    )


def test_hard_wrapped_paragraphs_are_joined() -> None:
    english = "A first line that runs to the width of the page and\nis continued here, with a well-\nknown word at its end and a final\nshort one."
    assert "\n" not in unwrap(english)
    assert "a well-known word" in unwrap(english)
    assert unwrap("这是一段被固定宽度折行的中文文字，每行大约二十个字，\n下一行继续，不应当插入空格。") == (
        "这是一段被固定宽度折行的中文文字，每行大约二十个字，下一行继续，不应当插入空格。"
    )
    wrapped = "The ratio that the lender works out from the accounts is about\n1.3, so cash could fall by a quarter."
    assert "\n" not in unwrap(wrapped)


@pytest.mark.parametrize(
    "text",
    [
        "12 High Street\nAnytown\nAB1 2CD",
        "- a first item of the list that is quite long indeed\n- a second item of the list that is quite long too",
        "1. a first item of the list that is quite long indeed\n2. a second item of the list that is quite long too",
        "Name of the customer in full      Amount\nArden Limited of Birmingham        9,000",
        "# A heading of some length above its paragraph, without a gap\nThe paragraph that follows the heading, of like length",
        "```\nsome code that goes on for more than forty columns\nsome code that goes on for more than forty columns\n```",
    ],
)
def test_lines_whose_breaks_are_meant_stay(text: str) -> None:
    assert unwrap(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Plain text, nothing else.",
        "a < b && c",
        "<<2*3=6>>",
        "One.\nTwo.",
        "患者男，64岁，血压 120/80 mmHg……“注意休息”！",
        "He said “no” — that’s all… 90°",
    ],
)
def test_text_without_anything_to_mend_is_settled_at_once(text: str) -> None:
    assert is_settled(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\u200bb",
        "２０",
        "cafe\u0301",
        "a  b",
        "a \nb",
        " a",
        "a\n",
        "a\n\n\nb",
        "a\tb",
        "a\rb",
        "a\u3000b",
        "â€™",
        "a <b> c",
        "&amp;",
        "a\x7f",
        "\ud800",
    ],
)
def test_text_that_some_step_may_touch_is_not_settled(text: str) -> None:
    assert not is_settled(text)


def test_every_short_passage_that_ftfy_mends_gets_past_the_first_check() -> None:
    known = re.compile(f"[{''.join(MOJIBAKE_CATEGORIES.values())}ŒœÃÂà°×√≈Ø\u2013]")
    looked_at = [sign for sign in map(chr, range(0x80, 0x10000)) if known.match(sign)]
    assert len(looked_at) > 300
    for before, after in product(["", "a", "A", " ", "a ", "。"], ["", "a", " ", "。"]):
        passages = (f"{before}{first}{second}{after}" for first, second in product(looked_at, ["", *looked_at]))
        assert [passage for passage in passages if not _MOJIBAKE.search(passage) and is_bad(passage)] == []


@pytest.mark.parametrize("text", ["£20 or 3 × 4 ÷ 2 − ½, at −5 °C", "β受体阻滞剂,≥60岁", "naïve café, “quoted” …"])
def test_signs_that_stand_alone_are_not_looked_at_by_ftfy(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert repair_mojibake(text) == (text, 0)


def test_short_lines_of_a_text_with_columns_elsewhere_are_still_single_spaced() -> None:
    assert tidy_whitespace("a  b\n\nName      Amount\nArden     9\n\n  indented  text \n \t \nend") == (
        "a b\n\nName      Amount\nArden     9\n\n  indented text\n\nend"
    )
