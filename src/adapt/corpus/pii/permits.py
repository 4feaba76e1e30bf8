"""Finds travel permits between the mainland, Hong Kong, Macau and Taiwan, and permits of residence for foreigners.

They have no check digit, and drug approvals look the same, so a word must stand beside them.
"""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import Finding, bare

_PERMIT = re.compile(
    r"(?<![0-9A-Za-z])(?:[HM][ \-]?(?:[0-9][ \-]?){7}[0-9](?:[ \-]?[0-9]{2})?"  # 回乡证, two digits more in the form before 2013
    r"|[CWLT][0-9A-Z]?[0-9 \-]{6,9}[0-9]"  # 往来港澳通行证, 往来台湾通行证
    r"|[0-9]{4}[ \-]?[0-9]{4}(?:[0-9]{2})?(?:\s?\([A-Z0-9]{1,2}\)|[A-Z])?"  # 台胞证
    r"|[A-Z]{3} ?[0-9]{12})(?![0-9A-Za-z])"  # 外国人永久居留证
)
_WORDS = (
    r"回[乡鄉][证證]|通行[证證]|[来來]往[内內]地|[来來]往大[陆陸]|往[来來]港澳|往[来來][台臺][湾灣]"
    r"|[台臺]胞[证證]|[台臺][湾灣]居民|港澳居民|港澳[证證]件|永久居留"
    r"|(?i:home[ -]?return|mainland travel permit|travel permit|exit[ -]entry permit|two-way permit"
    r"|permanent residen\w+ (?:id|card|permit))"
)
_BEFORE = re.compile(rf"(?:{_WORDS})[^。！？;；]{{0,28}}$|[证證]件[号號]?[码碼]?(?:[为為是:：\s]){{0,3}}(?<=[^0-9A-Za-z])$")
_AFTER = re.compile(rf"[^0-9。！？;；]{{0,12}}(?:{_WORDS})")
_SIGN = re.compile("[Pp](?:ermit|ERMIT|ermanent|ERMANENT)|[乡鄉证證胞湾灣澳]")


def permits(text: str) -> Iterator[Finding]:
    """Numbers next to a word for a permit; the value is letters and digits."""
    if not _SIGN.search(text):
        return
    for match in _PERMIT.finditer(text):
        begin, end = match.span()
        if len(bare(match[0])) < 7 or not (_BEFORE.search(text[max(begin - 40, 0) : begin]) or _AFTER.match(text[end : end + 28])):
            continue
        if not _is_date(match[0]):
            yield Finding(begin, end, "travel_permit", re.sub("[^0-9A-Z]", "", match[0]))


def _is_date(number: str) -> bool:
    return re.fullmatch(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", number) is not None
