"""Recognises what a site puts between and below the paragraphs of its articles: pointers to other pages, sharing, sign-ups.

Enters: the blocks that were chosen as main text. Leaves: those that are not furniture.
"""

import re
from collections.abc import Sequence

from adapt.corpus.extraction.blocks import TextBlock

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_LINK_SHARE = 0.8
"""A paragraph whose letters are links by this share points to another page and says nothing itself."""
_LINK_LENGTH = 200
_POINTER_LENGTH = 160
_POINTER_SHARE = 0.4
_ITEM_LENGTH = 80
"""Below a heading such as "Most read", a label with fewer letters than this, or a block of links by half, belongs to it."""
_PROSE, _INDEX = 40, 1.5
"""Letters of a block that counts as text, and how many times those the links of an index have."""
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "…", ":", "：")

_POINTER = (
    r"read more|read also|see more|see also|related(?: (?:articles?|stories|posts|topics|content|links))?|don.?t miss|more from"
    r"|more on|you (?:may|might) also (?:like|enjoy)|also on|also read|recommended(?: for you)?|sign up|subscribe|follow us"
    r"|like this story|click here"
    r"|lea (?:también|más)|lea|mire|vea (?:también|más)|le puede interesar|te puede interesar"
    r"|leggi anche|potrebbe interessarti|lire aussi|à lire aussi|voir aussi|sur le même sujet"
    r"|mehr zum thema|das könnte (?:sie|dich) auch interessieren|weitere themen|weitere artikel|passend dazu|lesen sie (?:auch|mehr)"
    r"|você (?:também )?pode (?:também )?gostar|talvez (?:você )?(?:também )?goste|vous aimerez aussi|te podría gustar|también te puede gustar"
    r"|auch interessant|czytaj (?:też|także|więcej)|zobacz (?:też|także)|leia (?:também|mais)|veja (?:também|mais)"
    r"|lees ook|läs också|les også|læs også|lue myös|čtěte také|mohlo by vás zajímat|prečítajte si aj|olvasd el|kapcsolódó cikkek"
    r"|citește și|прочетете също|читайте (?:також|також:)|читайте также|по теме|материалы по теме|διαβάστε (?:επίσης|ακόμη|και)"
    r"|baca juga|artikel terkait|xem thêm|tin liên quan|ilgili haberler|ayrıca okuyun|اقرأ أيضا|مواضيع ذات صلة|קראו גם|यह भी पढ़ें"
    r"|関連記事|あわせて読みたい|相关阅读|相关文章|推荐阅读|延伸阅读|更多阅读|관련 ?기사"
)
_LABEL = (
    r"(?:more|other|related|latest|popular|top|recent|trending|recommended|featured|similar)(?: \w+)? (?:stories|news|articles|posts|headlines|reads"
    r"|videos|topics|coverage)"
    r"|most (?:read|popular|viewed|shared)(?: today| this week| now)?|trending(?: now)?|popular (?:posts|articles|stories|now)"
    r"|latest (?:news|posts|articles|stories)|recent (?:posts|articles|comments)|top stories|share(?: this| this article| this page)?"
    r"|share (?:on|via|with) [\w ,]+|tell your friends|tags?|categories|archives?|comments?|\d+ comments?|leave a (?:comment|reply)"
    r"|newsletter|join our newsletter|about the author|advertisement|sponsored|print(?: this)?(?: article)?"
    r"|meistgelesen|beliebte artikel|teilen|kommentare?|schlagworte|más leídas|compartir|comentarios|les plus lus|partager"
    r"|najczęściej czytane|najpopularniejsze|udostępnij|podziel się|komentarze|meest gelezen|delen|reacties|mest lästa?|dela|kommentarer"
    r"|mest lest|mest læste|del|luetuimmat|jaa|kommentit|nejčtenější|sdílet|komentáře|legolvasottabb|megosztás|hozzászólások"
    r"|cele mai citite|distribuie|comentarii|самое читаемое|популярное|поделиться|комментарии|найпопулярніше|поділитися|коментарі"
    r"|most commented|en çok okunanlar|paylaş|yorumlar|terpopuler|bagikan|komentar|chia sẻ|bình luận|đọc nhiều|الأكثر قراءة|شارك|تعليقات|التعليقات"
    r"|많이 본 (?:뉴스|기사)|공유하기|댓글|ランキング|シェア(?:する)?|アクセスランキング|熱門文章|分享到|相關文章|相關新聞|留言|延伸閱讀"
    r"|commentaires|i più letti|condividi|mais lidas|compartilhe|热门文章|热门|分享|评论|标签|热门排行|人気記事|共有|コメント"
)
_POINTS = re.compile(rf"\W*(?:{_POINTER})\b", re.IGNORECASE)
_LABELS = re.compile(rf"\W*(?:{_POINTER}|{_LABEL})\W*", re.IGNORECASE)


def without_furniture(blocks: Sequence[TextBlock], chosen: Sequence[int]) -> list[int]:
    """The numbers of `chosen`, in order, less those of furniture."""
    kept = []
    inside = False
    is_index = _is_index([blocks[number] for number in chosen])
    for number in chosen:
        block = blocks[number]
        if is_furniture_label(block.text):
            inside = True
            continue
        heading = block.element.tag in _HEADINGS
        if inside and (heading or not _belongs(block)):
            inside = False
        if not inside and (is_index or not _points_elsewhere(block)):
            kept.append(number)
    return kept


def is_furniture_label(text: str) -> bool:
    """Whether the text is nothing but the heading of such a part: "Most read today", "Share this", "Related"."""
    return len(text) <= 60 and _LABELS.fullmatch(text) is not None


def _is_index(blocks: Sequence[TextBlock]) -> bool:
    """Whether links are what the page is about: it has next to no text beside them."""
    linked = sum(block.linked for block in blocks)
    return linked > _INDEX * sum(block.size - block.linked for block in blocks if block.size >= _PROSE)


def _belongs(block: TextBlock) -> bool:
    if block.linked * 2 >= block.size:
        return True
    return block.size < _ITEM_LENGTH and not block.text.endswith(_SENTENCE_ENDS)


def _points_elsewhere(block: TextBlock) -> bool:
    share = block.linked / block.size if block.size else 0
    if block.size < _POINTER_LENGTH and share >= _POINTER_SHARE and _POINTS.match(block.text):
        return True
    return share >= _LINK_SHARE and block.size < _LINK_LENGTH and block.element.tag not in ("li", "td", "th", "dt", "dd")
