"""Finds IP addresses of the public internet."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from adapt.corpus.pii.kinds import Finding

_IP4 = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z][.\-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_])(?![.\-][0-9A-Za-z])")
_IP6 = re.compile(r"(?<![0-9A-Za-z:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
_VERSION_BEFORE = re.compile(
    r"(?:version|release|build|firmware|driver|patch|upgrade|section|clause|chapter|chrome|\bEC|版本|固件|内核|驱动|补丁|升级|章节?|条款|手册第|第|§|[<>=~^]=|[A-Za-z]/|\bv(?:er)?\.?)"
    r"\s{0,2}(?:number|no\.?|to|号)?\s{0,2}(?:is|为|是|[:：到至])?\s{0,2}$",
    re.IGNORECASE,
)
_ADDRESS_NEARBY = re.compile(
    r"\bIP|IP(?:地址|v4)?|address|host|server|\bDNS\b|\bping\b|gateway|client|log-?in|地址|服务器|主机|网关|登录|客户端", re.IGNORECASE
)


def addresses(text: str) -> Iterator[Finding]:
    """IPv4 and IPv6 addresses that are public; private, reserved and documentation ranges stay, and versions such as 1.2.3.4."""
    for match in _IP4.finditer(text):
        if _is_public(match[0]) and not _is_version(text, match):
            yield Finding(*match.span(), "ip", match[0])
    for match in _IP6.finditer(text) if text.count(":") > 2 else ():
        number = match[0] if match[0].endswith("::") else match[0].rstrip(":")  # a colon of the sentence
        try:
            address = IPv6Address(number)
        except ValueError:
            continue
        if address.is_global:
            yield Finding(match.start(), match.start() + len(number), "ip", address.compressed)


def _is_public(number: str) -> bool:
    try:
        address = IPv4Address(number)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


def _is_version(text: str, match: re.Match[str]) -> bool:
    """Whether words before it say so; four small numbers are a version or a section as long as nothing nearby speaks of networks."""
    if _VERSION_BEFORE.search(text[max(match.start() - 32, 0) : match.start()]):
        return True
    small = all(int(part) <= 20 for part in match[0].split("."))
    return small and _ADDRESS_NEARBY.search(text, max(match.start() - 40, 0), match.end() + 40) is None
