"""Values that look like personal data and are none: hard negatives of the planted set."""

from collections.abc import Callable
from functools import partial
from random import Random

from tests.corpus.pii.planted.values import ALNUM, DIGITS, HEX, card, cn_id, digits, drawn, filled, form_of, iban

PLACEHOLDERS = (
    *("<your-key>", "xxxxxxxxxxxxxxxxxxxx", "changeme", "your_api_key_here", "${API_KEY}", "********", "YOUR_PASSWORD", "REDACTED", "<password>"),
    *("sk-xxxxxxxxxxxxxxxxxxxxxxxx", "AKIAIOSFODNN7EXAMPLE", "example-password", "$DB_PASS", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    "my-secret-token",
)
CODE = (
    *("os.environ['DB_PASSWORD']", "get_secret('db')", "config.database.password", "request.form.get('password')", "None", "settings.DB_PASSWORD"),
    *("user.password1", "self._password", 'os.getenv("PGPASSWORD")', "hash_password(value, rounds=12)"),
)
PRIVATE = ("192.168.{}.1", "10.0.{}.8", "172.16.{}.20", "127.0.0.{}", "fe80::{}", "fd12:3456::{}")
EXAMPLE = ("192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "2001:db8::{}")


def ean13(random: Random, start: str = "69") -> str:
    """A barcode with its right check digit."""
    body = start + drawn(random, DIGITS, 12 - len(start))
    return body + str(-sum(int(digit) * (1 + 2 * (at % 2)) for at, digit in enumerate(body)) % 10)


def isbn13(random: Random) -> str:
    """An ISBN, in one piece or with hyphens."""
    number = ean13(random, random.choice(["9787", "9780", "978150"]))
    return random.choice([number, f"{number[:3]}-{number[3]}-{number[4:7]}-{number[7:12]}-{number[12]}"])


def isbn10(random: Random) -> str:
    """An ISBN of the old form."""
    body = drawn(random, DIGITS, 9)
    return body + "0123456789X"[-sum(int(digit) * (10 - at) for at, digit in enumerate(body)) % 11]


def imei(random: Random) -> str:
    """A device number, which has Luhn's digit as cards have."""
    body = random.choice(["35", "86", "49"]) + drawn(random, DIGITS, 12)
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(body)))
    return body + str(-total % 10)


def cas(random: Random) -> str:
    """A chemical's registry number."""
    body = digits(random, random.choice([5, 6, 7]))
    return f"{body[:-2]}-{body[-2:]}-{sum(int(digit) * at for at, digit in enumerate(reversed(body), 1)) % 10}"


def formula(random: Random) -> str:
    """A calculation without spaces, or with some."""
    return filled(
        random,
        "12##0*0.08*14#/365",
        "2500000-18##000",
        "(4#/2)+(2#*3)=9#",
        "3.5×10^6÷1#",
        "1##00 x 0.08 x 146 / 365",
        "15##-9##-3##",
        "13812345678/1#",
        "212-555-01##=-398",
    )


def stamp(random: Random) -> str:
    """A moment as logs write it."""
    return random.choice(["2024-0{}-1{}T10:1{}:12Z", "20240{}1{}101{}12", "2023-1{}-0{} 08:3{}:00", "1{}/0{}/20{}4"]).format(
        *(random.randint(0, 2) for _ in range(3))
    )


HARMLESS: dict[str, Callable[[Random], str]] = {
    **{f"number{length}": partial(digits, length=length) for length in (4, 5, 6, 8, 9, 10, 12, 13, 16)},
    "number18": lambda r: f"20{r.randint(10, 25)}{r.randint(1, 12):02}{r.randint(1, 28):02}{drawn(r, DIGITS, 10)}",
    "year": lambda r: str(r.randint(1995, 2025)),
    "years": lambda r: r.choice(["2019-2023", "1990-1995", "2008–2012", "2001-2003-2005", "1998/1999"]),
    "cn_id_wrong": lambda r: cn_id(r, right=False),
    "card_wrong": lambda r: card(r, right=False),
    "iban_wrong": lambda r: iban(r, right=False),
    "ssn_wrong": form_of("000-1%-####", "666-1%-####", "9##-00-####", "12#-00-####", "2##-4%-0000"),
    "isbn13": isbn13,
    "isbn10": isbn10,
    "ean13": ean13,
    "imei": imei,
    "amount": form_of("1%,###.##", "%###.##", "2,###,###", "1%#,###,###.00", "%##.##"),
    "amount_bare": form_of("138########", "15%########", "2125550###", "4############", "%######.##"),
    "stamp": stamp,
    "datetime": form_of("2024-05-1# 10:1#:12", "2023/1%/0# 8:##", "2022.0%.1#"),
    "millis": lambda r: "17" + drawn(r, DIGITS, 11),
    "version4": form_of("4.2.0.1#", "120.0.6%.7#", "1.18.0.#", "2.4.5%.12", "8.0.36.#", "88.12.4.21#", "10.0.19045.2###"),
    "section4": form_of("3.2.1.#", "4.1#.2.#", "12.3.1.%"),
    "ip_private": lambda r: r.choice(PRIVATE).format(r.randint(1, 99)),
    "ip_example": lambda r: r.choice(EXAMPLE).format(r.randint(1, 99)),
    "docket": form_of("2:19-cv-04###", "No. 18-1###", "CV-2021-00####", "3:2#-cr-00###-ABC"),
    "patent": form_of("9,4##,###", "10,1##,###"),
    "standard": form_of("19001-20##", "2%###.1-2016", "7714-2015"),
    "formula": formula,
    "sha1": lambda r: drawn(r, HEX, r.choice([40, 40, 10])),
    "sha256": lambda r: drawn(r, HEX, 64),
    "uuid": lambda r: "-".join(drawn(r, HEX, length) for length in (8, 4, 4, 4, 12)),
    "mac": lambda r: ":".join(drawn(r, HEX, 2) for _ in range(6)),
    "ein": form_of("12-3######", "47-%######"),
    "zip4": form_of("62704-####", "10001-####"),
    "part": form_of("AB-1203-####", "5550-12#-44", "7%-1##-0##", "K1234-####-A"),
    "coordinates": form_of("31.23####, 121.47####", "-33.86####,151.20####", "39.9##°N 116.3##°E"),
    "cas": cas,
    "doi": form_of("10.1038/s41586-020-2###-2", "10.1000/182###456", "10.1145/33####.44#####"),
    "arxiv": form_of("2103.0####", "1706.0####v2"),
    "nct": form_of("NCT0#######"),
    "ledger": form_of("1100-120-44##", "6602-01-0##", "500-9##-3500"),
    "short_code": form_of("1#C", "A#"),
    "decimals": lambda r: r.choice(["3.14159265358979", "3.1415926535", "2.718281828459045"]),
    "list": form_of("{1, 5, 1#, 3#, 48, 51, 60}", "2 3 5 7 11 13 1#", "1,2,3,4,5,6,#"),
    "range": form_of("12#-13#", "1##/8#", "2#1–2#9"),
    "scores": form_of("88-92-7#-85-9#", "88,92,7#,85,9#", "8# 9# 7# 85 90"),
    "base64": lambda r: drawn(r, ALNUM + "+/", 160),
    "credit_code": form_of("91110108MA######@#", "9131011559#######@", "91440300MA######@@", "911101085923662###"),
    "stock": form_of("600###", "00####.SZ"),
    "cnaps": form_of("1021000#####"),
    "placeholder": lambda r: r.choice(PLACEHOLDERS),
    "code_value": lambda r: r.choice(CODE),
}  # fmt: skip
"""Slot and maker."""
