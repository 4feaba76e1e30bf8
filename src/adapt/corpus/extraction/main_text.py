"""Chooses the blocks of a page that are its main text.

trafilatura (Barbaresi 2021, ACL system demonstrations, doi:10.18653/v1/2021.acl-demo.15) says which text is main. It gives
plain text, and takes elements apart on the way, so each block is marked before it reads the page, and the marks that come
back name the blocks. Our own rules add what it is known to lose: whole pages whose article is split over several
containers, and headings, tables, code and lists between chosen paragraphs.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from adapt.corpus.extraction.blocks import TextBlock
from adapt.corpus.extraction.furniture import without_furniture
from adapt.corpus.extraction.marks import Marks

_PROSE = 80
"""Letters from which a block counts as prose and not as a label."""
_PROSE_LINKS = 0.3
"""Largest share of links in prose."""
_SMALL_PAGE = 1500
"""Letters of a page below which statistics of its text say less than its elements."""
_FEW = 0.5
"""A choice with less than this share of the prose that our own reading finds has lost a part of the article."""
_GAIN = 1.2
"""Another choice is taken up when it is larger by this factor."""
_OWNED = 0.7
"""An `article` with this share of the chosen text is the one that is read."""


def choose_blocks(tree: Any, blocks: Sequence[TextBlock], own: Collection[int], marks: Marks) -> list[int]:
    """Numbers of the blocks that are main text, in order; `own` are those that our reading of the page's elements chose.

    `marks` are on the blocks.
    """
    if len(blocks) > marks.most or _is_small(blocks):
        return without_furniture(blocks, sorted(own))
    chosen = _marked_main(tree, marks, precise=True)
    prose = _measure(blocks, own)
    if _measure(blocks, chosen) < _FEW * prose or not _measure(blocks, chosen):
        chosen |= _larger(blocks, _marked_main(tree, marks, precise=False), chosen)
        if _measure(blocks, chosen) < _FEW * prose:
            chosen |= _rest_of_article(blocks, own, chosen)
    if not chosen:
        chosen = set(own)
    return without_furniture(blocks, sorted(chosen | _between(blocks, own, chosen)))


def _marked_main(tree: Any, marks: Marks, *, precise: bool) -> set[int]:
    """Numbers of the blocks that trafilatura takes for main text, comments of readers left out.

    `precise` leaves out what is in doubt and does not ask its fallbacks; else the balanced choice is made, with them.
    """
    from trafilatura import bare_extraction

    # it works on a copy of the tree
    document = bare_extraction(tree, favor_precision=precise, fast=precise, include_comments=False, with_metadata=False)
    return marks.read(getattr(document, "text", None) or "")


def _is_small(blocks: Sequence[TextBlock]) -> bool:
    size = 0
    for block in blocks:
        size += block.size
        if size >= _SMALL_PAGE:
            return False
    return True


def _is_prose(block: TextBlock) -> bool:
    return block.size >= _PROSE and block.linked < _PROSE_LINKS * block.size


def _measure(blocks: Sequence[TextBlock], numbers: Collection[int]) -> int:
    """Letters of prose."""
    return sum(blocks[number].size for number in numbers if _is_prose(blocks[number]))


def _larger(blocks: Sequence[TextBlock], others: set[int], chosen: set[int]) -> set[int]:
    sizes = [sum(blocks[number].size for number in numbers) for numbers in (others, chosen)]
    return others if sizes[0] > _GAIN * sizes[1] else set()


def _rest_of_article(blocks: Sequence[TextBlock], own: Collection[int], chosen: set[int]) -> set[int]:
    """What our own reading found in the innermost `article` that holds most of the chosen text."""
    articles = {number: next(blocks[number].element.iterancestors("article"), None) for number in {*own, *chosen}}
    sizes: Counter[Any] = Counter()
    for number in chosen:
        sizes[articles[number]] += blocks[number].size
    article, size = max(sizes.items(), key=lambda item: item[1], default=(None, 0))
    if article is None or size < _OWNED * sizes.total():
        return set()
    return {number for number in own if articles[number] is article}


def _between(blocks: Sequence[TextBlock], own: Collection[int], chosen: set[int]) -> set[int]:
    """What stands between chosen prose, beside it in the same element, and is no list of links."""
    if not chosen:
        return set()
    prose = [blocks[number].element for number in chosen if _is_prose(blocks[number])]
    around = {*prose, *(element.getparent() for element in prose)}
    first, last = min(chosen), max(chosen)
    return {
        number
        for number in own
        if first < number < last
        and blocks[number].linked <= _PROSE_LINKS * blocks[number].size
        and around & {blocks[number].element, blocks[number].element.getparent()}
    }
