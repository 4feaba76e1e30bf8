"""Runs datasketch's MinHashLSH over a file of texts: language, file, folder (not used). Prints the ids that stay.

datasketch leaves shingles to its user: here pairs of lower-case words, or runs of three characters in Chinese, as ours are by default. A text
goes when the index, at 0.7 and 256 permutations, answers with any text before it.
"""

import json
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH


def shingles(text: str) -> set[bytes]:
    """The shingles of a text."""
    units, size = (text.lower().split(), 2) if sys.argv[1] == "en" else ([letter for letter in text if letter.isalnum()], 3)
    return {"\0".join(units[place : place + size]).encode() for place in range(max(1, len(units) - size + 1))}


index = MinHashLSH(threshold=0.7, num_perm=256)
rows = [json.loads(line) for line in Path(sys.argv[2]).read_text(encoding="utf-8").split("\n") if line]
kept = []
for row, signature in zip(rows, MinHash.generator((shingles(row["text"]) for row in rows), num_perm=256), strict=True):
    if not index.query(signature):
        index.insert(row["id"], signature)
        kept.append(row["id"])
print(json.dumps(kept))
