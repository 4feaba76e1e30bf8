import pytest

from adapt.corpus.extraction.page import extract

BODY = "A sentence of the page that is long enough to be told from a link."


def text_of(html: str) -> str:
    return extract(html, keep_adverts=False).text


def test_headings_lists_tables_and_code_survive() -> None:
    page = (
        "<article><h1>Big <em>T</em></h1>"
        "<p>Intro with <code>x=1</code>, a <a href='/k'>link</a>,\n mc<sup>2</sup>, (1+r)<sup>-n</sup>, H<sub>2</sub>O."
        "</p>"
        "<h2>Steps</h2><ol start=3><li>one<ul><li>a</li><li>b</li></ul></li><li><p>two</p></li></ol>"
        "<h3>Code</h3><pre><code>def f(x):\n    return x | 1\n</code></pre>"
        "<table><caption>Sizes</caption><tr><th>a|b</th><th>c</th></tr><tr><td rowspan=2>1<br>2</td><td>x</td></tr><tr><td>y</td></tr></table>"
        "<dl><dt>Term</dt><dd>meaning</dd></dl><blockquote><p>Quoted.</p></blockquote><p># 1 in line<br>second line</p></article>"
    )
    assert text_of(page) == (
        "# Big T\n\nIntro with `x=1`, a link, mc^2, (1+r)^-n, H2O.\n\n"
        "## Steps\n\n3. one\n   - a\n   - b\n4. two\n\n"
        "### Code\n\n```\ndef f(x):\n    return x | 1\n```\n\n"
        "Sizes\n\n| a\\|b | c |\n| --- | --- |\n| 1 2 | x |\n| 1 2 | y |\n\n"
        "- Term: meaning\n\n> Quoted.\n\n\\# 1 in line\nsecond line"
    )


@pytest.mark.parametrize(
    "clutter",
    [
        "<nav><a>GONE</a></nav>", "<header><span>GONE</span></header>", "<footer>GONE</footer>", "<script>GONE</script>", "<style>GONE</style>",
        '<form class="comment-form"><label>GONE</label></form>', '<div class="cookie-banner" id="cookie-consent">GONE</div>',
        '<div id="gdpr-cookie-notice">GONE</div>', '<div class="share-buttons">GONE</div>', '<div class="social">GONE</div>',
        '<section class="related"><h3>GONE</h3></section>', '<div class="newsletter-box">GONE</div>', '<div role="navigation">GONE</div>',
        '<aside class="ad"><p>GONE</p></aside>', '<div class="adSlot-3">GONE</div>', '<div class="banner sponsored">GONE</div>',
        '<div class="advertisement" data-x=1>GONE</div>', "<p>Sponsored: GONE</p>", "<div>【广告】GONE</div>", '<p class="byline">GONE</p>',
        '<section class="comments"><article class="comment">GONE</article></section>',
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", ["<main><h1>T</h1>{}<p>" + BODY + "</p></main>", "<h1>T</h1><div>{}</div><p>" + BODY + "</p>"])
def test_clutter_goes_inside_and_outside_a_marked_content(clutter: str, frame: str) -> None:
    assert text_of(f"<html><body>{frame.format(clutter)}</body></html>") == f"# T\n\n{BODY}"


@pytest.mark.parametrize(
    "name",
    [
        "share-capital", "related-party-transactions", "ad-hoc-arbitration", "shadow", "loading", "address", "advertising-law", "social-security",
        "comment-letters", "footer-notes", "banner-law", "promotion-rules", "menu-labelling", "newsletter-duties", "consent", "legal", "badge",
    ],
)  # fmt: skip
def test_sections_whose_class_only_resembles_clutter_survive(name: str) -> None:
    page = f'<article><h1>T</h1><section class="{name}" id="{name}"><h2>Part</h2><p>{BODY}</p></section></article>'
    assert text_of(page) == f"# T\n\n## Part\n\n{BODY}"


def test_adverts_are_counted_by_block_and_can_be_kept() -> None:
    page = '<main><p>Text.</p><aside class="ad"><div class="ad-inner"><p>Buy.</p></div></aside><div class="promo banner">Sale.</div></main>'
    dropped, kept = extract(page, keep_adverts=False), extract(page, keep_adverts=True)
    assert (dropped.text, dropped.adverts) == ("Text.", 2)
    assert (kept.text, kept.adverts) == ("Text.\n\nBuy.\n\nSale.", 0)


def test_title_is_the_h1_else_the_title_element() -> None:
    assert extract("<title>Tab</title><header><h1>Site</h1></header><article><h1>Own</h1><p>x</p></article>", keep_adverts=False).title == "Own"
    assert extract("<title>Tab</title><header><h1>Above</h1></header><main><p>x</p></main>", keep_adverts=False).title == "Above"
    assert extract("<title> Tab\n text </title><main><p>x</p></main>", keep_adverts=False).title == "Tab text"


def test_page_without_marked_content_loses_its_link_lists_only() -> None:
    page = (
        "<div><a href=a>Home</a> <a href=b>About us</a></div><table><tr><td><ul><li><a>Nav</a></li></ul></td><td><h2>问题一？</h2>正文没有段落标签。"
        f"<h2>Second</h2><p>{BODY}</p></td></tr></table><aside>Beside.</aside>"
    )
    assert text_of(page) == f"## 问题一？\n\n正文没有段落标签。\n\n## Second\n\n{BODY}"


def test_every_article_of_a_list_and_a_closing_list_of_links_stay() -> None:
    page = f"<body><article><h2>One</h2><p>{BODY}</p></article><article><h2>Two</h2><p>{BODY}</p><ul><li><a>Source</a></li></ul></article></body>"
    assert text_of(page) == f"## One\n\n{BODY}\n\n## Two\n\n{BODY}\n\n- Source"


def test_folded_answers_become_sections() -> None:
    page = "<main><h1>FAQ</h1><details><summary>Is it so?</summary><p>It is.</p></details><details><summary>Why?</summary>Because.</details></main>"
    assert text_of(page) == "# FAQ\n\n## Is it so?\n\nIt is.\n\n## Why?\n\nBecause."


def test_page_wrapped_in_a_form_keeps_its_content() -> None:
    assert text_of(f"<body><form><div><h2>Part</h2><p>{BODY}</p><input></div></form></body>") == f"## Part\n\n{BODY}"


@pytest.mark.parametrize("page", ["", "<html></html>", "<p>", "<!-- x -->", "<div>" * 3000])
def test_page_without_text_is_empty(page: str) -> None:
    assert text_of(page) == ""


def test_absurd_spans_do_not_grow_the_table() -> None:
    assert text_of("<table><tr><td rowspan=99999999999>a<td colspan=-3>b<tr><td>c</table>") == "| a | b |\n| --- | --- |\n| a | c |"


ENGLISH = [
    "Interest on a loan is the price of the money that is lent, and it is usually quoted as a yearly rate.",
    "A fixed rate stays the same until the end of the term, whatever the market does in the meantime.",
    "Whoever compares offers should look at the effective rate, because it contains the fees as well.",
]
CHINESE = [
    "利息是借用资金的价格，通常以年利率的形式表示，并写入双方签订的借款合同。",
    "固定利率在整个借款期限内保持不变，不受市场利率波动的影响。",
    "提前还款可能需要支付违约金，贷款人应当在合同中事先说明收取标准。",
]
PROSE = "".join(f"<p>{sentence}</p>" for sentence in ENGLISH)
TEXT = "\n\n".join(ENGLISH)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            "<table><tr><td colspan=2><font size=5>GONE Bank pages</font></td></tr><tr><td width=150><b>GONE Topics</b><br>GONE rates</td>"
            f"<td><h2>Interest</h2>{PROSE}<ul><li>Item</li></ul></td></tr><tr><td colspan=2>GONE Copyright 2001 by the makers.</td></tr></table>",
            f"## Interest\n\n{TEXT}\n\n- Item",
        ),
        (
            "<div class=c1><div class=c2>GONE The friendly portal for money</div><div class=c3><a href=a>GONE Home</a> | <a>GONE News</a></div></div>"
            f"<div class=c4><div class=c5><h1>Interest</h1>{PROSE}<pre>rate = fee / sum</pre></div><div class=c6><b>GONE Latest</b>"
            "<div>GONE: a short teaser of something else.</div></div></div><div class=c9>GONE All rights reserved. No advice is given.</div>",
            f"# Interest\n\n{TEXT}\n\n```\nrate = fee / sum\n```",
        ),
        (
            "<div id=a1>GONE 财经知识网 欢迎您</div><div id=a2><div id=a3>GONE 热门：<a href=x>贷款</a> <a href=y>理财</a></div>"
            f"<div id=a4><b>什么是利息</b><br>{'<br><br>'.join(CHINESE)}</div></div><div id=a5>GONE 版权所有 2020 备案号 12345678</div>",
            "什么是利息\n" + "\n\n".join(CHINESE),
        ),
        (
            "<div><h1>Interest</h1></div><div class=row><div class=x1><b>GONE Opening hours</b><br>GONE Monday to Friday, nine to five</div>"
            f"<div class=x2><h2>Rates</h2>{PROSE}<h2>Costs</h2><p>{BODY}</p></div></div><div class=z>GONE Imprint</div>",
            f"# Interest\n\n## Rates\n\n{TEXT}\n\n## Costs\n\n{BODY}",
        ),
        (
            f"<div>GONE</div><div><div><p>{ENGLISH[0]}</p><table><tr><th>Year</th><th>Rate</th></tr><tr><td>2015</td><td>1.5</td></tr></table>"
            f"<p>{ENGLISH[1]}</p></div></div><div>GONE Contact us</div>",
            f"{ENGLISH[0]}\n\n| Year | Rate |\n| --- | --- |\n| 2015 | 1.5 |\n\n{ENGLISH[1]}",
        ),
    ],
    ids=["table layout", "meaningless classes", "Chinese with line breaks", "facts beside", "table of data"],
)
def test_page_that_marks_nothing_keeps_what_holds_its_sentences(page: str, text: str) -> None:
    assert text_of(f"<html><body>{page}</body></html>") == text


def test_page_whose_sentences_are_spread_over_blocks_keeps_them_all() -> None:
    parts = "".join(f"<div><div><h2>Part {number}</h2><p>{sentence}</p></div></div>" for number, sentence in enumerate(ENGLISH))
    assert text_of(f"<body>{parts}<div>Short note.</div></body>") == (
        "\n\n".join(f"## Part {number}\n\n{sentence}" for number, sentence in enumerate(ENGLISH)) + "\n\nShort note."
    )


@pytest.mark.parametrize(
    ("beside", "text"),
    [
        ("<table><tr><th>Year</th><th>Rate</th></tr><tr><td>2015</td><td>1.5</td></tr></table>", "| Year | Rate |\n| --- | --- |\n| 2015 | 1.5 |"),
        ("<pre>x = 1</pre>", "```\nx = 1\n```"),
        ("<ul><li>short</li></ul>", "- short"),
    ],
)
def test_tables_code_and_lists_beside_the_sentences_are_not_lost(beside: str, text: str) -> None:
    assert text_of(f"<body><div>{PROSE}</div><div>{beside}</div></body>") == f"{TEXT}\n\n{text}"
