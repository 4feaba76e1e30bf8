"""Finds lines that repeat across the files of a folder, and drops them.

Lines are counted by digest with the Misra-Gries summary (Misra & Gries 1982), whose memory does not grow with the folder: it keeps
`_CAPACITY` counters, and a line's true count exceeds the kept one by at most the number of times that all were decremented.
As long as nothing was decremented the counts are exact; otherwise the candidates are counted again. Headings, code, table rows
and very short lines are never boilerplate: "Symptoms" or "Yes." may repeat for good reasons.
"""

import math
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from adapt.corpus.fences import in_fences
from adapt.spec.corpus import Boilerplate

_CAPACITY = 1 << 16
_EXEMPT = re.compile(r"\s*(#{1,6}\s|\||    |\t)")
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"[\u3400-\u9fff]")


class LineCounts:
    """In how many of a folder's texts each line occurs."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._counts: dict[bytes, int] = {}
        self._decrements = 0
        self._texts = 0

    def add(self, text: str) -> None:
        """Count one file's text."""
        self._texts += 1
        for digest in sorted(_digests(text)):
            if digest in self._counts:
                self._counts[digest] += 1
            elif len(self._counts) < self._capacity:
                self._counts[digest] = 1
            else:
                self._decrements += 1
                self._counts = {line: count - 1 for line, count in self._counts.items() if count > 1}

    def repeated(self, rule: Boilerplate, texts: Iterable[str]) -> set[bytes]:
        """Digests of the lines that the rule calls boilerplate; `texts` are those that were added, read again only if need be."""
        required = max(rule.min_files, math.ceil(rule.min_share * self._texts - 1e-9))
        candidates = {line for line, count in self._counts.items() if count + self._decrements >= required}
        if not self._decrements or not candidates:
            return candidates
        exact = dict.fromkeys(candidates, 0)
        for text in texts:
            for line in _digests(text) & candidates:
                exact[line] += 1
        return {line for line, count in exact.items() if count >= required}


def drop_lines(text: str, repeated: set[bytes]) -> tuple[str, int]:
    """The text without the lines whose digests are given, and how many went."""
    if not repeated:
        return text, 0
    gone = {at for at, line in _candidates(text) if _digest(line) in repeated}
    return "\n".join(line for at, line in enumerate(text.split("\n")) if at not in gone), len(gone)


def _digests(text: str) -> set[bytes]:
    return {_digest(line) for _, line in _candidates(text)}


def _candidates(text: str) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    for at, (line, code) in enumerate(zip(lines, in_fences(lines), strict=True)):
        if not code and not _EXEMPT.match(line) and (len(_WORD.findall(line)) >= 3 or len(_HAN.findall(line)) >= 6):
            yield at, line


def _digest(line: str) -> bytes:
    return blake2b(" ".join(line.split()).encode("utf-8", "surrogatepass"), digest_size=8).digest()
