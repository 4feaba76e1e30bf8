import pytest

from adapt.corpus.cleaning.markup import strip_markup
from adapt.corpus.draft import Draft


def stripped(text: str, instruction: str = "Why?") -> tuple[str, int]:
    return strip_markup(text, Draft("a.csv", "row 1", "question", instruction=instruction, output=text))


@pytest.mark.parametrize(
    ("text", "plain", "marks"),
    [
        ("<p>Take <b>one</b> a day.</p><p>Not with milk &amp; cheese.</p>", "Take one a day.\n\nNot with milk & cheese.", 7),
        ("First line.<br>Second line.<br/>Third", "First line.\nSecond line.\nThird", 2),
        ("<p>药物的<strong>不良反应</strong>包括：</p><ul><li>头痛</li><li>恶心</li></ul>", "药物的不良反应包括：\n\n- 头痛\n- 恶心", 10),
        ("Keep\nits <i>own</i> lines.", "Keep\nits own lines.", 2),
        ("H<sub>2</sub>O at\nx<sup>2</sup>", "H2O at\nx^2", 4),
        ("<P>Upper<BR>case</P>", "Upper\ncase", 3),
        ('See <a href="https://example.org/?a=1">the notes</a>.', "See the notes.", 2),
        ("<p>One.</p>\n\nTwo.\n\nThree.", "One.\n\nTwo.\n\nThree.", 2),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "| a | b |\n| --- | --- |\n| 1 | 2 |", 14),
        ("Marks &amp; Co. owe 5 &lt; 6 &#8364;", "Marks & Co. owe 5 < 6 €", 3),
        ("&lt;p&gt;Escaped as a whole.&lt;/p&gt;", "Escaped as a whole.", 6),
        ("&amp;lt;div&amp;gt;Escaped twice.", "Escaped twice.", 5),
        ("<p>If a &lt; b then stop.</p>", "If a < b then stop.", 3),
    ],
)
def test_markup_is_unwrapped_and_counted(text: str, plain: str, marks: int) -> None:
    assert stripped(text) == (plain, marks)


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d", "if (a < b && c > d) return a;", "List<int> xs = new List<int>();", "std::vector<b> v", "x<b>y", "1 <p 2 and 3> 4",
        "Write <br> for a new line.", "R&D; AT&T; x &notareference; y", "#include <iostream>\nint main() {\n}", "<unk> and <s>tokens</s>",
        "Mail <someone@example.org> or <https://example.org>.", "<!-- note --> <p>x</p>", "`<p>` and `</p>`", "```\n<p>x</p>\n```",
        "<script>alert(1)</script><p>x</p>", "for (i = 0; i < n; i++) {\n  <b>x</b>\n}", "<li", "&", "<",
    ],
)  # fmt: skip
def test_code_sums_and_unknown_tags_stay(text: str) -> None:
    assert stripped(text) == (text, 0)


@pytest.mark.parametrize("question", ["Write an HTML page.", "怎么写一个网页？", "What does the em tag do?", "Give me a React component."])
def test_answers_of_drafts_that_speak_of_markup_stay(question: str) -> None:
    assert stripped("<p>Hello <b>you</b></p>", question) == ("<p>Hello <b>you</b></p>", 0)


def test_ordinary_words_that_only_resemble_those_of_markup_do_not_matter() -> None:
    assert stripped("<p>An allergic <b>reaction</b>.</p>", "How successful is the advantage of stages?") == ("An allergic reaction.", 4)


@pytest.mark.parametrize("tag", ["ul><li", "blockquote><p"])
def test_text_below_absurdly_nested_elements_is_not_lost(tag: str) -> None:
    text = f"<{tag}>" * 400 + "deep" + "</ul>" * 3
    kept, _ = stripped(text)
    assert "deep" in kept


def test_reference_that_was_escaped_without_end_is_resolved_a_few_times() -> None:
    assert stripped("&" + "amp;" * 5000) == ("&" + "amp;" * 4997, 3)
