import io
import zipfile
from pathlib import Path

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import Piece, read

Placed = tuple[float, float, float, str]
"""Left, bottom and size in points, and text."""


def pdf(*pages: list[Placed]) -> bytes:
    """A PDF of lines set in Helvetica."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"]
    kids = []
    for page in pages:
        shown = "\n".join(f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET" for x, y, size, text in page).encode("latin-1")
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown))
        objects.append(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>>>>>" % len(objects))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(kids), len(kids))
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


def only(found: list[Piece]) -> Draft:
    (draft,) = found
    assert isinstance(draft, Draft), draft
    return draft


def test_pdf_headings_paragraphs_and_lists_are_told_by_type_and_place(tmp_path: Path) -> None:
    page = [
        (60.0, 780.0, 20.0, "Bonds in brief"),
        (60.0, 740.0, 14.0, "What is a bond?"),
        (60.0, 720.0, 10.0, "A bond is a loan to a company"),
        (60.0, 708.0, 10.0, "or a government."),
        (60.0, 684.0, 10.0, "Its price falls as rates rise."),
        (60.0, 672.0, 10.0, "\225 read the terms"),
    ]
    draft = only(read(tmp_path / "a.pdf", pdf(page), licence="MIT"))
    assert draft.title == "Bonds in brief"
    assert draft.text == (
        "# Bonds in brief\n\n\n## What is a bond?\n\nA bond is a loan to a company\nor a government.\n\n"
        "Its price falls as rates rise.\n- read the terms"
    )
    assert (draft.kind, draft.wrapped, draft.licence) == ("text", True, "MIT")


def test_running_heads_and_page_numbers_of_a_pdf_are_dropped_and_noted(tmp_path: Path) -> None:
    pages = [
        [(60.0, 800.0, 8.0, "House rules"), (60.0, 700.0, 10.0, f"Rule {name} is short and"), (60.0, 30.0, 8.0, f"Page {number}")]
        for number, name in enumerate(("one", "two", "three"), 1)
    ]
    draft = only(read(tmp_path / "a.pdf", pdf(*pages)))
    assert draft.text == "Rule one is short and\nRule two is short and\nRule three is short and"
    assert [(edit.rule, edit.score) for edit in draft.edits] == [("drop_page_furniture", 6)]


def test_words_broken_at_line_ends_are_joined_in_a_pdf(tmp_path: Path) -> None:
    page = [(60.0, 700.0, 10.0, "A well-known loan pays inter-"), (60.0, 688.0, 10.0, "est and is well-"), (60.0, 676.0, 10.0, "known.")]
    assert " ".join(only(read(tmp_path / "a.pdf", pdf(page))).text.split()) == "A well-known loan pays interest and is well-known."


@pytest.mark.parametrize(
    ("content", "rule"), [(b"%PDF-1.4 cut", "unreadable"), (b"no pdf", "unreadable"), (pdf([]), "no_content"), (b"", "empty_file")]
)
def test_pdfs_without_text_are_rejected(tmp_path: Path, content: bytes, rule: str) -> None:
    (rejected,) = read(tmp_path / "a.pdf", content)
    assert isinstance(rejected, Rejected)
    assert rejected.rule == rule


def word(**parts: str) -> bytes:
    """A Word file with headings, a list and a table; `parts` are put beside its own."""
    import docx

    document = docx.Document()
    document.add_heading("Leave", 0)
    document.add_paragraph("Who may take leave.")
    document.add_heading("How much?", 2)
    document.add_paragraph("First", style="List Bullet")
    document.add_paragraph("Second", style="List Bullet")
    document.add_paragraph("Count", style="List Number")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip([*table.rows[0].cells, *table.rows[1].cells], ["Years", "Days", "1", "25"], strict=True):
        cell.text = text
    file = io.BytesIO()
    document.save(file)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return file.getvalue()


def test_word_headings_lists_and_tables_become_markdown(tmp_path: Path) -> None:
    draft = only(read(tmp_path / "a.docx", word(), fields={"label": {"constant": "policy"}}))
    table = "| Years | Days |\n| --- | --- |\n| 1 | 25 |"
    assert draft.text == f"# Leave\n\nWho may take leave.\n\n## How much?\n\n- First\n- Second\n1. Count\n\n{table}"
    assert (draft.title, draft.label) == ("Leave", "policy")


@pytest.mark.parametrize("content", [b"no zip", word()[:-100], b"PK\3\4" + b"\0" * 100])
def test_files_that_are_no_word_document_are_rejected(tmp_path: Path, content: bytes) -> None:
    (rejected,) = read(tmp_path / "a.docx", content)
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "unreadable"


def test_a_word_file_that_is_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path / "a.docx", word(**{"word/bomb.xml": "0" * (8 << 20)}), limits=Limits(max_record_mib=4))
    assert rejected == Rejected("", "too_large", "The file, or a part of it, is larger unpacked than corpus.limits allow.")


def test_a_text_that_was_not_utf8_has_the_repair_among_its_edits(tmp_path: Path) -> None:
    draft = only(read(tmp_path / "a.txt", "Prices in pounds (£) and a café’s bill.\n".encode("cp1252"), licence="CC0-1.0"))
    assert "£" in draft.text
    assert [edit.rule for edit in draft.edits] == ["repair_encoding"]
    assert draft.licence == "CC0-1.0"


def test_constants_of_the_spec_are_put_to_documents(tmp_path: Path) -> None:
    fields = {"date": {"constant": "2 March 2024"}, "group": {"constant": "manual"}, "licence": {"constant": "MIT"}}
    draft = only(read(tmp_path / "a.md", "# Title\r\n\r\nText.\r\n", fields=fields))
    assert (draft.title, draft.date, draft.group, draft.licence) == ("Title", "2024-03-02", "manual", "MIT")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_texts_longer_than_a_record_may_be_are_rejected(tmp_path: Path, name: str) -> None:
    (rejected,) = read(tmp_path / name, "word " * 300_000, limits=Limits(max_record_mib=1))
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "too_large"
