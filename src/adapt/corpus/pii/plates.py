"""Finds Chinese number plates (GA 36): a province, a letter of the city, five or six signs without I and O."""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import Finding, is_called_otherwise

_COMMON = "京津沪冀豫辽湘皖鲁苏浙赣鄂桂晋蒙陕闽粤琼渝"
_WORDLIKE = "云黑新甘吉贵青藏川宁"
"""Provinces whose sign is an everyday word: `新A10086` may be a new one, so words or a dot must tell."""
PROVINCES = _COMMON + _WORDLIKE
_SERIAL = (
    r"(?:[DABCEFGHJK][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[DABCEFGHJK]"  # new energy
    r"|(?=[A-Z0-9]{0,3}[0-9][A-Z0-9]{0,3}[0-9])[A-HJ-NP-Z0-9]{5}|[A-HJ-NP-Z0-9]{4}[挂学警港澳领使])"
)
_PLATE = re.compile(rf"(?<![0-9A-Za-z])([{PROVINCES}])[\s·]?([A-HJ-NP-Z])([ \-.·•]{{0,3}})({_SERIAL})(?![0-9A-Za-z])(?!-[0-9])", re.IGNORECASE)
_WORDS = (
    r"车牌|車牌|牌照|号牌|號牌|车辆|車輛|汽车|轿车|货车|客车|出租车|车主|驾驶|停车|违章|违停|越野车|面包车"
    r"|摩托|肇事|那台车|开着|(?i:licen[cs]e plate|number plate|\bplate\b)"
)
_NEAR = re.compile(rf"(?:{_WORDS})|车")
_TAIWAN = re.compile(
    r"(?:车牌|車牌|牌照|號牌|号牌|(?i:licen[cs]e plate|number plate))(?:号码|號碼|号|號|(?i: number"
    r"| no\.?))?(?:[:：为為是\s]|(?i:is\s)){0,4}"
    r"([A-Z]{2,3}-[0-9]{3,4}|[0-9]{3,4}-[A-Z]{2}|[A-Z]{2} ?[0-9]{4}|(?:WJ"
    r"|使)[0-9A-Z京津沪粤]{5,7})(?![0-9A-Za-z])"
)


def plates(text: str) -> Iterator[Finding]:
    """Plates of the mainland; others right behind the word for a plate. The value has no dot."""
    for match in _PLATE.finditer(text):
        begin, end = match.span()
        near = text[max(begin - 24, 0) : begin] + "\n" + text[end : end + 12]
        if match[1] in _WORDLIKE and "·" not in match[3] and "•" not in match[3] and not _NEAR.search(near):
            continue
        if not is_called_otherwise(text, begin):
            yield Finding(begin, end, "plate", (match[1] + match[2] + match[4]).upper())
    for match in _TAIWAN.finditer(text):
        yield Finding(*match.span(1), "plate", re.sub("[^0-9A-Z使京津沪粤]", "", match[1]))
