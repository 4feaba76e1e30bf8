"""Finds Chinese postal addresses, simplified or traditional.

A road, an estate or a village has a number and stands under a town, with a room, or behind a telling word. The number
is found first; what stands before it is then read backwards. Names of laws and courts have none.
"""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import Finding

ROAD_SIGNS = "路街道巷弄村庄莊屯里组組区區苑园園邨舍庭府居城湾坊镇鎮乡鄉段厦廈场場同寓墅"
"""The last sign of a road, an estate, a village: a house number follows one of them."""
_NUMERAL = "(?:[0-9]{1,5}|[一二三四五六七八九十百零〇]{1,5})"
_UNIT = "(?:号楼|號樓|号院|号|號|弄|栋|棟|幢|座|单元|單元|层|層|楼|樓|室|户|戶|房|门|門|组|組|队|隊|之[0-9一二三四五六七八九]{1,2})"
_NOT_HOUSE = "(?!线|線|文|令|公告|机|元素|种子|床|病|染色|选手|球|案|决定|决议|通知|批复|提案|函|公报|题|试剂|出口|口|站|航站|台风|矿|泊位|门诊|诊室)"
_UNIT_PART = (
    rf"(?:[甲乙丙丁]?{_NUMERAL}(?:[\-/]{_NUMERAL}){{0,2}}{_UNIT}{_NOT_HOUSE}"
    rf"|[A-Za-z][0-9]{{0,2}}(?:[座栋棟幢室楼樓区區]|单元|單元)"
    r"|附[0-9]{1,4}[号號]|(?:地下|负)[0-9一二三四五六]{1,2}[层層楼樓]"
    r"|[A-Z][0-9]-[0-9]{1,2}-[0-9]{2,4}(?![0-9]))"
)
_BARE_PART = (
    rf"(?:{_NUMERAL}-(?:{_NUMERAL}-)?[0-9]{{1,5}}(?![0-9])|之[0-9一二三四五六七八九]{{1,3}}"
    r"|(?<=[栋棟幢座元楼樓号號门門])[0-9]{3,4}(?![0-9]))"
)
_PART = rf"(?:{_UNIT_PART}|{_BARE_PART})"
_NAMED = "(?:[^\\W0-9_的在是与住了请到]{1,10}?[ ,，]?)"
"""The name of a building between two numbers: any short word."""
_HOUSE = re.compile(rf"(?<=[{ROAD_SIGNS}])[东東西南北中]?[ ,，]?{_PART}(?:[ ,，、]?{_NAMED}?{_UNIT_PART}|{_BARE_PART}){{0,6}}")
_BEFORE = re.compile("[\u4e00-\u9fff·0-9][\u4e00-\u9fff·0-9 ,，、()]*$")
"""What may belong to the address before its number; a sentence's end or a colon does not."""
_PROVINCE = re.compile(
    "(?:北京|天津|上海|重[庆慶]|河北|山西|内蒙古|遼寧|辽宁|吉林|黑[龙龍]江|江[苏蘇]|浙江|安徽|福建|江西"
    "|山[东東]|河南|湖北|湖南|[广廣][东東西]|海南|四川"
    "|[贵貴]州|[云雲]南|西藏|[陕陝]西|甘[肃肅]|青海|[宁寧]夏|新疆|香港|澳[门門]|[台臺][湾灣北中南東]"
    "|新北|高雄|桃[园園]|新竹|九[龙龍]|新界|港[岛島])"
    "(?![东東南西北中一二三四]?[路街道巷])"  # a road may have the name of a province
)
_TOWN = re.compile("[\u4e00-\u9fff](?:[省市县縣州盟旗]|[^小园景校林社山片时地][区區]|街道|[镇鎮乡鄉])")
_ROOM = re.compile(r"[0-9一二三四五六七八九十A-Za-z]\s?(?:栋|棟|幢|座|号楼|號樓|單元|单元|室|户|[层層楼樓]|弄|房)|[0-9]-[0-9]")
_NUMBERED = re.compile(r"[0-9一二三四五六七八九十百]\s?(?:号|號|弄|之|组|組)")
_PARTS = re.compile(_PART)
_TOLD = re.compile(
    r"(?:地址|住址|家住|居住|住在|住于|住於|住所|户籍|戶籍|籍贯|现住|寄[到往给至]|送[到往至]|搬[到至进]"
    r"|收[货件貨]|位于|位於|坐落|门牌|租住|家在|[我他她]住|住)[^0-9。！？\n]{0,24}$"
)
_CUE = re.compile(
    r"地址|住址|住所|所在地|户籍地?|戶籍地?|籍贯|[家居]?住在|居住[在于於]?|[现我他她家]住|住[于於]"
    r"|位[于於]|坐落[于於在]?|寄[到往给至]|送[到往至]|搬[到至进]|来自|前往|回到|去了|到了"
    r"|[为為是在到至于於往从由的]"
)


def postal_addresses(text: str) -> Iterator[Finding]:
    """Addresses with the number of a house; the value has no spaces."""
    done = 0
    for house in _HOUSE.finditer(text):
        before = _BEFORE.search(text, max(house.start() - 48, done), house.start())
        if before is None:
            continue
        told = _TOLD.search(text, max(house.start() - 72, 0), house.start()) is not None
        begin = before.start() + _skipped(before[0])
        towns = _TOWN.search(text, begin, house.start()) or _PROVINCE.search(text, begin, house.start())
        numbered, room = _NUMBERED.search(house[0]) is not None, _ROOM.search(house[0]) is not None
        if house.start() - begin >= 2 and (numbered or room) and (towns or told or (numbered and room and len(_PARTS.findall(house[0])) > 1)):
            done = house.end()
            yield Finding(begin, done, "postal_address", re.sub(r"[ ,，、]", "", text[begin:done]))


def _skipped(before: str) -> int:
    """How much of what stands before a house number is the sentence: up to a province, or to the last word that leads to a place."""
    if province := _PROVINCE.search(before):
        return province.start()
    first_town = _TOWN.search(before)
    cues = [cue.end() for cue in _CUE.finditer(before, 0, first_town.start() if first_town else len(before) - 2)]
    start = cues[-1] if cues else 0
    return start + len(before[start:]) - len(before[start:].lstrip(" ,，、"))
