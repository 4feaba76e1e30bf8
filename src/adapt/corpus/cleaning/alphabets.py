"""Letters that languages write, beyond those of ASCII; small letters only."""

_LATIN = {
    "sq": "çë",
    "cs": "áčďéěíňóřšťúůýž",
    "cy": "âêîôûŵŷáéíóúàèìòùäëïöüẃẁẅýỳÿ",
    "da": "æøåéü",
    "de": "äöüßéàè",
    "en": "éèêëïîöüçñàâôûäáíó",
    "es": "áéíóúüñçªº",
    "et": "äöõüšžé",
    "eu": "ñçü",
    "fi": "äöåšžéü",
    "fr": "àâæçéèêëîïôœùûüÿö",
    "ga": "áéíóú",
    "hr": "čćđšžé",
    "hu": "áéíóöőúüű",
    "is": "áðéíóúýþæö",
    "it": "àèéìíîòóùú",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūžōŗ",
    "mt": "ċġħżàèìòùîâê",
    "nl": "éëïóöüèêáíúàçäûôâî",
    "no": "æøåéèêóòôä",
    "pl": "ąćęłńóśźżé",
    "pt": "áâãàçéêíóôõúüªº",
    "ro": "ăâîșțşţ",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "sl": "čšžćđé",
    "sv": "åäöéàüè",
    "tr": "çğıöşüâîû",
    "vi": "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
}
_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_CYRILLIC = {
    "be": "абвгдежзйклмнопрстуфхцчшыьэюяёіў",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюя" + "ѝ",
    "mk": "абвгдежзијклмнопрстуфхцчшѓѕљњќџ" + "ѐѝ",
    "ru": _RUSSIAN + "ё",
    "sr": "абвгдежзијклмнопрстуфхцчшђљњћџ",
    "uk": "абвгдежзийклмнопрстуфхцчшщьюяґєії",
}
LATIN: dict[str, frozenset[str]] = {language: frozenset(letters) for language, letters in _LATIN.items()}
"""Languages of the Latin script."""
CYRILLIC: dict[str, frozenset[str]] = {language: frozenset(letters) for language, letters in _CYRILLIC.items()}
"""Languages of the Cyrillic script."""
