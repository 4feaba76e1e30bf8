"""Guesses from scripts, frequent words and telling words in which countries' form a text writes its numbers."""

import re

TRADITIONAL = re.compile("[電話號碼聯繫請為個這們來時會說國學對開發後過經還進頭體證灣臺區縣鄉鎮樓車員與從點問題處]")
"""Han that the mainland does not write."""
HAN = re.compile("[\u4e00-\u9fff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_CYRILLIC = re.compile("[\u0410-\u044f\u0451]{3}")
_UKRAINIAN = re.compile("[\u0456\u0457\u0454\u0491]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_JAPANESE_HAN = re.compile("電話番号|番号|様|円|株式会社|東京|大阪|京都|都内|宛")
_TAIWAN = re.compile("[台臺][灣湾北中南東东]|高雄|新竹|新北|桃[園园]")

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"und|der|die|das|ist|nicht|unter|bitte|sie|ich|mir|wir|mit|für|ihr|ihre|mein|meine|uhr|rufen"
        r"|anrufen|rufnummer|telefonnummer|handy|handynummer"
        r"|erreichbar|erreichen|oder|von|herr|frau|straße|praxis|büro|festnetz|durchwahl",
        ("DE", "AT", "CH"),
    ),
    (
        r"le|la|les|des|est|vous|nous|mon|ma|votre|notre|au|aux|pour|une|avec|téléphone|appelez|appeler"
        r"|joindre|joignable|portable|numéro|madame|monsieur|ou"
        r"|sur|chez|du|rappeler|fixe",
        ("FR", "BE", "CH"),
    ),
    (r"el|los|las|está|por|para|con|llame|llamar|teléfono|móvil|señor|señora|número|mi|su", ("ES",)),
    (r"il|gli|è|per|chiamare|chiami|telefono|cellulare|numero|della|signor|signora|mio|suo", ("IT",)),
    (r"het|een|bel|bellen|telefoonnummer|mijn|uw|van|bereikbaar|voor", ("NL", "BE")),
    (r"ligue|telemóvel|telefone|celular|não|meu|minha|você|uma|com|seu", ("BR", "PT")),
    (r"jest|proszę|dzwonić|numer|pod|mój|komórka|się|nie", ("PL",)),
)
_LATIN = tuple((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), regions) for words, regions in _WORDS)
_ENGLISH = re.compile(r"\b(?:the|and|of|is|you|your|my|for|with|please|at|or|his|her|our)\b", re.IGNORECASE)
_ALL = ("DE", "FR", "JP", "TW", "RU", "KR", "AT", "CH", "BE", "NL", "IT", "GB", "AU", "IN", "UA")


def regions_of(text: str, begin: int, end: int) -> tuple[str, ...]:
    """Regions whose home forms the text around a number may use; Britain's, America's and the mainland's are looked for anywhere."""
    near = text[max(begin - 400, 0) : end + 200]
    if _KANA.search(near) or (HAN.search(near) and _JAPANESE_HAN.search(near)):
        return ("JP",)
    if _HANGUL.search(near):
        return ("KR",)
    if _CYRILLIC.search(near):
        return ("UA", "RU") if _UKRAINIAN.search(near) else ("RU", "KZ", "BY")
    if HAN.search(near):
        return ("TW", "HK") if TRADITIONAL.search(near) or _TAIWAN.search(near) else ()
    counts = [(len(words.findall(near)), regions) for words, regions in _LATIN]
    most, regions = max(counts, key=lambda entry: entry[0])
    return regions if most > len(_ENGLISH.findall(near)) else ()


def all_regions(text: str, begin: int, end: int) -> tuple[str, ...]:
    """For a number that a telling word calls a telephone number: the likely regions first, then any."""
    likely = regions_of(text, begin, end)
    return (*likely, *(region for region in _ALL if region not in likely))
