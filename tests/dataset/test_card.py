import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adapt.artifact.digest import digest_text
from adapt.dataset.figures import count_families
from adapt.dataset.plots import Bars, draw_bars, shorten
from adapt.records import Document
from tests.dataset.made import Built, question, questions
from tests.dataset.texts import prose


def test_card_shows_the_figures(tmp_path: Path) -> None:
    documents = [*questions(30), *questions(10, source="zh.csv", language="zh"), question("Is it?", "No.", source="s|t.csv")]
    card = (Built(tmp_path, documents).out / "card.md").read_text(encoding="utf-8")
    assert "40 records in Alpaca form, made from 41 documents." in card
    assert "| documents | 41 |\n| records made | 41 |\n| too_short | -1 |\n| records kept | 40 |\n| train | 32 |" in card
    assert "| train | 32 | 80.0% |" in card
    assert "| zh | 8 | 1 | 1 |" in card
    assert "| (not known) | 32 | 4 | 4 |" in card
    assert "No duplicates were found." in card
    assert "0 pairs of records of similarity 0.7 or more" in card
    assert "max_top_2gram" not in card


def test_card_names_the_form_of_pairs(tmp_path: Path) -> None:
    pairs = [
        Document(
            id=digest_text(str(n)), source="pairs.jsonl", locator=f"line {n + 1}", kind="preference", language="en",
            instruction=prose((n, "q"), 9), output=prose((n, "good")), rejected=prose((n, "bad")),
        )
        for n in range(20)
    ]  # fmt: skip
    card = (Built(tmp_path, pairs, form="preference").out / "card.md").read_text(encoding="utf-8")
    assert "20 records with a better and a worse answer, made from 20 documents." in card


def test_card_shows_mixing_and_copies_and_contamination(tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text(f'{{"question": "{prose("eval", 40)}"}}\n', encoding="utf-8")
    documents = [*questions(30, source="a|b.csv"), *questions(10, source="c.csv"), question("What?", prose("eval", 40))]
    built = Built(
        tmp_path, documents,
        mixing={"weights": {"c.csv": 3}}, augmentation=[{"method": "noise"}], decontamination={"against": ["eval.jsonl"]},
    )  # fmt: skip
    card = (built.out / "card.md").read_text(encoding="utf-8")
    assert r"| a\|b.csv | 24 | 25.0% | 26.2% | 11 | 13 |" in card
    assert "| copies by noise |" in card
    assert re.search(r"\| eval\.jsonl:[^|]+ \| 1 \|", card)


def test_every_plot_that_the_card_links_is_there(tmp_path: Path) -> None:
    built = Built(tmp_path, [*questions(20), *questions(4)])
    links = re.findall(r"!\[\w+\]\((.+?)\)", (built.out / "card.md").read_text(encoding="utf-8"))
    assert sorted(links) == sorted(path.relative_to(built.out).as_posix() for path in (built.out / "plots").iterdir())
    for link in links:
        assert ElementTree.fromstring((built.out / link).read_text(encoding="utf-8")).tag.endswith("svg")


def test_bars_are_as_long_as_their_values_and_text_is_escaped() -> None:
    picture = ElementTree.fromstring(
        draw_bars("A & B", [Bars("<one>", (60, 30, 10)), Bars("two", (50, 0, 0)), Bars("none", (0, 0, 0))], ("x", "y", "z"))
    )
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width", 0)) for bar in picture.findall(f"{space}rect") if bar.get("height") == "15"]
    assert widths == [240, 120, 40, 200]
    texts = [text.text for text in picture.findall(f"{space}text")]
    assert texts == ["A & B", "x", "y", "z", "<one>", "100", "two", "50", "none", "0"]


def test_a_chart_of_nothing_says_so() -> None:
    assert ">none</text>" in draw_bars("Empty", [])


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("short.csv", "short.csv"),
        ("a/very/long/name.csv", "a/ver…me.csv"),
        ("医疗问答数据集.csv", "医疗…集.csv"),
        ("", ""),
    ],
)
def test_long_labels_lose_their_middle_and_wide_letters_count_twice(label: str, shown: str) -> None:
    assert shorten(label, 12) == shown


def test_families_follow_winners_that_went_themselves() -> None:
    families = count_families({1: 0, 2: 1, 3: 2, 5: 4, 6: 9})
    assert [(family.records, family.families) for family in families] == [(2, 2), (4, 1)]
    assert count_families({}) == ()


def test_the_card_says_that_translations_were_not_compared(tmp_path: Path) -> None:
    alone = Built(tmp_path, questions(20), "one")
    both = Built(tmp_path, [*questions(20), *questions(20, source="zh.csv", language="zh")], "two")
    assert "Translations" not in (alone.out / "card.md").read_text()
    assert "Translations of one record in several splits were not looked for" in (both.out / "card.md").read_text()
