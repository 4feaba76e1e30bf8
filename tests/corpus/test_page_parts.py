"""Formulas, code, tables, hidden text and site furniture of pages, as the tools that write such pages emit them."""

import pytest

from adapt.corpus.extraction.page import extract

PROSE = (
    "<p>A lender who is repaid early may ask for a fee, and the contract has to name how that fee is worked out.</p>"
    "<p>The fee falls with the time that is left, so a loan in its last year can be repaid at hardly any cost.</p>"
)


def text_of(part: str, *, after: str = "") -> str:
    """The text of a page with `part` between paragraphs of an article, less those paragraphs."""
    page = f"<html><body><main><h1>Early repayment</h1>{PROSE}{part}<p>That is all there is to say.</p>{after}</main></body></html>"
    text = extract(page, keep_adverts=False).text
    assert "how that fee is worked out" in text
    assert "That is all" in text
    begin, end = text.index("hardly any cost.") + len("hardly any cost."), text.index("That is all")
    return (text[begin:end] + text[end + len("That is all there is to say.") :]).strip()


@pytest.mark.parametrize(
    ("page", "formula"),
    [
        (
            '<p>So <span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>E</mi></mrow>'
            '<annotation encoding="application/x-tex">E = mc^2</annotation></semantics></math></span>'
            '<span class="katex-html" aria-hidden="true"><span>E</span><span>=</span><span>mc2</span></span></span> holds.</p>',
            "So $E = mc^2$ holds.",
        ),
        (
            '<p>So <span class="MathJax_Preview">[preview]</span><span class="MathJax" id="MathJax-1"><nobr>drawn</nobr></span>'
            '<script type="math/tex">\\sum_i x_i</script> holds.</p>',
            "So $\\sum_i x_i$ holds.",
        ),
        (
            "<p>So <mjx-container><svg><text>drawn</text></svg><mjx-assistive-mml><math><msqrt><mi>x</mi></msqrt></math>"
            "</mjx-assistive-mml></mjx-container> holds.</p>",
            "So $\\sqrt{x}$ holds.",
        ),
        (
            '<p>So <span class="mwe-math-element"><span style="display: none;"><math alttext="{\\displaystyle a^{2}}">'
            '<mi>a</mi></math></span><img alt="{\\displaystyle a^{2}}"></span> holds.</p>',
            "So $a^{2}$ holds.",
        ),
        (
            "<p>So <math><mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac><mo>=</mo><msubsup><mi>c</mi><mn>1</mn><mi>n</mi>"
            "</msubsup></math> holds.</p>",
            "So $\\frac{a}{b^{2}} = c_{1}^{n}$ holds.",
        ),
        ("<p>So x<sup>2</sup> + y<sup>n+1</sup> and CO<sub>2</sub> hold.</p>", "So x^2 + y^n+1 and CO2 hold."),
    ],
    ids=["KaTeX", "MathJax 2", "MathJax 3", "Wikipedia", "MathML", "exponents"],
)
def test_formula_is_written_once(page: str, formula: str) -> None:
    assert text_of(page) == formula


CODE = "```\nfor row in rows:\n    print(row)\n\nprint(1)\n```"


@pytest.mark.parametrize(
    "page",
    [
        '<table class="highlighttable"><tr><td class="linenos"><div class="linenodiv"><pre>1\n2\n3\n4</pre></div></td>'
        '<td class="code"><div class="highlight"><pre>for row in rows:\n    print(row)\n\nprint(1)\n</pre></div></td></tr></table>',
        '<table><tbody><tr><td class="blob-num" data-line-number="1"></td><td class="blob-code">for row in rows:</td></tr>'
        '<tr><td class="blob-num" data-line-number="2"></td><td class="blob-code">    print(row)</td></tr>'
        '<tr><td class="blob-num" data-line-number="3"></td><td class="blob-code"></td></tr>'
        '<tr><td class="blob-num" data-line-number="4"></td><td class="blob-code">print(1)</td></tr></tbody></table>',
        '<pre><code><span class="lineno">1 </span>for row in rows:\n<span class="lineno">2 </span>    print(row)\n'
        '<span class="lineno">3 </span>\n<span class="lineno">4 </span>print(1)</code></pre>',
        "<pre><code>for row in rows:<br>    print(row)<br><br>print(1)</code></pre>",
        "<pre><div>for row in rows:</div><div>    print(row)</div><div></div><div>print(1)</div></pre>",
    ],
    ids=["Pygments", "one row a line", "numbers in the line", "line breaks", "an element a line"],
)
def test_code_keeps_its_lines_without_their_numbers(page: str) -> None:
    assert text_of(page) == CODE


def test_table_in_a_table_is_written_into_its_cell() -> None:
    page = (
        "<table><tr><th>Plan</th><th>Fee</th></tr><tr><td>A</td><td>by term: <table><tr><td>1 year</td><td>5%</td></tr>"
        "<tr><td>2 years</td><td>6%</td></tr></table></td></tr><tr><td>B</td><td>none</td></tr></table>"
    )
    assert text_of(page) == "| Plan | Fee |\n| --- | --- |\n| A | by term: 1 year, 5%; 2 years, 6% |\n| B | none |"


def test_figures_in_a_table_are_no_line_numbers() -> None:
    page = "<table><tr><td>1</td><td>one</td></tr><tr><td>2</td><td>two</td></tr></table>"
    assert text_of(page) == "| 1 | one |\n| --- | --- |\n| 2 | two |"


@pytest.mark.parametrize(
    "attributes",
    [
        "hidden", 'hidden=""', 'aria-hidden="true"', 'style="display:none"', 'style="color:red; DISPLAY : none !important"',
        'style="visibility:hidden"', 'style="position:absolute; left:-9999px"', 'style="text-indent:-5000px"',
        'style="position:absolute;clip:rect(0, 0, 0, 0)"', 'style="font-size:0"', 'style="opacity:0"', 'class="sr-only"',
        'class="note screen-reader-text"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["p", "div", "section", "span"])
def test_hidden_text_never_enters(attributes: str, tag: str) -> None:
    assert text_of(f"<{tag} {attributes}>Text that no reader of the page has ever seen on a screen.</{tag}>") == ""


@pytest.mark.parametrize(
    "attributes", ['aria-hidden="false"', 'style="opacity:0.9"', 'style="font-size:0.9em"', 'style="left:-20px"', 'hidden="until-found"', ""]
)
def test_text_that_only_resembles_hidden_text_stays(attributes: str) -> None:
    assert text_of(f"<div {attributes}><p>This one is seen.</p></div>") == "This one is seen."


LINKS = "".join(f'<li><a href="/{number}">Another story, number {number}</a></li>' for number in range(5))


@pytest.mark.parametrize(
    "part",
    [
        f"<h2>Most read today</h2><ul>{LINKS}</ul>",
        f"<h3>Related articles</h3><ul>{LINKS}</ul>",
        f"<h3>Das könnte Sie auch interessieren</h3><ul>{LINKS}</ul>",
        f"<h2>相关阅读</h2><ul>{LINKS}</ul>",
        '<div><h4>Share this</h4><ul><li><a href="https://f.example/s">Facebook</a></li><li><a href="https://x.example/s">X</a></li></ul></div>',
        '<p><a href="/other">Read more: what banks charge in other countries</a></p>',
        '<p>Lea también: <a href="/otra">Los bancos suben sus comisiones otra vez</a></p>',
        "<h3>Comments</h3><p>3 comments</p>",
    ],
)
def test_pointers_to_other_pages_inside_the_article_go(part: str) -> None:
    assert text_of(part) == ""


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("<h2>Share capital</h2><p>It is paid in by members.</p>", "## Share capital\n\nIt is paid in by members."),
        ("<h2>Related parties</h2><p>They are named in the notes.</p>", "## Related parties\n\nThey are named in the notes."),
        ('<h2><a href="#fees">Fees</a></h2><p>They fall.</p>', "## Fees\n\nThey fall."),
        (f"<h2>Sources</h2><ul>{LINKS}</ul>", "## Sources\n\n" + "\n".join(f"- Another story, number {n}" for n in range(5))),
    ],
)
def test_parts_of_the_article_that_resemble_such_pointers_stay(part: str, text: str) -> None:
    assert text_of(part) == text


def test_page_that_holds_the_symbols_of_the_marks_keeps_them() -> None:
    assert text_of("<p>In Braille, ⠓⠑⠇⠇⠕ is hello, and ⠁⠃ are a and b; boxes are drawn with ┌─┐ and └─┘.</p>") == (
        "In Braille, ⠓⠑⠇⠇⠕ is hello, and ⠁⠃ are a and b; boxes are drawn with ┌─┐ and └─┘."
    )


def test_tables_in_tables_in_tables_are_read_once_and_in_bounded_time() -> None:
    """Each cell once, however deep; rendering took twice as long with each level."""
    inner = "<table><tr><td>deepest</td><td>cell</td></tr></table>"
    for level in range(40):
        beside = f"<table><tr><td>beside {level}</td></tr></table>"
        head = "<tr><th>level</th><th>content</th></tr>"
        inner = f"<table>{head}<tr><td>{level}</td><td>{inner}{beside}</td></tr></table>"
    text = extract(f"<html><body><h1>Levels</h1>{inner}</body></html>", keep_adverts=False).text
    assert text.count("deepest, cell") == 1
    assert [text.count(f"beside {level}") for level in (0, 1)] == [1, 11]  # 1, and 10 to 19


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("<dl><dt><a href='1.jpg'><img src='1.jpg'></a></dt></dl><dl><dt><img src='2.jpg'></dt><dd></dd></dl>", ""),
        ("<dl><dt>Rate: net</dt><dd>5%</dd><dd>from May</dd><dt></dt><dd>No term.</dd></dl>", "- Rate: net: 5%; from May\n- No term."),
        ("<ul><li>\u200b</li><li>one</li><li>\ufeff&nbsp;</li></ul>", "- one"),
        ("<p>one</p><p>\u200b</p><h3>\u200b</h3><p>two</p>", "one\n\ntwo"),
    ],
)
def test_what_shows_nothing_leaves_nothing(part: str, text: str) -> None:
    assert text_of(part) == text


HEADLINES = [f"What the council said of plan {number} on Monday" for number in range(4)]
LINKED_LIST = "".join(f'<li><a href="/story/{number}">{headline}</a></li>' for number, headline in enumerate(HEADLINES))
CARDS = "".join(
    f'<div class="tile"><a href="/s/{number}"><img src="{number}.jpg"><h3>{headline}</h3></a><p>The plan was read out.</p></div>'
    for number, headline in enumerate(HEADLINES)
)
ARTICLES = "".join(
    f'<article class="teaser"><h2><a href="/s/{number}">{headline}</a></h2><p>By a reporter, at noon.</p></article>'
    for number, headline in enumerate(HEADLINES)
)


@pytest.mark.parametrize("length", [1, 12], ids=["short article", "long article"])
@pytest.mark.parametrize(
    "part",
    [
        f'<div class="recirc"><h4>From our newsroom</h4><ul>{LINKED_LIST}</ul></div>',
        f"<section><h2>More stories</h2><ol>{LINKED_LIST}</ol></section>",
        f"<h3>Keep going</h3><ul>{LINKED_LIST}</ul>",
        f'<div class="grid">{CARDS}</div>',
        f"<h2>Today</h2><div>{ARTICLES}</div>",
        "<aside><p>Get the paper for two coins a week, and have it at your door.</p></aside>",
        '<aside class="promo-box-newsletter-x1"><h3>Stay close</h3><p>One letter each week.</p></aside>',
    ],
    ids=["box of links", "ordered list", "bare list", "cards", "articles", "aside", "aside with heading"],
)
def test_teasers_behind_the_article_go(part: str, length: int) -> None:
    article = PROSE * length
    page = f"<html><body><main><h1>Early repayment</h1>{article}{part}</main></body></html>"
    text = extract(page, keep_adverts=False).text
    assert text.count("how that fee is worked out") == length
    assert text.endswith("hardly any cost.")


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        (f"<main><h1>Index</h1><p>All that was said.</p><ul>{LINKED_LIST}</ul></main>", HEADLINES),
        (f"<main><h1>Shop</h1><p>Our tiles.</p><div>{CARDS}</div></main>", HEADLINES),
        (f"<main><h1>Repayment</h1>{PROSE}<h2>References</h2><ul>{LINKED_LIST}</ul></main>", HEADLINES),
        (f"<main><h1>Repayment</h1>{PROSE}<h2>参考文献</h2><ul>{LINKED_LIST}</ul></main>", HEADLINES),
        (f"<main><h1>Repayment</h1><p>These were read:</p><ul>{LINKED_LIST}</ul>{PROSE}</main>", HEADLINES),
        (
            f"<main><h1>Repayment</h1>{PROSE}<ul><li><a href='#a'>The fee of the lender</a></li><li><a href='#b'>The time that is left</a></li>"
            "<li><a href='#c'>The cost of it all</a></li></ul></main>",
            ["The fee of the lender"],
        ),
        (f"<main><h1>Repayment</h1>{PROSE}<aside class='admonition note'><p>Fees are capped by law.</p></aside></main>", ["Fees are capped by law."]),
        (f"<main><h1>Repayment</h1>{PROSE}<aside role='doc-footnote'><p>As of May.</p></aside></main>", ["As of May."]),
        (
            f"<main><h1>Repayment</h1>{PROSE}<ul><li><a href='/a'>Fee</a>: what the lender asks for when a loan is repaid early.</li>"
            "<li><a href='/b'>Term</a>: the time that is left until then.</li><li><a href='/c'>Cap</a>: what the law allows.</li></ul></main>",
            ["what the lender asks for"],
        ),
    ],
    ids=["index", "shop", "references", "chinese references", "list before prose", "contents", "note", "footnote", "explained links"],
)
def test_links_that_are_the_content_stay(page: str, kept: list[str]) -> None:
    text = extract(f"<html><body>{page}</body></html>", keep_adverts=False).text
    assert all(line in text for line in kept)


def test_an_article_that_only_readers_without_scripts_get_is_read() -> None:
    page = (
        "<html><body><div class='post'><h2>Early repayment</h2><script type='text/template'><p>Not this.</p></script>"
        f"<noscript>{PROSE * 3}</noscript></div></body></html>"
    )
    assert extract(page, keep_adverts=False).text.count("how that fee is worked out") == 3
    beside = f"<html><body><main>{PROSE * 4}<noscript>{PROSE * 3}<p>Please turn scripts on.</p></noscript></main></body></html>"
    assert extract(beside, keep_adverts=False).text.count("how that fee is worked out") == 4
