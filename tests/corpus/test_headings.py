from adapt.corpus.cleaning.headings import plain_to_markdown, title_of
from tests.corpus.corpora import Corpus


def test_underlined_lines_and_lone_questions_become_headings() -> None:
    note = "My notes\n\nFirst part\n----------\nBody one.\n\nWhat is risk?\n\nA chance.\n\n什么是要约？\n要约是意思表示。\n"
    assert plain_to_markdown(note) == (
        "# My notes\n\n## First part\n\nBody one.\n\n## What is risk?\n\nA chance.\n\n## 什么是要约？\n\n要约是意思表示。\n"
    )


def test_title_underlined_with_equals_signs_stays_the_title() -> None:
    body = plain_to_markdown("Big title\n=========\n\nPart\n----\nBody.")
    assert (title_of(body), body) == ("Big title", "# Big title\n\n## Part\n\nBody.")


def test_sections_underlined_with_equals_signs_are_sections() -> None:
    body = plain_to_markdown("One\n===\nBody one.\n\nTwo\n===\nBody two.")
    assert (title_of(body), body) == ("", "## One\n\nBody one.\n\n## Two\n\nBody two.")


def test_lines_that_only_look_like_headings_stay_text() -> None:
    note = (
        "Prose that asks itself\nis this a heading?\nand goes on.\n\nIs it so?\nyes, this sentence goes on.\n\n- item\n----\n\n"
        "Name      Amount\n----------------\n\nTwo lines\nof prose\n--------\n\nThe end?"
    )
    assert plain_to_markdown(note) == note


def test_markdown_keeps_its_body_and_gives_up_its_front_matter(corpus: Corpus) -> None:
    corpus.write("a.md", '---\ntitle: "From front: matter"\ntags: [x]\n---\n\nSetext\n------\n\nBody.\n\n```\n# not a title\nx\n---\n```\n')
    corpus.write("b.md", "---\ntitle: Other\n---\n# Own title #\n\nBody.\n\n---\n\nMore.")
    corpus.write("c.md", "---\n\nA rule above, no front matter.\n\n---\n\nEnd.")
    corpus.build()
    first = corpus.document("a.md")
    assert (first.title, first.text) == ("From front: matter", "## Setext\n\nBody.\n\n```\n# not a title\nx\n---\n```")
    assert corpus.document("b.md").title == "Own title"
    assert corpus.document("c.md").text.startswith("---\n\nA rule above")


def test_text_note_reaches_the_document_unwrapped_and_titled(corpus: Corpus) -> None:
    body = "Interest is charged on the balance still owed, and the rest of\nthe level payment reduces the principal."
    corpus.write("n.txt", f"Mortgages: short answers\r\n\r\nHow is it split?\r\n\r\n{body}\r\n")
    corpus.build()
    document = corpus.document("n.txt")
    assert document.title == "Mortgages: short answers"
    assert document.text == f"# Mortgages: short answers\n\n## How is it split?\n\n{body.replace(chr(10), ' ')}"
