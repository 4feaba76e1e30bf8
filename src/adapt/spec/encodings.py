"""Names of encodings, as specs, pages and XML files write them, and what is meant by them (WHATWG Encoding
Standard, section 4.2)."""

import codecs

_LABELS = {
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 "
    "us-ascii windows-1252 x-cp1252",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 tis620 windows-874 cp874",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 cp949 uhc",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 cp936 euc-cn",
    "cp950": "big5 cn-big5 csbig5 x-x-big5 cp950",
    "big5hkscs": "big5-hkscs",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp eucjp",
    "iso2022_jp": "csiso2022jp iso-2022-jp",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8_u": "koi8-ru koi8-u",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "cp866": "866 cp866 csibm866 ibm866",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "iso8859_2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859_5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i "
    "iso8859-6 iso88596 iso_8859-6",
    "iso8859_7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso8859-8 iso88598 iso_8859-8 csiso88598i iso-8859-8-i logical",
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}


_WIDER = {
    "cp950": ("big5hkscs",),
    "euc_jp": ("euc_jis_2004",),
    "iso2022_jp": ("iso2022_jp_ext",),
    "utf-16": ("utf-16-le",),
    "utf-32": ("utf-32-le",),
}
"""What such files are in when they hold more than the plain standard, or no mark."""
_NO_TEXT = frozenset({"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "mbcs", "oem", "undefined"})


def codecs_of(label: str) -> tuple[str, ...]:
    """Python's codecs for what is written under a label, to be tried in this order: first the superset that
    browsers read. Empty for no encoding of text.
    """
    name = label.strip().lower()
    meant = _CODECS.get(name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return () if meant is None else (meant, *_WIDER.get(meant, ()))
    if not getattr(info, "_is_text_encoding", False) or info.name.replace("_", "-") in _NO_TEXT:
        return ()
    meant = meant or _CODECS.get(info.name.replace("_", "-")) or _CODECS.get(info.name)
    if meant is None:
        return (info.name, *_WIDER.get(info.name, ()))
    return tuple(dict.fromkeys((meant, *_WIDER.get(meant, ()), _plain(info.name))))


def wider(codec: str) -> tuple[str, ...]:
    """A codec, and those of the same kind that know more characters."""
    return (codec, *_WIDER.get(codec, ()))


def _plain(name: str) -> str:
    """One spelling of a codec's name."""
    return name if name.startswith("utf") else name.replace("-", "_")
