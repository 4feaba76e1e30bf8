"""Our text of many pages: FOLDER. Prints JSON as pages_peer.py does; the text is Markdown, without the title that a record is asked by."""

import json
import sys
import time
from pathlib import Path

from adapt.corpus.extraction.page import extract

pages = {path.name: path.read_bytes().decode("utf-8", "replace") for path in sorted(Path(sys.argv[1]).glob("*.html"))}
if pages:
    extract(next(iter(pages.values())), keep_adverts=False)
begin = time.process_time()
texts = {name: extract(page, keep_adverts=False).text for name, page in pages.items()}
print(json.dumps({"seconds": time.process_time() - begin, "texts": texts}))
