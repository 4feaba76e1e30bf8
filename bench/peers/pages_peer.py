"""One library's text of many pages: TOOL FOLDER. FOLDER holds `*.html`; prints JSON: CPU seconds without start-up, and the text by file name.

TOOL is `trafilatura`, `trafilatura markdown`, `resiliparse` or `readability`, each as it comes. readability gives HTML of the article, whose text
lxml takes.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def tool(name: str) -> Callable[[str], str]:
    """From a page's HTML to its text."""
    if name.startswith("trafilatura"):
        from trafilatura import extract

        return lambda page: extract(page, output_format="markdown" if name.endswith("markdown") else "txt") or ""
    if name == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.html import HTMLTree

        return lambda page: extract_plain_text(HTMLTree.parse(page), main_content=True)
    from lxml import html
    from readability import Document

    return lambda page: html.fromstring(Document(page).summary()).text_content()


extract_text = tool(sys.argv[1])
pages = {path.name: path.read_bytes().decode("utf-8", "replace") for path in sorted(Path(sys.argv[2]).glob("*.html"))}
if pages:
    extract_text(next(iter(pages.values())))  # what is loaded at the first page
begin, texts = time.process_time(), {}
for name, page in pages.items():
    try:
        texts[name] = extract_text(page)
    except Exception as error:  # a page that a library cannot read is one without text
        texts[name] = ""
        print(f"{name}: {type(error).__name__}", file=sys.stderr)
print(json.dumps({"seconds": time.process_time() - begin, "texts": texts}))
