"""The quality signals of one body, each computed as its definition reads, however slowly: what the arrays of the corpus stage are held against."""

import re
import string
from collections import Counter
from itertools import groupby

from adapt.corpus.cleaning.fences import in_fences
from adapt.records import Signals
from adapt.text.scripts import UNSPACED_CLASS

NOT_PROSE = re.compile(r"\s*\||#{1,6}\s|\s*[-=*_]{3,}\s*$")
NUMBER = r"(?:\d{1,3}|[一二三四五六七八九十]{1,3}|[a-zA-Z])"
ITEM = re.compile(rf"(?:[-*+](?=\s)|[•●○◦▪■□◆▶►‣·①-⑳]|[（(]{NUMBER}[)）]|{NUMBER}(?:[)）]|、(?!\d)|[.．](?=\s|{UNSPACED_CLASS})))\s*")
SIGNS = string.punctuation + "“”‘’«»…—–·、。，！？；：（）《》【】「」"
GAP = re.compile(r"\[(?:insert|enter|your) [^\]\n]{1,40} here\]|[【［\[](?:请?在?此处|在此)(?:填写|填入|输入|插入)[^】］\]\n]{0,20}[】］\]]")
FILLERS = ("lorem ipsum", "dolor sit amet", "占位文字", "占位文本")
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def plain_signals(body: str) -> Signals:
    """As `measure_signals`, with a confidence of 1."""
    lines = prose_lines(body)
    text = "\n".join(line[len(mark) :] for line, mark, _ in lines)
    lowered = text.lower()
    words = [word for word in (part.strip(SIGNS) for part in parts(lowered)) if has(r"[^\W_]", word)]
    unspaced = len(re.findall(UNSPACED_CLASS, text))
    by_characters = unspaced > 2 * len(words)
    amount = len(words) + unspaced / 2
    units = [letter for letter in lowered if has(r"[^\W_]", letter)] if by_characters else words
    symbols = text.count("#") + len(re.findall(r"…+|\.{3,}|。{3,}", text))
    told = {
        "words": sum(has(r"[^\W_]", part) for part in parts(body)) + len(re.findall(UNSPACED_CLASS, body)) / 2,
        "mean_word_length": None if by_characters or not words else sum(map(len, words)) / len(words),
        "symbols_per_word": symbols / amount if amount else None,
        "alphabetic_words": alphabetic(list("".join(text.split())) if by_characters else text.split()),
        **of_lines(lines),
        **repetition(units, 2 if by_characters else 1),
        "curly_braces": 1000 * len(re.findall("[{}]", text)) / max(1, len(text)),
        "replacement_characters": body.count("\ufffd") / max(1, len(body)),
    }
    return Signals(
        language_confidence=1.0,
        stop_words=len(STOP_WORDS & set(words)) + len(set("的了是在和有不也") & set(text)),
        placeholders=len(GAP.findall(lowered)) + sum(map(lowered.count, FILLERS)),
        **{name: None if value is None else round(value, 4) for name, value in told.items()},
    )


def has(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def parts(text: str) -> list[str]:
    return re.sub(UNSPACED_CLASS, " ", text).split()


def prose_lines(body: str) -> list[tuple[str, str, int]]:
    """Each line of the prose, its mark as an item, and its number."""
    every = body.split("\n") if "\n" in body else [body.strip()]
    found = []
    for number, (line, code) in enumerate(zip(every, in_fences(every), strict=True)):
        if line.strip() and not code and not NOT_PROSE.match(line):
            mark = ITEM.match(line.strip())
            found.append((line.strip(), mark[0] if mark else "", number))
    return found


def alphabetic(units: list[str]) -> float | None:
    return sum(has(r"[^\W\d_]", unit) for unit in units) / len(units) if units else None


def of_lines(lines: list[tuple[str, str, int]]) -> dict[str, float]:
    if not lines:
        return {"punctuated_lines": 1.0}
    texts = [line for line, _, _ in lines]
    sentences = [line for line, mark, _ in lines if not mark]
    paragraphs = ["\n".join(line for _, (line, _, _) in group) for _, group in groupby(enumerate(lines), key=lambda each: each[1][2] - each[0])]
    again = [line for at, line in enumerate(texts) if line in texts[:at]]
    ends = [has(r"(?:[.!?。！？．…؟।])$|[.!?。！？．…؟।][\"'”’»)）」』》\]】*_`]{1,5}$", line) for line in sentences]
    return {
        "bullet_lines": 1 - len(sentences) / len(lines),
        "ellipsis_lines": sum(line.endswith(("…", "...", "。。。")) for line in texts) / len(lines) if len(lines) >= 5 else 0.0,
        "punctuated_lines": sum(ends) / len(sentences) if sentences else 1.0,
        "short_lines": sum(len(line) + len(re.findall(UNSPACED_CLASS, line)) < 30 for line in sentences) / max(1, len(sentences)),
        "duplicate_lines": len(again) / len(lines),
        "duplicate_line_characters": sum(map(len, again)) / sum(map(len, texts)),
        "duplicate_paragraphs": sum(each in paragraphs[:at] for at, each in enumerate(paragraphs)) / len(paragraphs),
    }


def repetition(units: list[str], width: int) -> dict[str, float]:
    shares = {}
    for size in (2, 3, 4, 5, 10):
        length = size * width
        grams = [tuple(units[at : at + length]) for at in range(len(units) - length + 1)]
        counts = Counter(grams)
        repeated = {gram: count for gram, count in counts.items() if count > 1}
        if size < 5:
            most = max(repeated.values(), default=0)
            covered = most * max((len("".join(gram)) for gram, count in repeated.items() if count == most), default=0)
        else:
            inside = {at + more for at, gram in enumerate(grams) if gram in repeated for more in range(length)}
            covered = sum(len(units[at]) for at in inside)
        shares[f"{'top' if size < 5 else 'duplicate'}_{size}gram"] = min(1.0, covered / max(1, len("".join(units))))
    return shares
