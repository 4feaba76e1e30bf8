"""Files of several encodings, late bytes, and what only looks like another encoding."""

import pytest

from adapt.corpus.cleaning.encoding import UndecodableError
from tests.corpus.encodings.coding import read
from tests.corpus.encodings.texts import TABLE

_LONG = {sample.language: sample.long for sample in reversed(TABLE)}
_PLAIN = b"plain line of ascii\n" * 150_000


@pytest.mark.parametrize(
    ("first", "codec", "times", "last", "other"),
    [
        ("ru", "cp1251", 3, "ru", "utf-8"), ("ru", "cp1251", 2000, "ru", "utf-8"), ("ru", "cp1251", 3, "ru", "koi8_r"),
        ("ru", "cp1251", 2000, "ru", "koi8_r"),
        ("zh", "gb18030", 2000, "ko", "euc_kr"), ("zh", "gb18030", 4, "zh", "utf-8"), ("fr", "cp1252", 5, "zh", "gb18030"),
        ("el", "cp1253", 500, "ru", "cp1251"),
        ("ja", "cp932", 300, "fr", "cp1252"), ("ko", "cp949", 300, "ja", "euc_jp"),
    ],
)  # fmt: skip
def test_a_file_of_two_encodings_is_refused(first: str, codec: str, times: int, last: str, other: str) -> None:
    with pytest.raises(UndecodableError):
        read((_LONG[first] * times).encode(codec) + _LONG[last].encode(other))


@pytest.mark.parametrize(("language", "codec"), [("ja", "cp932"), ("ru", "koi8_r"), ("ja", "iso2022_jp"), ("zh", "gb18030"), ("th", "cp874")])
def test_letters_behind_megabytes_of_ascii_are_read(language: str, codec: str) -> None:
    assert read(_PLAIN + _LONG[language].encode(codec)).endswith(_LONG[language])


def test_two_encodings_megabytes_apart_are_refused() -> None:
    with pytest.raises(UndecodableError):
        read(_PLAIN + _LONG["ru"].encode("cp1251") + _PLAIN + _LONG["ru"].encode("koi8_r"))


def test_a_late_byte_that_is_no_character_makes_the_file_undecodable() -> None:
    with pytest.raises(UndecodableError, match="does not decode as such"):
        read((_LONG["zh"] * 6000).encode("gb18030") + b"caf\xe9\n")


@pytest.mark.parametrize(("language", "codec"), [("zh", "gb18030"), ("ja", "cp932"), ("ko", "cp949"), ("th", "cp874")])
def test_a_line_of_megabytes_is_read(language: str, codec: str) -> None:
    line = _LONG[language].replace("\n", "").replace(" ", "") * 6000
    assert read(line.encode(codec)) == line


@pytest.mark.parametrize(
    "text",
    [
        "\\section{A}~{\\bf x} and ~{\\it y}~}\n" * 20,
        "\x1b[31mred\x1b[0m text here\n" * 3,
        "a shell's ~{x,y}~ stays\n",
    ],
)
def test_plain_text_with_tildes_and_escapes_stays(text: str) -> None:
    assert read(text.encode()) == text


def test_escapes_of_chinese_iso_2022_are_refused() -> None:
    with pytest.raises(UndecodableError):
        read(b"plain text \x1b$)A\x0eMbNd\x0f and so on, in many words of English" * 3)


def test_mojibake_inside_windows_1252_is_left_to_its_repair() -> None:
    text = "Der Käufer trägt die Kosten für die Rücksendung.\nDie Ware wird fÃ¼r Sie geprÃ¼ft und mÃ¶glichst schnell verschickt.\n"
    assert read(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    "text",
    ["Müller GmbH, Größe: 5 m, schön", "80 °C at most, 3 × 4 m, ½ cup", "© 2020 Acme Ltd. All rights reserved.", "• first\n• second\n", "It’s fine.",
     "The price is 20 €.", "He paid 18000 € — too much.", "{\"q\": \"Pat’s “cat”\\n“dog”\"}"],
)  # fmt: skip
def test_signs_and_a_few_letters_in_ascii_are_windows_1252(text: str) -> None:
    assert read(text.encode("cp1252")) == text
