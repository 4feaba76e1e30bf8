"""Finds telephone numbers as written at home in Germany, France, Japan, Taiwan, Russia and others.

A text must be in the country's language, or a telling word stand beside the number.
"""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import APART, END, NO_ACCOUNT, START, Finding, bare, groups_of, is_amount, is_called_otherwise
from adapt.corpus.pii.plans import e164, is_mobile
from adapt.corpus.pii.tongues import all_regions, regions_of

_NO_GROUP = r"(?<![0-9A-Za-z][\-/])"
_GAP = rf"(?:{APART}{{0,3}}+(?:\n[ \t]{{0,4}})?)"
_TRUNK = re.compile(rf"{START}{_NO_GROUP}{NO_ACCOUNT}([(\[]?0(?:{_GAP}[0-9]){{7,12}}){END}(?!-[0-9])")
_RUSSIAN = re.compile(
    rf"{START}{_NO_GROUP}((?:[78]{APART}{{0,2}})?\({APART}?[0-9]{{3,5}}\)(?:{APART}{{0,3}}[0-9]){{5,7}}"
    rf"|[78](?:{APART}{{0,3}}[0-9]){{10}}){END}"
    r"(?!-[0-9])"
)
_NO_TRUNK = re.compile(rf"{START}{_NO_GROUP}{NO_ACCOUNT}(\(?[1-9](?:{_GAP}[0-9]){{7,10}}){END}(?!-[0-9])")
_MOST_GROUPS = 6
_WITHOUT = ("ES", "PT", "BR", "PL", "IT", "HK", "RU")
"""Regions whose numbers have no trunk prefix."""
_DATE = re.compile(
    r"(?<![0-9])(?:0[1-9]|[12][0-9]|3[01])([./\-])(?:0[1-9]|1[0-2])\1(?:[0-9]{4}|[0-9]{2}(?![0-9]))"
    r"|(?:19|20)[0-9]{2}[./\-](?:0[1-9]|1[0-2])(?![0-9])"
    r"|[0-9]{2}\.[0-5][0-9] ?-{1,2} ?[0-9]{2}\.[0-5][0-9]"
)
_PAIRS = re.compile(r"\(?0[0-9]\)?(?:[ .\-/·\n]{1,3}[0-9]{2}){4}")
_TOLD = re.compile(
    r"(?:(?<![A-Za-z])(?:tel|tél|ph|phone|telephone|telefon|teléfono|telefono|téléphone|telefone"
    r"|telefoon|mobile|mobil|mobiel|handy|rufnummer|durchwahl"
    r"|festnetz|fax|cell|cellulare|cellphone|portable|móvil|movil|celular|telemóvel|call|ring|dial|sms"
    r"|appel(?:ez|er)|joindre|anrufen|erreichbar|erreichen|whatsapp"
    r"|wechat|hotline|landline|ligue|komórka|gsm)(?:nummer|number)?(?![A-Za-z])"
    r"|[℡☎✆📞📱]|(?<!\w)т(?=\.)|тел(?:ефон\w{0,3})?(?!\w)|моб(?:ильн\w{2,3})?(?!\w)|звон\w*|факс|номер\w{0,2}|电话|電話|携帯"
    r"|連絡先|联系|聯絡|聯繫|手机|手機|座机|座機|固话|市話|传真|傳真|热线|熱線|号码|號碼"
    r"|微信|加我|加微|联络|聯絡|回电|回電|找我|咨询|諮詢|预约|報名|报名|客服|名片|机主|号主|收件|收货|先生|女士"
    r"|小姐|师傅|老师|医生|经理|同学|(?<![A-Za-z])(?:vx|wx|qq|me)(?![A-Za-z])|拨|撥|致电|致電|来电|來電"
    r"|打给|打我|打到|通話|でんわ|전화|연락처|휴대폰|핸드폰)"
    r"[^0-9\n。！？]{0,16}\n?[^0-9\n]{0,4}"
    r"(?:[(+]?[0-9][0-9 ().\-/]{6,18}[ ,，、/;；]{1,3}(?:(?:ou|oder|or|und|and|et|或|和|или|и|または) ?)?)?$",
    re.IGNORECASE,
)
_TOLD_AFTER = re.compile(
    r"[^0-9。！？\n]{0,6}(?:联系|聯繫|聯絡|致电|致電|来电|來電|回电|回電|打给|打我|找我|拨打"
    r"|(?i:call me|anrufen|erreichbar|is my (?:phone|number|cell|mobile)))"
)
_LOCAL = re.compile(
    rf"(?:电话|電話|座机|座機|固话|固定电话|市話|传真|傳真|热线|熱線|总机|總機)(?:号码|號碼|号|為|为|是"
    rf"|[:：\s]){{0,3}}[ (]{{0,2}}([2-9][0-9]{{2,3}}{APART}{{0,2}}[0-9]{{4}}){END}(?!-[0-9])"
)
"""Seven or eight digits without an area code."""


def is_told(text: str, begin: int, end: int) -> bool:
    """Whether a word before or behind a number calls it a telephone number."""
    return _TOLD.search(text[max(begin - 72, 0) : begin]) is not None or _TOLD_AFTER.match(text, end) is not None


def home_numbers(text: str, first: int, last: int) -> Iterator[Finding]:
    """Numbers with a trunk prefix, 0 or in Russia 8, in a part of the text."""
    for pattern in (_TRUNK, _RUSSIAN, _NO_TRUNK):
        for match in pattern.finditer(text, first, last):
            begin, end = match.span(1)
            if match[1].count("\n") > 1 or is_amount(text, begin, end) or is_called_otherwise(text, begin):
                continue
            told = is_told(text, begin, end)
            if not told and (pattern is _NO_TRUNK or len(groups_of(match[1])) > _MOST_GROUPS):
                continue
            if pattern is _NO_TRUNK:
                regions = tuple(region for region in regions_of(text, begin, end) if region in _WITHOUT)
            else:
                regions = all_regions(text, begin, end) if told else regions_of(text, begin, end)
            if value := next(filter(None, (_value(match[1], region, told=told) for region in regions)), None):
                yield Finding(begin, end, "phone", value)


def bare_local_numbers(text: str) -> Iterator[Finding]:
    """Chinese numbers without an area code, right behind the word telephone; the value is their digits."""
    for match in _LOCAL.finditer(text) if not text.isascii() else ():
        if not is_amount(text, *match.span(1)):
            yield Finding(*match.span(1), "phone", bare(match[1]))


def _value(number: str, region: str, *, told: bool) -> str | None:
    if not _is_form(number, region, told=told):
        return None
    value = e164(number, region)
    one_piece = number.isdigit()
    return value if value and (told or not one_piece or is_mobile(value)) else None


def _is_form(number: str, region: str, *, told: bool) -> bool:
    """Whether digits are grouped as the country groups them; behind a telling word any groups will do."""
    digits, groups = bare(number), groups_of(number)
    russian = region in {"RU", "KZ", "BY"} and digits[0] != "0"
    if not russian and digits[0] != "0" and region not in _WITHOUT:
        return False
    if region == "FR" and _PAIRS.fullmatch(number):
        return True
    if _DATE.search(number):
        return False
    if told:
        return len(digits) > 8 or len(groups) < 4
    if region == "FR":
        return len(digits) == 10 and len(groups) <= 5
    if region in {"JP", "KR", "TW"}:
        return len(groups) in {1, 2, 3} and len(digits) >= 9
    return len(digits) >= 9 and len(groups) <= _MOST_GROUPS and min(groups[1:] or groups) >= 2 and (groups[0] >= 2 or russian or "/" in number)
