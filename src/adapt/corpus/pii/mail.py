"""Finds e-mail addresses: with letters of any script (RFC 6531, IDN), percent-encoded as in URLs, and as `[at]`, `[dot]`."""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import Finding

_LATIN = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"
_LETTERS = f"{_LATIN}0-9._%+\\-"
_LABEL = r"[0-9A-Za-z\u00c0-\u024f\u1e00-\u1eff\-]"
_HAN_LABEL = r"[0-9A-Za-z\u3005-\u30fa\u4e00-\u9fff\-]"
_HAN_ENDS = (
    "中国|中國|公司|网络|網絡|香港|台湾|台灣|新加坡|在线|中文网|集团|我爱你|商标|商城|网址|网店|网站"
    "|世界|移动|机构|组织机构|公益|政务|健康|时尚|游戏"
    "|企业|娱乐|信息|广东|佛山|手机|招聘|八卦|慈善|食品|餐厅|购物|澳门|澳門|みんな|コム|セ-ル|ストア"
    "|ファッション|グ-グル|クラウド"
)
_OTHER_SCRIPT = r"\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u05d0-\u05ea\u0620-\u06ff\u0904-\u0dff\u0e01-\u0e4e\u10a0-\u10ff\uac00-\ud7a3"
_ENDS = (
    rf"(?:[{_LATIN}]{{2,24}}(?![{_LATIN}0-9@])|xn--[0-9A-Za-z\-]{{3,40}}(?![0-9A-Za-z@])|(?:{_HAN_ENDS})"
    rf"|[{_OTHER_SCRIPT}]{{2,20}}(?![{_OTHER_SCRIPT}0-9@]))"
)
_DOMAIN = rf"(?:(?:{_LABEL}{{1,63}}|{_HAN_LABEL}{{1,40}}|[{_OTHER_SCRIPT}0-9A-Za-z\-]{{1,63}})\.){{1,8}}{_ENDS}"
_EMAIL = re.compile(
    rf"((?<![{_LETTERS}])[{_LETTERS}]{{1,128}}|[{_OTHER_SCRIPT}0-9._+\-]{{1,64}}"
    rf"|[\u3005-\u30fa\u4e00-\u9fff][\u3005-\u30fa\u4e00-\u9fff0-9A-Za-z._+\-]{{0,32}})@({_DOMAIN})"
)
_ENCODED = re.compile(
    rf"((?:[A-Za-z0-9._+\-]|%(?!(?:25)*40)[0-9A-Fa-f]{{2}}){{1,128}})%(?:25)*40"
    rf"((?:(?:{_LABEL}|%[89A-Fa-f][0-9A-Fa-f]){{1,63}}(?:\.|%2[Ee])){{1,8}}{_ENDS})"
)
_ASCII_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])([A-Za-z0-9._%+-]+)"
    r"@((?:[A-Za-z0-9-]+\.)+(?:xn--[A-Za-z0-9\-]{3,40}|[A-Za-z]{2,24}))(?![A-Za-z0-9@])"
)
_FILE_ENDINGS = {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js"}
_IN_URL = re.compile(r"[A-Za-z0-9+.-]://[^\s/@]*$")
"""Before the @ of a URL stand a user and a password, not a mailbox."""
_HAN = re.compile("[\u3005-\u30fa\u4e00-\u9fff]")
_NO_NAME = re.compile("关注|關注|感谢|转发|来自|回复|微博|提醒|官方|访问|點擊|点击|登录|打开")
"""What stands before an account's name, not before a mailbox."""
_ENCODED_MARK = re.compile(r"%(?:25)*(?:3[ADFBC]|2[026CF]|22|0[9A]|23|7C|5B|28)", re.IGNORECASE)
"""What ends a part of a percent-encoded URL: it is not in the mailbox's name."""
_CALLED = re.compile(
    r"电子邮[箱件]|電子郵[箱件]|邮箱|郵箱|邮件|郵件|信箱|邮址|メ-ルアドレス|メ-ル|メイル|地址|联系|聯繫"
    r"|发送?[给到至]|發送?[給到至]|[写寫]信[给給至到]?|[给給到至为為是请請向和与及或在抄送]|宛先|まで"
    r"|[はのへ]"
)

_SPELT_AT = r"\s?(?:\[\s?at\s?\]|\(\s?at\s?\)|\{\s?at\s?\}|<\s?at\s?>|\[@\]|\(@\))\s?"
_SPELT_DOT = r"\s?(?:\[\s?dot\s?\]|\(\s?dot\s?\)|\{\s?dot\s?\}|<\s?dot\s?>|\(\.\)|\[\.\]|\sdot\s|\.)\s?"
_TOP = r"(?:com|org|net|edu|gov|io|info|co|uk|de|fr|cn|jp|tw|ru|eu|ch|at|nl|es|it|in|br|au|ca|us|hk|kr)"
_SPELT = re.compile(
    rf"(?<![\w.%+\-])([\w.%+\-]+(?:\sdot\s[\w+\-]+)?){_SPELT_AT}((?:[\w\-]+{_SPELT_DOT}){{1,4}}[A-Za-z]{{2,24}})(?!\w)"
    rf"|(?<![\w.%+\-])([\w.%+\-]+(?:\sdot\s[\w+\-]+)?)\sat\s((?:[\w\-]+\sdot\s){{1,4}}{_TOP})(?!\w)",
    re.IGNORECASE,
)
_SPELT_SIGN = re.compile(r"[\[({<（［【] ?(?:[Aa][Tt]|@) ?[\])}>）］】]")


def is_spelt_out(text: str) -> bool:
    """Whether a text may hold a mailbox with the words `at` and `dot` in it."""
    return " dot " in text or " DOT " in text or _SPELT_SIGN.search(text) is not None


def emails(text: str) -> Iterator[Finding]:
    """Mailboxes at a domain; no names of files, no `git@` of repositories, no passwords in URLs."""
    if "@" in text:
        for match in (_ASCII_EMAIL if text.isascii() else _EMAIL).finditer(text):
            begin = match.start() + _sentence(match[1], match[2])
            if not _IN_URL.search(text[max(begin - 80, 0) : match.end(1)]):
                yield from _email(text, begin, match)
    if "%40" in text or "%2540" in text:
        for match in _ENCODED.finditer(text):
            marks = list(_ENCODED_MARK.finditer(match[1]))
            yield from _email(text, match.start() + (marks[-1].end() if marks else 0), match)
    if is_spelt_out(text):
        for match in _SPELT.finditer(text):
            local, domain = match[1] or match[3], match[2] or match[4]
            domain = re.sub(r"[^\w\-]+(?:dot[^\w\-]+)?", ".", domain.casefold())
            yield Finding(*match.span(), "email", f"{re.sub(r'[ ]dot[ ]', '.', local.casefold())}@{domain}")


def _email(text: str, begin: int, match: re.Match[str]) -> Iterator[Finding]:
    local, domain = text[begin : match.end(1)], match[2]
    if local and local != "git" and not _NO_NAME.fullmatch(local) and domain.rpartition(".")[2].lower() not in _FILE_ENDINGS:
        yield Finding(begin, match.end(), "email", f"{local}@{domain}".casefold())


def _sentence(local: str, domain: str) -> int:
    """How much of what stands before the sign is running text in Han, not the mailbox's name."""
    if not _HAN.match(local):
        return 0
    if domain.isascii() and (latin := re.search(r"[A-Za-z0-9._%+\-]+$", local)):
        return latin.start()
    called = [word.end() for word in _CALLED.finditer(local) if word.end() < len(local)]
    return called[-1] if called else 0
