"""PDF pages whose lines were placed by hand: what stands where is known, whatever the reader makes of it."""

import random
from pathlib import Path

import pytest

from tests.corpus.readers.reads import read
from tests.corpus.readers.test_documents import Placed, only, pdf

LEFT = [
    "The treasurer keeps the accounts of the",
    "society and lays them before the board in",
    "spring, together with a plan for the year",
    "that has begun and a list of all members",
    "who have not paid what they owe to it.",
]
RIGHT = [
    "The secretary writes the minutes of each",
    "meeting and sends them to all who were",
    "invited, within ten days, so that nobody",
    "has to rely on memory when the next one",
    "takes up what was left open in this one.",
]
THIRD = [
    "The librarian lends books to members only",
    "and asks for them again after four weeks,",
    "by letter first and by telephone later on,",
    "and in the end the society buys another",
    "copy and sends the bill to the borrower.",
]


def column(lines: list[str], left: float, top: float = 700.0, size: float = 9.0) -> list[Placed]:
    return [(left, top - 12 * number, size, line) for number, line in enumerate(lines)]


def text_of(tmp_path: Path, *pages: list[Placed]) -> str:
    return only(read(tmp_path / "a.pdf", pdf(*pages))).text


def assert_in_order(text: str, *columns: list[str]) -> None:
    words = " ".join(text.split())
    places = [words.index(" ".join(lines)) for lines in columns]
    assert places == sorted(places)


@pytest.mark.parametrize("order", ["by column", "by line", "at random", "from the right"])
def test_columns_are_read_one_after_the_other_however_they_were_drawn(tmp_path: Path, order: str) -> None:
    page = column(LEFT, 60) + column(RIGHT, 320)
    if order == "by line":
        page.sort(key=lambda placed: -placed[1])
    elif order == "at random":
        random.Random(3).shuffle(page)
    elif order == "from the right":
        page = page[5:] + page[:5]
    assert_in_order(text_of(tmp_path, page), LEFT, RIGHT)


def test_columns_whose_lines_stand_at_other_heights(tmp_path: Path) -> None:
    assert_in_order(text_of(tmp_path, column(LEFT, 60, 700) + column(RIGHT, 320, 694.5)), LEFT, RIGHT)


def test_three_columns_below_a_heading_over_all_and_above_a_last_line_over_all(tmp_path: Path) -> None:
    heading = [(40.0, 760.0, 16.0, "What the officers of the society do for its members in a year")]
    last = [(40.0, 600.0, 7.0, "Passed by the members in their meeting in spring, and to be read out again in the next one; all rest as it was.")]
    page = heading + column(LEFT, 40, size=7) + column(RIGHT, 215, size=7) + column(THIRD, 390, size=7) + last
    page.sort(key=lambda placed: -placed[1])
    text = text_of(tmp_path, page)
    assert text.startswith("# What the officers of the society do")
    assert_in_order(text, LEFT, RIGHT, THIRD)
    assert text.endswith("all rest as it was.")


def test_a_table_is_read_across(tmp_path: Path) -> None:
    rows = [("Year", "Members", "Fees"), ("2021", "412", "8,240"), ("2022", "398", "7,960"), ("2023", "431", "8,620"), ("2024", "440", "8,800")]
    page = [(60.0 + 150 * place, 700.0 - 14 * number, 10.0, cell) for place in range(3) for number, cell in enumerate(row[place] for row in rows)]
    assert text_of(tmp_path, page).splitlines() == [" ".join(row) for row in rows]


def test_a_list_of_names_and_numbers_is_read_across(tmp_path: Path) -> None:
    rows = [
        (f"Account of the branch in {town}", amount) for town, amount in (("Bath", "12"), ("Hull", "7"), ("Ely", "31"), ("York", "5"), ("Wells", "9"))
    ]
    page = [(60.0, 700.0 - 14 * number, 10.0, name) for number, (name, _) in enumerate(rows)]
    page += [(400.0, 700.0 - 14 * number, 10.0, amount) for number, (_, amount) in enumerate(rows)]
    assert text_of(tmp_path, page).splitlines() == [" ".join(row) for row in rows]


@pytest.mark.parametrize("numbers", [range(100, 106), range(300, 330, 5), [7, 3, 9, 1, 4, 2]])
def test_forms_of_one_layout_keep_their_lines(tmp_path: Path, numbers: list[int]) -> None:
    pages = [
        [
            (60.0, 780.0, 11.0, "Delivery note"),
            (60.0, 762.0, 11.0, f"Order {number}"),
            (60.0, 744.0, 11.0, f"Boxes: {number % 7}"),
            (60.0, 60.0, 11.0, f"Weight {number} kg"),
        ]
        for number in numbers
    ]
    text = text_of(tmp_path, *pages)
    for number in numbers:
        assert f"Order {number}\nBoxes: {number % 7}" in text
        assert f"Weight {number} kg" in text


HEADS = {
    "text and number": lambda page: f"Annual report {page + 3}",
    "number alone, far into a volume": lambda page: f"{page + 812}",
    "of so many": lambda page: f"Page {page + 1} of 9",
    "Chinese": lambda page: f"- {page + 1} -",
    "the same": lambda page: "House rules of the society",
    "left and right": lambda page: "House rules" if page % 2 else "The society",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_running_heads_and_feet_are_dropped_and_counted(tmp_path: Path, head) -> None:
    bodies = [[LEFT, RIGHT, THIRD][page % 3] for page in range(9)]
    for height in (800.0, 30.0):
        pages = [[(60.0, height, 8.0, head(page)), *column(bodies[page], 60, 640 + page)] for page in range(9)]
        draft = only(read(tmp_path / "a.pdf", pdf(*pages)))
        assert not any(head(page) in draft.text.splitlines() for page in range(9))
        assert [(edit.rule, edit.score) for edit in draft.edits] == [("drop_page_furniture", 9)]
        assert len(draft.text.split()) == sum(len(line.split()) for body in bodies for line in body)


def test_what_repeats_in_the_text_of_pages_is_no_running_head(tmp_path: Path) -> None:
    pages = [column([*LEFT[:2], f"Paragraph {page}.", *LEFT[2:]], 60, 500) for page in range(5)]
    assert text_of(tmp_path, *pages).count(LEFT[0]) == 5


@pytest.mark.parametrize(
    ("before", "raised", "after", "expected"),
    [
        ("About 10", "6", "cells", "About 10^6 cells"),
        ("A dose of 10", "-3", "mol", "A dose of 10^-3 mol"),
        ("A room of 20 m", "2", "for two", "A room of 20 m^2 for two"),
        ("As the court held", "12", "in spring", "As the court held[12] in spring"),
        ("The end.", "3", "Then more", "The end.[3] Then more"),
    ],
)
def test_raised_digits_are_exponents_or_marks_of_notes(tmp_path: Path, before: str, raised: str, after: str, expected: str) -> None:
    # Helvetica's widths of these letters, in thousandths of the size of the type (Adobe's font metrics)
    metrics = {**dict.fromkeys("abdeghnopqu012", 5.56), **dict.fromkeys("cksvxyz", 5.0), **dict.fromkeys("ft .", 2.78)}
    metrics |= {**dict.fromkeys("ijl", 2.22), "r": 3.33, "m": 8.33, "w": 7.22, "A": 6.67, "T": 6.11}
    width = sum(metrics[letter] for letter in before)
    line = [(60.0, 700.0, 10.0, before), (60.0 + width, 704.0, 6.0, raised), (60.0 + width + 3.4 * len(raised) + 2.8, 700.0, 10.0, after)]
    body = [(60.0, 688.0 - 12 * number, 10.0, text) for number, text in enumerate(LEFT)]
    assert text_of(tmp_path, line + body).splitlines()[0] == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["The contract is long-", "term, and long-term ones cost more."], "long-term, and"),
        (["A self-", "made man: self and made are words, and self or made once more."], "A self-made man"),
        (["Inter-", "est is paid."], "Interest is paid"),
        (["The years 2020-", "2024 were good."], "2020- 2024"),
    ],
)
def test_hyphens_at_the_end_of_a_line(tmp_path: Path, lines: list[str], expected: str) -> None:
    assert expected in " ".join(text_of(tmp_path, column(lines, 60)).split())


def test_type_that_is_scaled_by_a_matrix_has_its_size_on_paper(tmp_path: Path) -> None:
    page = [(60.0, 780.0, 20.0, "Bonds in brief"), *column(LEFT, 60)]
    content = pdf(page)
    scaled = pdf([(60.0, 780.0, 20.0, "Bonds in brief"), *column(LEFT, 60)])
    for size, left, bottom in ((20.0, 60.0, 780.0), *((9.0, 60, 700.0 - 12 * number) for number in range(5))):
        plain = f"BT /F1 {size} Tf {left} {bottom} Td".encode()
        assert plain in scaled
        matrix = f"BT /F1 1 Tf {size} 0 0 {size} {left} {bottom} Tm".encode()
        scaled = scaled.replace(plain, matrix)
    # PDFium finds the objects of a file whose table of places is wrong
    assert only(read(tmp_path / "scaled.pdf", scaled)).text == only(read(tmp_path / "plain.pdf", content)).text
