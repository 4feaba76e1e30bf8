"""Word files written element by element; what they say is known from the standard (ISO/IEC 29500-1), not from the reader."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from adapt.corpus.readers.omml import write_latex
from tests.corpus.readers.reads import read
from tests.corpus.readers.test_documents import only

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
SPACES = (
    f'xmlns:w="{W}" xmlns:m="{M}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" xmlns:v="urn:schemas-microsoft-com:vml"'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
OVERRIDE = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def docx(body: str, **notes: str) -> bytes:
    """A Word file with this body, and with `footnotes` or `endnotes` beside it."""
    import docx as library

    plain = io.BytesIO()
    library.Document().save(plain)
    made = io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for name in source.namelist():
            content = source.read(name).decode("utf-8", "surrogateescape")
            if name == "word/document.xml":
                content = f"<w:document {SPACES}><w:body>{body}</w:body></w:document>"
            for kind in notes:
                if name == "word/_rels/document.xml.rels":
                    entry = f'<Relationship Id="r{kind}" Type="{RELATIONS}/{kind}" Target="{kind}.xml"/>'
                    content = content.replace("</Relationships>", f"{entry}</Relationships>")
                if name == "[Content_Types].xml":
                    entry = f'<Override PartName="/word/{kind}.xml" ContentType="{OVERRIDE}.{kind}+xml"/>'
                    content = content.replace("</Types>", f"{entry}</Types>")
            package.writestr(name, content.encode("utf-8", "surrogateescape"))
        for kind, content in notes.items():
            package.writestr(f"word/{kind}.xml", f"<w:{kind} {SPACES}>{content}</w:{kind}>")
    return made.getvalue()


def p(content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def r(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def deleted(text: str) -> str:
    return f'<w:del w:id="1"><w:r><w:delText xml:space="preserve">{text}</w:delText></w:r></w:del>'


def inserted(content: str) -> str:
    return f'<w:ins w:id="2">{content}</w:ins>'


def texts(tmp_path: Path, body: str, **notes: str) -> dict[str, Any]:
    """The draft of each state."""
    content = docx(body, **notes)
    return {state: only(read(tmp_path / "a.docx", content, tracked_changes=state)) for state in ("final", "original")}


CHANGES = {
    "word": (p(r("He may ") + inserted(r("not ")) + r("go.")), "He may not go.", "He may go."),
    "deleted word": (p(r("He may ") + deleted("not ") + r("go.")), "He may go.", "He may not go."),
    "both": (p(r("It is ") + deleted("ten") + inserted(r("twelve")) + r(" days.")), "It is twelve days.", "It is ten days."),
    "moved": (
        p(r("A. ") + f'<w:moveFrom w:id="3">{r("Moved.")}</w:moveFrom>') + p(r("B. ") + f'<w:moveTo w:id="4">{r("Moved.")}</w:moveTo>'),
        "A.\n\nB. Moved.",
        "A. Moved.\n\nB.",
    ),
    "paragraph joined": (p(r("One "), '<w:rPr><w:del w:id="5"/></w:rPr>') + p(r("two.")), "One two.", "One\n\ntwo."),
    "paragraph divided": (p(r("One "), '<w:rPr><w:ins w:id="6"/></w:rPr>') + p(r("two.")), "One\n\ntwo.", "One two."),
    "within a link": (p(f"<w:hyperlink>{r('a ')}{inserted(r('new '))}{r('page')}</w:hyperlink>"), "a new page", "a page"),
    "nested": (p(r("x ") + inserted(f"{r('kept ')}{deleted('gone ')}") + r("y")), "x kept y", "x y"),
}


@pytest.mark.parametrize(("body", "final", "original"), CHANGES.values(), ids=CHANGES)
def test_one_state_of_tracked_changes_is_read(tmp_path: Path, body: str, final: str, original: str) -> None:
    found = texts(tmp_path, body)
    assert (found["final"].text, found["original"].text) == (final, original)


def test_what_a_state_leaves_out_is_counted(tmp_path: Path) -> None:
    found = texts(tmp_path, p(r("a") + deleted("four") + inserted(r("sixsix"))))
    counts = {state: [(edit.rule, edit.score) for edit in draft.edits] for state, draft in found.items()}
    assert counts == {"final": [("settle_tracked_changes", 4)], "original": [("settle_tracked_changes", 6)]}


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/>{''.join(rows)}</w:tbl>"


def tr(*cells: str, properties: str = "") -> str:
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cells)}</w:tr>"


def tc(content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"


def test_rows_that_were_added_or_deleted(tmp_path: Path) -> None:
    rows = [tr(tc(p(r("Item"))), tc(p(r("Price")))), tr(tc(p(r("old"))), tc(p(r("1"))), properties="<w:del/>")]
    rows += [tr(tc(p(r("new"))), tc(p(r("2"))), properties="<w:ins/>"), tr(tc(p(r("both"))), tc(p(r("3"))))]
    found = texts(tmp_path, table(*rows))
    assert found["final"].text == "| Item | Price |\n| --- | --- |\n| new | 2 |\n| both | 3 |"
    assert found["original"].text == "| Item | Price |\n| --- | --- |\n| old | 1 |\n| both | 3 |"


def test_cells_that_span_and_tables_in_cells(tmp_path: Path) -> None:
    inner = table(tr(tc(p(r("a"))), tc(p(r("b")))), tr(tc(p(r("c"))), tc(p(r("d")))))
    rows = [
        tr(tc(p(r("wide")), '<w:gridSpan w:val="2"/>'), tc(p(r("last")))),
        tr(tc(p(r("tall")), '<w:vMerge w:val="restart"/>'), tc(p(r("1"))), tc(p(r("in: ")) + inner)),
        tr(tc(p(""), "<w:vMerge/>"), tc(p(r("2"))), f"<w:sdt><w:sdtContent>{tc(p(r('control')))}</w:sdtContent></w:sdt>"),
    ]
    lines = texts(tmp_path, table(*rows))["final"].text.splitlines()
    assert lines == ["| wide |  | last |", "| --- | --- | --- |", "| tall | 1 | in: a, b; c, d |", "| tall | 2 | control |"]


FIELD = '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> REF x </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
WRAPPED = {
    "content control": f"<w:sdt><w:sdtPr/><w:sdtContent>{r('inside')}</w:sdtContent></w:sdt>",
    "simple field": f'<w:fldSimple w:instr="REF x">{r("inside")}</w:fldSimple>',
    "field of parts": f'{FIELD}{r("inside")}<w:r><w:fldChar w:fldCharType="end"/></w:r>',
    "smart tag": f'<w:smartTag w:element="place">{r("inside")}</w:smartTag>',
    "custom XML": f"<w:customXml>{r('inside')}</w:customXml>",
    "link": f"<w:hyperlink>{r('inside')}</w:hyperlink>",
    "a tag in a control in an insertion": inserted(f"<w:sdt><w:sdtContent><w:smartTag>{r('inside')}</w:smartTag></w:sdtContent></w:sdt>"),
    "ruby": f"<w:r><w:ruby><w:rt>{r('above')}</w:rt><w:rubyBase>{r('inside')}</w:rubyBase></w:ruby></w:r>",
}


@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED)
def test_text_is_read_whatever_stands_around_it(tmp_path: Path, content: str) -> None:
    assert texts(tmp_path, p(r("Before ") + content + r(" after.")))["final"].text == "Before inside after."
    if not content.startswith("<w:r>"):
        return
    assert texts(tmp_path, table(tr(tc(p(content)), tc(p(r("x"))))))["final"].text.splitlines()[0] == "| inside | x |"


def test_a_control_around_paragraphs_and_tables(tmp_path: Path) -> None:
    body = f"<w:sdt><w:sdtContent>{p(r('One.'))}<w:customXml>{p(r('Two.'))}</w:customXml></w:sdtContent></w:sdt>{p(r('Three.'))}"
    assert texts(tmp_path, body)["final"].text == "One.\n\nTwo.\n\nThree."


def box(text: str) -> str:
    return f"<w:txbxContent>{p(r(text))}</w:txbxContent>"


def test_text_boxes_stand_once_behind_their_paragraph(tmp_path: Path) -> None:
    shape = f"<w:drawing><wps:wsp><wps:txbx>{box('In the box.')}</wps:txbx></wps:wsp></w:drawing>"
    older = f"<w:pict><v:shape><v:textbox>{box('In the box.')}</v:textbox></v:shape></w:pict>"
    both = f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{shape}</mc:Choice><mc:Fallback>{older}</mc:Fallback></mc:AlternateContent></w:r>'
    for content in (both, f"<w:r>{older}</w:r>"):
        assert texts(tmp_path, p(r("Before.") + content) + p(r("After.")))["final"].text == "Before.\n\nIn the box.\n\nAfter."


def test_notes_stand_at_the_end_and_marks_where_they_are(tmp_path: Path) -> None:
    def note(identity: int, text: str) -> str:
        return f'<w:footnote w:id="{identity}">{p(r(text))}</w:footnote>'

    def mark(kind: str, identity: int) -> str:
        return f'<w:r><w:{kind}Reference w:id="{identity}"/></w:r>'

    footnotes = note(-1, "separator") + note(1, "Never referred to.") + note(2, "See the annex.") + note(3, "And the map.")
    endnotes = note(2, "At the very end.").replace("w:footnote", "w:endnote")
    body = p(r("It ends") + mark("footnote", 3) + r(" in May.") + mark("footnote", 2)) + p(r("Really.") + mark("endnote", 2))
    text = texts(tmp_path, body, footnotes=footnotes, endnotes=endnotes)["final"].text
    assert text == "It ends[^1] in May.[^2]\n\nReally.[^3]\n\n[^1]: And the map.\n\n[^2]: See the annex.\n\n[^3]: At the very end."


def test_hidden_runs_and_comments_are_left_out_and_counted(tmp_path: Path) -> None:
    shown = r(" shown", '<w:vanish w:val="0"/>')
    draft = texts(tmp_path, p(r("Seen,") + r(" hidden", "<w:vanish/>") + shown + '<w:commentRangeStart w:id="1"/>' + r(".")))["final"]
    assert draft.text == "Seen, shown."
    assert [(edit.rule, edit.score) for edit in draft.edits] == [("drop_hidden_text", len("hidden"))]


def test_signs_that_are_elements(tmp_path: Path) -> None:
    hyphens = "<w:t>a</w:t><w:noBreakHyphen/><w:t>b</w:t><w:softHyphen/><w:t>c</w:t>"
    parts = f'<w:r>{hyphens}<w:tab/><w:sym w:font="Symbol" w:char="2265"/><w:br/><w:t>d</w:t></w:r>'
    assert texts(tmp_path, p(parts))["final"].text == "a-bc\t≥\nd"


def test_headings_by_the_outline_of_their_paragraph(tmp_path: Path) -> None:
    body = p(r("Title"), '<w:outlineLvl w:val="0"/>') + p(r("Part"), '<w:outlineLvl w:val="1"/>') + p(r("Text."), '<w:outlineLvl w:val="9"/>')
    draft = texts(tmp_path, body)["final"]
    assert (draft.title, draft.text) == ("Title", "# Title\n\n## Part\n\nText.")


def mr(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def e(text: str) -> str:
    return f"<m:e>{mr(text)}</m:e>"


FORMULAS = {
    "fraction": (f"<m:f><m:num>{mr('a')}</m:num><m:den>{mr('b')}</m:den></m:f>", r"\frac{a}{b}"),
    "binomial": (
        f'<m:f><m:fPr><m:type m:val="noBar"/></m:fPr><m:num>{mr("n")}</m:num><m:den>{mr("k")}</m:den></m:f>',
        r"\binom{n}{k}",
    ),
    "power": (f"<m:sSup>{e('x')}<m:sup>{mr('10')}</m:sup></m:sSup>", "x^{10}"),
    "power of a sum": (f"<m:sSup>{e('ab')}<m:sup>{mr('2')}</m:sup></m:sSup>", "{ab}^{2}"),
    "index": (f"<m:sSub>{e('x')}<m:sub>{mr('i')}</m:sub></m:sSub>", "x_{i}"),
    "root": (f"<m:rad><m:deg/>{e('2')}</m:rad>", r"\sqrt{2}"),
    "cube root": (f"<m:rad><m:deg>{mr('3')}</m:deg>{e('x')}</m:rad>", r"\sqrt[3]{x}"),
    "sum": (
        f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{mr("i=1")}</m:sub><m:sup>{mr("n")}</m:sup>{e("i")}</m:nary>',
        r"\sum_{i=1}^{n} i",
    ),
    "integral": (f"<m:nary><m:sub>{mr('0')}</m:sub><m:sup>{mr('1')}</m:sup>{e('x')}</m:nary>", r"\int_{0}^{1} x"),
    "parentheses": (f"<m:d>{e('a+b')}</m:d>", r"\left(a+b\right)"),
    "one brace": (f'<m:d><m:dPr><m:begChr m:val="{{"/><m:endChr m:val=""/></m:dPr>{e("x")}</m:d>', r"\left\{x\right."),
    "function": (f"<m:func><m:fName>{mr('sin')}</m:fName>{e('x')}</m:func>", r"\sin x"),
    "matrix": (f"<m:m><m:mr>{e('1')}{e('0')}</m:mr><m:mr>{e('0')}{e('1')}</m:mr></m:m>", r"\begin{matrix} 1 & 0 \\ 0 & 1 \end{matrix}"),
    "letters and signs": (mr("α≤β"), r"\alpha \le \beta"),
    "what is not known": (f"<m:borderBox>{e('x')}</m:borderBox>", "x"),
}


@pytest.mark.parametrize(("content", "latex"), FORMULAS.values(), ids=FORMULAS)
def test_formulas_are_written_as_latex(tmp_path: Path, content: str, latex: str) -> None:
    assert write_latex(etree.fromstring(f"<m:oMath {SPACES}>{content}</m:oMath>")) == latex
    inline = texts(tmp_path, p(r("So ") + f"<m:oMath>{content}</m:oMath>" + r(" holds.")))["final"].text
    assert inline == f"So ${latex}$ holds."
    shown = texts(tmp_path, p(f"<m:oMathPara><m:oMath>{content}</m:oMath></m:oMathPara>") + p(r("holds.")))["final"].text
    assert shown == f"$${latex}$$\n\nholds."


def test_no_letter_of_the_final_state_is_lost(tmp_path: Path) -> None:
    """All text elements of a file with everything in it, against what lxml finds in its XML, in their order."""
    body = "".join(body for body, _, _ in CHANGES.values()) + "".join(p(content) for content in WRAPPED.values())
    tree = etree.fromstring(f"<w:body {SPACES}>{body}</w:body>")
    gone = {f"{{{W}}}{name}" for name in ("del", "moveFrom", "rt")}
    kept = [text.text or "" for text in tree.iter(f"{{{W}}}t") if not any(above.tag in gone for above in text.iterancestors())]
    text = texts(tmp_path, body)["final"].text
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", "".join(kept))
