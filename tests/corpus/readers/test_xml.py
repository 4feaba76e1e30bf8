from pathlib import Path

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.errors import InputError
from adapt.records import LedgerRow
from tests.corpus.readers.reads import asked, read

PAGES = """<?xml version="1.0" encoding="UTF-8"?>
<Document id="1"><Focus>Ears</Focus>
<Pairs>
  <Pair><Question type="what">What is an ear?</Question><Answer>It hears &amp; balances.</Answer></Pair>
  <Pair><Question type="why">Why two?</Question><Answer><![CDATA[To tell a < b
    from where.]]></Answer></Pair>
  <Pair><Question type="how">How?</Question><Answer/></Pair>
</Pairs></Document>
"""


def test_records_and_fields_are_found_by_xpath(tmp_path: Path) -> None:
    fields = {"records": ".//Pair", "instruction": "Question", "output": "Answer", "label": "Question/@type", "group": "ancestor::Document/Focus"}
    first, second, third = read(tmp_path / "a.xml", PAGES, fields=fields, licence="CC-BY-4.0")
    assert asked(first) == ("What is an ear?", "", "It hears & balances.")
    assert isinstance(first, Draft)
    assert (first.locator, first.label, first.group, first.licence) == ("record 1", "what", "Ears", "CC-BY-4.0")
    assert asked(second)[2] == "To tell a < b\nfrom where."
    assert third == Rejected("record 3", "missing_field", "There is no answer at 'Answer'.")


def test_children_with_usual_names_need_no_fields(tmp_path: Path) -> None:
    found = read(tmp_path / "a.xml", PAGES, fields={"records": ".//Pair"})
    assert [isinstance(piece, Draft) for piece in found] == [True, True, False]


def test_text_of_elements_keeps_paragraphs_and_joins_what_is_inline(tmp_path: Path) -> None:
    content = "<d><question>Q?</question><answer>\n  <p>One <b>bold</b> word.</p>\n  <p>Two<br/>lines.</p>\n</answer></d>"
    (draft,) = read(tmp_path / "a.xml", content)
    assert asked(draft)[2] == "One bold word.\n\nTwo\nlines."


def test_several_elements_are_lines_and_numbers_are_whole(tmp_path: Path) -> None:
    content = "<d><q>Q?</q><a>One.</a><a>Two.</a></d>"
    (draft,) = read(tmp_path / "a.xml", content, fields={"instruction": "q", "output": "a", "label": "count(a)"})
    assert asked(draft)[2] == "One.\nTwo."
    assert isinstance(draft, Draft)
    assert draft.label == "2"


def test_namespaces_are_written_bare_or_by_their_prefix(tmp_path: Path) -> None:
    content = '<r xmlns="urn:a" xmlns:o="urn:o"><item><q>Q?</q><o:a>A.</o:a></item><item><q>R?</q></item></r>'
    first, second = read(tmp_path / "a.xml", content, fields={"records": "//item", "instruction": "q", "output": "o:a"})
    assert asked(first) == ("Q?", "", "A.")
    assert isinstance(second, Rejected)


def test_entities_and_files_outside_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret words")
    doctype = f'<!DOCTYPE d [<!ENTITY inside "text"><!ENTITY outside SYSTEM "{tmp_path}/secret">]>'
    (draft,) = read(tmp_path / "a.xml", f"{doctype}<d><question>Q?</question><answer>A &outside;&inside; end</answer></d>")
    assert asked(draft)[2] == "A  end"


def test_a_bomb_of_entities_is_harmless(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    found = read(tmp_path / "a.xml", f'<!DOCTYPE d [<!ENTITY e0 "x">{levels}]><d><question>Q?</question><answer>A &e29;</answer></d>')
    assert [asked(piece)[2] for piece in found if isinstance(piece, Draft)] in ([], ["A"])


@pytest.mark.parametrize("content", ["<d><question>", "no xml", "<d>" * 10_000])
def test_broken_xml_is_rejected(tmp_path: Path, content: str) -> None:
    (rejected,) = read(tmp_path / "a.xml", content)
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "unreadable"


def test_declared_and_undeclared_encodings_are_read(tmp_path: Path) -> None:
    body = "<d><question>什么是利息？</question><answer>使用资金的价格，由借款人付给贷款人。</answer></d>"
    (declared,) = read(tmp_path / "a.xml", f'<?xml version="1.0" encoding="GB2312"?>{body}'.encode("gb2312"))
    row, undeclared = read(tmp_path / "b.xml", body.encode("gb18030"))
    assert asked(declared) == asked(undeclared)
    assert isinstance(row, LedgerRow)


def test_large_files_are_read_record_by_record_like_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "<Pair><Question>Q?</Question><Answer>A.</Answer></Pair>" * 500
    content = PAGES.replace("<Document", '<Document xmlns="urn:x"').replace("</Pairs>", f"{more}</Pairs>")
    fields = {"records": ".//Pair", "instruction": "Question", "output": "Answer", "group": "ancestor::Document/Focus"}
    small = read(tmp_path / "a.xml", content, fields=fields)
    monkeypatch.setattr("adapt.corpus.readers.xml._WHOLE", 1000)
    assert read(tmp_path / "a.xml", content, fields=fields) == small
    assert len(small) == 503
    (rejected,) = read(tmp_path / "a.xml", content, fields={"records": ".//Pair[1]"})
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "too_large"


def test_what_is_no_xpath_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.output: 'Answer\[' cannot be used as an XPath"):
        read(tmp_path / "a.xml", PAGES, fields={"records": ".//Pair", "output": "Answer["})


def test_a_path_to_no_records_is_said(tmp_path: Path) -> None:
    assert read(tmp_path / "a.xml", PAGES, fields={"records": ".//Nothing"}) == [
        Rejected("", "missing_field", "There are no records at './/Nothing'.")
    ]
