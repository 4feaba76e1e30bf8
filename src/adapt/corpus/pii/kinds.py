"""What the finders of personal data have in common: findings, names, tags, and what may stand around a number."""

import re
from typing import NamedTuple

from adapt.spec.pii import PII_KINDS, PiiKind

NAMES: dict[PiiKind, tuple[str, str]] = {
    "email": ("e-mail address", "e-mail addresses"),
    "phone": ("telephone number", "telephone numbers"),
    "cn_id": ("Chinese identity number", "Chinese identity numbers"),
    "national_id": ("identity, tax or social number", "identity, tax or social numbers"),
    "travel_permit": ("travel permit", "travel permits"),
    "bank_card": ("bank card number", "bank card numbers"),
    "iban": ("bank account number", "bank account numbers"),
    "ip": ("IP address", "IP addresses"),
    "us_ssn": ("American social security number", "American social security numbers"),
    "passport": ("passport number", "passport numbers"),
    "plate": ("number plate", "number plates"),
    "postal_address": ("postal address", "postal addresses"),
    "secret": ("key, token or password", "keys, tokens or passwords"),
    "person": ("name of a person", "names of persons"),
    "address": ("place or address", "places or addresses"),
}
"""What a reader calls one of a kind, and several."""
TAGS: dict[PiiKind, str] = {kind: f"[{kind.upper()}]" for kind in PII_KINDS}
_ANY_TAG = re.compile(rf"\[(?:{'|'.join(kind.upper() for kind in PII_KINDS)})(?:_[0-9a-f]{{8}})?\]")

APART = r"[ \-./·()\[\]\u200b]"
"""What may stand between the groups of a number, in a folded text."""
GAP = rf"(?:{APART}{{1,4}}+(?:\n[ \t]{{0,8}})?|\n[ \t]{{0,8}})"
"""Between two groups: signs, at most one line break."""
ANY = r"[ \n\-./·()\[\]\u200b]{0,4}+"
"""Anything or nothing, for numbers that prove themselves."""
START = r"(?<![0-9A-Za-z_+])(?<![0-9]\.)"
"""Before a number: no digit, Latin letter or decimal point. Letters of unspaced scripts may stand there."""
NO_ACCOUNT = r"(?<![A-Z]{2}[0-9]{2} )(?<![A-Z]{2}[0-9]{2} [0-9A-Z]{4} )"
"""Not among the groups of a bank account number, right or wrong."""
END = r"(?![0-9A-Za-z_])(?!\.[0-9])"


class Finding(NamedTuple):
    """A piece of personal data: its first character, the one after its last, its kind, and its value in one form for all ways of writing it."""

    begin: int
    end: int
    kind: PiiKind
    value: str


_OTHER_NUMBER = re.compile(
    r"(?:order|invoice|tracking|serial|part|batch|docket|case|ticket|reference|barcode|imei|isbn|issn"
    r"|product|article|patent|revision"
    r"|(?<![a-z])(?:lot|ref|sku|upc|ean|doi|model|item|catalog(?:ue)?|build|asset|contract|protocol"
    r"|claim|device|account|customer|version)"
    r"|bestell|rechnungs|auftrags|artikel|sendungs|produkt|vorgangs|aktenzeichen|commande|facture"
    r"|produit|série|dossier"
    r"|заказа?|артикул|счета?|модель|договора?|накладн\w{0,3}|(?<![a-z])(?:pages?|seiten?|lignes?|zeilen?)|(?<![零〇一二三四五六七八九十0-9])第|注文|品番|型番|商品|伝票|追跡"
    r"|订单|訂單|运单|運單|物流单|快递单|快递|流水|发票|發票|序列|批次|批号|案卷|条形?码|條碼|商品码|串"
    r"|型号|型號|货号|貨號|料号|料號"
    r"|产品|產品|单号|單號|(?<![证證件一])(?:编号|編號)|工单|合同|专利|标准|准字|版本|编码|編碼|机型"
    r"|公告|条款|代码|代碼|零件|配件|部件|图号|圖號|书号|許可證|许可证|设备|邮编)"
    r"[号码編编號碼]{0,2}[)）]?\s{0,2}-?\s{0,2}(?:key|no\.?|nr\.?|nummer|number|numéro|num|code|id|番号"
    r"|#|№|n°)?"
    r"\s{0,2}(?:is|was|ist|est|[为為是:：#=])?\s{0,2}$",
    re.IGNORECASE,
)
_AMOUNT_BEFORE = re.compile(r"(?:[$£€¥￥×÷^]|RMB|CNY|USD|HKD|EUR|GBP|[0-9) ]=|(?<![A-Za-z])[A-Za-z] ?=|[0-9] ?\*)\s*$")
_AMOUNT_AFTER = re.compile(r"\s*(?:元(?!旦)|圆|美元|港元|欧元|英镑|人次|股(?!东)|[=×÷^%％]|\* ?[0-9]|/ ?[0-9]{1,3}(?![ \-.]?[0-9]))")


def is_amount(text: str, begin: int, end: int) -> bool:
    """Whether what stands around a number makes it money, a count or part of a calculation."""
    return _AMOUNT_BEFORE.search(text[max(begin - 8, 0) : begin]) is not None or _AMOUNT_AFTER.match(text, end) is not None


def is_called_otherwise(text: str, begin: int) -> bool:
    """Whether the words right before a number say that it is one of orders, parcels, books, products or the like."""
    return _OTHER_NUMBER.search(text[max(begin - 32, 0) : begin]) is not None


def groups_of(number: str) -> tuple[int, ...]:
    """How many digits stand together, group by group."""
    return tuple(map(len, _DIGITS.findall(number)))


def bare(number: str) -> str:
    """The digits alone."""
    return _NO_DIGIT.sub("", number)


_DIGITS, _NO_DIGIT = re.compile("[0-9]+"), re.compile("[^0-9]+")


def without_tags(text: str) -> str:
    """The text without the tags that stand for personal data: they are of no language."""
    return _ANY_TAG.sub(" ", text) if "[" in text else text
