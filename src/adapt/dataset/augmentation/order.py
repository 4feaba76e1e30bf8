"""Sentences in another order, where their order is free.

Free is the order within a paragraph of running text. A sentence that leans on the one before it (it opens with `the` or `however`, or says `she`,
`then` or `其` anywhere) moves with that one; a question, and what stands behind it, stays where it is. Lists, tables, headings, code, and texts
that count their steps are left alone.
"""

import re

from adapt.dataset.augmentation.chance import Chance
from adapt.dataset.formatters.division import sentences_of
from adapt.dataset.formatters.outline import read_lines_of

_LISTED = re.compile(r"\s*(?:[-*+•·>|]|\d{1,3}[.)、．]|[（(]?[一二三四五六七八九十\d]{1,3}[)）、])")
_LEANS = re.compile(
    r"[\"'“‘(（]?(?:(?:next|after|afterwards|later|finally|first|second|third|last|however|but|and|so|or|yet|thus|hence|therefore|also|moreover|"
    r"furthermore|instead|otherwise|still|meanwhile|consequently|accordingly|in addition|for example|for instance|as a result|on the other hand|"
    r"the|such|there|another|both|each|neither)\b|"
    r"然后|接着|随后|之后|此后|后来|最后|首先|其次|再|但|然而|不过|可是|而|因此|所以|于是|从而|此外|另外|同时|否则|例如|比如|即|也|又|还|并|且|以上|以下)",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:he|him|his|she|her|it|its|they|them|their|this|that|these|those|then|the next|the (?:same|latter|former|others?|rest))\b"
    r"|[这那此该其他她它]|上述|前者|后者|二者|两者|双方",
    re.IGNORECASE,
)
_COUNTS_STEPS = re.compile(r"\b(?:step \d|firstly|secondly|first,|second,|finally,)|第[一二三四五六七八九十\d]步|首先|其次|最后", re.IGNORECASE)
_QUESTION = re.compile(r"[?？][\"'”’」』)）]*\s*$")


def reorder_sentences(text: str, strength: float, chance: Chance) -> str | None:
    """The text with a share `strength` of its movable sentences in another place; None where no order is free."""
    if _COUNTS_STEPS.search(text):
        return None
    lines = list(read_lines_of(text))
    changed = [
        line.text
        if line.level or line.fenced or line.text.startswith(("```", "~~~")) or _LISTED.match(line.text)
        else _reorder(line.text, strength, chance)
        for line in lines
    ]
    reordered = "\n".join(changed)
    return reordered if reordered != text else None


def _reorder(paragraph: str, strength: float, chance: Chance) -> str:
    blocks, gaps = _blocks(paragraph)
    movable = _movable(blocks)
    if movable < 2:
        return paragraph
    order = list(range(movable))
    for place in chance.sample(range(movable - 1), max(1, round(strength * movable / 2))):
        order[place], order[place + 1] = order[place + 1], order[place]
    moved = [*(blocks[number] for number in order), *blocks[movable:]]
    return "".join(block + gap for block, gap in zip(moved, gaps, strict=True))


def _blocks(paragraph: str) -> tuple[list[str], list[str]]:
    """Sentences that move together, and the white space behind each place."""
    blocks: list[str] = []
    gaps: list[str] = []
    for start, end in sentences_of(paragraph):
        sentence = paragraph[start:end]
        words = sentence.rstrip()
        if blocks and (_LEANS.match(words) or _REFERS.search(words) or words[:1].islower()):
            blocks[-1] += gaps.pop() + words
        else:
            blocks.append(words)
        gaps.append(sentence[len(words) :])
    return blocks, gaps


def _movable(blocks: list[str]) -> int:
    """How many blocks from the first on may change places: those before a question, and the last only when its sentence is complete."""
    for number, block in enumerate(blocks):
        if _QUESTION.search(block) or not re.search(r"[.!。！…][\"'”’」』)）]*$", block):
            return number
    return len(blocks)
