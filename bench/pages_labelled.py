"""Web pages written by hand in the ways that sites write them, with what of them is "
"content, as Markdown, and what is not."""

from dataclasses import dataclass, field

PROSE = (
    "The harbour was dredged in the spring, and ships of up to nine metres of draught have "
    "been able to call since then. The town hopes for more "
    "freight, and for a ferry to the islands, which the last one left twelve years ago. "
    "Whether it comes is for the county to say."
)
MORE = (
    "Fishermen were against it at first. The mud from the basin, they said, would lie on the "
    "banks where they set their nets, and the first storm "
    "would bring it back. A survey in autumn found little of it there, and the catch was "
    "what it had been in the years before."
)


@dataclass(frozen=True)
class Labelled:
    """A page, and the lines that its Markdown should and should not have."""

    name: str
    html: str
    headings: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = field(default=())

    def parts(self) -> dict[str, tuple[str, ...]]:
        """What was labelled, by kind."""
        return {"headings": self.headings, "items": self.items, "rows": self.rows, "code": self.code, "unwanted": self.unwanted}


def page(body: str, *, head: str = "") -> str:
    """A page in the frame of a site: navigation, search, foot."""
    return (
        f"<!doctype html><html><head><title>Page – Site</title>{head}</head><body><header><a "
        "href='/'>Site</a><nav><ul><li><a href='/a'>Start</a></li>"
        f"<li><a href='/b'>Archive</a></li></ul></nav></header>{body}<footer><p>© Site, all "
        "rights reserved</p></footer></body></html>"
    )


PAGES = (
    Labelled(
        "article in main",
        page(f"<main><h1>The harbour</h1><p>{PROSE}</p><h2>The basin</h2><p>{MORE}</p><h3>The survey</h3><p>{PROSE}</p></main>"),
        headings=("# The harbour", "## The basin", "### The survey"),
        unwanted=("Archive", "all rights reserved"),
    ),
    Labelled(
        "article beside an archive",
        page(
            "<div id='wrap'><div class='col-left'><h3>Archive by month</h3><ul>"
            + "".join(f"<li><a href='/{month}'>Posts of month {month}</a></li>" for month in range(1, 25))
            + f"</ul></div><div class='col-right'><h1>The harbour</h1><p>{PROSE}</p><p>{MORE}</p></div></div>"
        ),
        headings=("# The harbour",),
        unwanted=("Posts of month 7",),
    ),
    Labelled(
        "lists",
        page(
            f"<article><h1>What to bring</h1><p>{PROSE}</p><ul><li>A coat for the wind<ul>"
            "<li>with a hood</li></ul></li><li>Boots</li></ul>"
            f"<ol><li>Read the timetable</li><li>Buy the ticket</li></ol><p>{MORE}</p></article>"
        ),
        headings=("# What to bring",),
        items=("- A coat for the wind", "  - with a hood", "- Boots", "1. Read the timetable", "2. Buy the ticket"),
    ),
    Labelled(
        "definition list",
        page(
            f"<article><h1>Words of the sea</h1><p>{PROSE}</p><dl><dt>Draught</dt><dd>Depth "
            f"below water</dd><dt>Basin</dt><dd>Closed part of a harbour</dd></dl><p>{MORE}"
            "</p></article>"
        ),
        items=("- Draught: Depth below water", "- Basin: Closed part of a harbour"),
    ),
    Labelled(
        "table of data",
        page(
            f"<article><h1>Ships by year</h1><p>{PROSE}</p><table><thead><tr><th>Year</th>"
            "<th>Ships</th></tr></thead><tbody><tr><td>2023</td><td>412</td></tr>"
            f"<tr><td>2024</td><td>530</td></tr></tbody></table><p>{MORE}</p></article>"
        ),
        rows=("| Year | Ships |", "| 2023 | 412 |", "| 2024 | 530 |"),
    ),
    Labelled(
        "table in a table",
        page(
            f"<article><h1>Fees</h1><p>{PROSE}</p><table><tr><th>Berth</th><th>Fee</th></tr>"
            "<tr><td>North</td><td><table><tr><td>summer</td><td>12</td></tr>"
            f"<tr><td>winter</td><td>7</td></tr></table></td></tr></table><p>{MORE}</p></article>"
        ),
        rows=("| Berth | Fee |", "| North | summer, 12; winter, 7 |"),
    ),
    Labelled(
        "layout by tables",
        page(
            "<table width='100%'><tr><td width='20%'><a href='/1'>One</a><br><a "
            f"href='/2'>Two</a></td><td><h1>The harbour</h1><p>{PROSE}</p><p>{MORE}</p></td>"
            "</tr></table>"
        ),
        headings=("# The harbour",),
        unwanted=("| One",),
    ),
    Labelled(
        "code with a gutter",
        page(
            f"<article><h1>The tide in a script</h1><p>{PROSE}</p><table "
            "class='highlighttable'><tr><td class='linenos'><pre>1\n2</pre></td><td "
            "class='code'><pre>"
            f"import tide\nprint(tide.next())</pre></td></tr></table><p>{MORE}</p></article>"
        ),
        code=("import tide\nprint(tide.next())",),
        unwanted=("1\n2",),
    ),
    Labelled(
        "code block",
        page(f"<article><h1>The tide in a shell</h1><p>{PROSE}</p><pre><code>$ tide --port north\n  high 04:12</code></pre><p>{MORE}</p></article>"),
        code=("$ tide --port north\n  high 04:12",),
    ),
    Labelled(
        "teasers, sharing and comments in main",
        page(
            "<main><h1>The harbour</h1><ul class='share'><li><a href='#'>Share on Networks"
            f"</a></li></ul><p>{PROSE}</p><aside><h3>Most read</h3><p><a href='/x'>Ten "
            f"walks on the cliffs</a></p></aside><p>{MORE}</p><section id='comments'><h2>3 "
            "comments</h2><p>A reader: I remember the old ferry.</p></section></main>"
        ),
        headings=("# The harbour",),
        unwanted=("Share on Networks", "Ten walks on the cliffs", "I remember the old ferry"),
    ),
    Labelled(
        "hidden text",
        page(
            f"<main><h1>The harbour</h1><p>{PROSE}</p><p style='display:none'>For machines "
            "alone</p><p hidden>Not shown</p><div aria-hidden='true'>Drawn twice</div>"
            f"<span style='position:absolute;left:-9999px'>Off the screen</span><p>{MORE}</p></main>"
        ),
        headings=("# The harbour",),
        unwanted=("For machines alone", "Not shown", "Drawn twice", "Off the screen"),
    ),
    Labelled(
        "consent and a newsletter",
        page(
            "<div class='cookie-banner'><p>We use cookies to measure what you read. Accept?"
            f"</p></div><article><h1>The harbour</h1><p>{PROSE}</p>"
            f"<div class='newsletter-signup'><p>Get our letter every Friday</p></div><p>{MORE}</p></article>"
        ),
        headings=("# The harbour",),
        unwanted=("We use cookies", "Get our letter every Friday"),
    ),
)
