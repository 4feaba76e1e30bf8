"""What stands in the slots: made by seeded code, with right checksums where it is personal and wrong ones where it is not.

No value belongs to anyone on purpose: telephone numbers, accounts and keys are drawn at random inside the forms of their kind.
"""

import base64
import string
from collections.abc import Callable
from random import Random

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALNUM, HEX = string.ascii_letters + DIGITS, "0123456789abcdef"


def drawn(random: Random, alphabet: str, length: int) -> str:
    """A random string."""
    return "".join(random.choice(alphabet) for _ in range(length))


def digits(random: Random, length: int) -> str:
    """Random digits, the first of them not zero."""
    return random.choice(DIGITS[1:]) + drawn(random, DIGITS, length - 1)


def filled(random: Random, *forms: str) -> str:
    """One of the forms with # as any digit, % as a digit from 2 to 9, @ as a capital letter."""
    alphabets = {"#": DIGITS, "%": DIGITS[2:], "@": UPPER}
    return "".join(random.choice(alphabets[mark]) if mark in alphabets else mark for mark in random.choice(forms))


def form_of(*forms: str) -> Callable[[Random], str]:
    """A maker of one of the forms."""
    return lambda random: filled(random, *forms)


def email(random: Random) -> str:
    """An address at an invented domain."""
    name = random.choice(["anna.holm", "zhang.san", "li_wei88", "orders+july", "m.o-brien", "k2", "Karen.Fox", "wang-xiaoming"])
    domain = random.choice(["northmere", "ledgerway", "qinghe", "mail.larchfield"])
    return f"{name}@{domain}.{random.choice(['example', 'com', 'com.cn', 'co.uk', 'org', 'cn'])}"


def cn_id(random: Random, *, right: bool = True) -> str:
    """18 characters after GB 11643 with a real birth date; the check character right, or off by some."""
    place = random.choice(["110101", "310115", "440305", "510104", "350203", "610112", "230102", "330106"])
    body = f"{place}{random.randint(1940, 2012)}{random.randint(1, 12):02}{random.randint(1, 28):02}{random.randint(1, 999):03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[(total if right else total + random.randint(1, 10)) % 11]


def cn_id_old(random: Random) -> str:
    """15 digits: the form before 1999."""
    place = random.choice(["110101", "310115", "510104"])
    return f"{place}{random.randint(30, 85)}{random.randint(1, 12):02}{random.randint(1, 28):02}{random.randint(1, 999):03}"


SCHEMES = (("4", 16), ("51", 16), ("54", 16), ("37", 15), ("62", 16), ("62", 19), ("2221", 16), ("3530", 16), ("6011", 16))


def card(random: Random, *, right: bool = True) -> str:
    """A card number of a scheme in one piece, in spaces or in hyphens; Luhn's digit right, or off by some."""
    start, length = random.choice(SCHEMES)
    body = start + drawn(random, DIGITS, length - len(start) - 1)
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(body)))
    number = body + str((-total + (0 if right else random.randint(1, 9))) % 10)
    groups = [number[:4], number[4:10], number[10:]] if length == 15 else [number[at : at + 4] for at in range(0, length, 4)]
    return random.choice(["", "", " ", "-"]).join(groups)


def iban(random: Random, *, right: bool = True) -> str:
    """An account number of one of twelve countries, grouped or not; the check digits right, or off by some."""
    forms = (
        *("DE" + "#" * 18, "GB@@@@" + "#" * 14, "FR" + "#" * 10 + "@#@#@######" + "##", "NL@@@@" + "#" * 10, "ES" + "#" * 20, "IT@" + "#" * 22),
        *("NO" + "#" * 11, "BE" + "#" * 12, "PL" + "#" * 24, "CH" + "#" * 17, "MT@@@@" + "#" * 5 + "@@@###############", "SA" + "#" * 20),
    )
    form = filled(random, *[form[:2].lower() + form[2:] for form in forms])
    country, account = form[:2].upper(), form[2:]
    value = int("".join(str(int(letter, 36)) for letter in account + country + "00"))
    check = (98 - value % 97 + (0 if right else random.randint(4, 50))) % 100
    number = f"{country}{check:02}{account}"
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if random.random() < 0.5 else number


def ip4(random: Random) -> str:
    """An address outside the private, reserved and documentation ranges."""
    return f"{random.choice([23, 45, 66, 81, 114, 121, 139, 183, 218])}.{random.randint(21, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


def ip6(random: Random) -> str:
    """A global unicast address."""
    start = f"{random.choice(['2a00', '2409', '2607', '240e'])}:{drawn(random, HEX, 4)}:{drawn(random, HEX, 3)}"
    return start + random.choice(["::" + digits(random, 2), ":" + ":".join(drawn(random, HEX, 4) for _ in range(5))])


def mrz(random: Random) -> str:
    """Both lines of a passport's machine-readable zone after ICAO 9303, check digits included."""

    def check(field: str) -> str:
        return str(sum(int(letter.replace("<", "0"), 36) * (7, 3, 1)[at % 3] for at, letter in enumerate(field)) % 10)

    number = filled(random, "E########", "@########", "@@#######")
    birth = f"{random.randint(40, 99)}0{random.randint(1, 9)}1{random.randint(0, 9)}"
    expiry = f"{random.randint(26, 34)}1{random.randint(0, 2)}2{random.randint(0, 8)}"
    fields = [number + check(number), birth + check(birth), expiry + check(expiry), "<" * 14 + "0"]
    second = f"{fields[0]}UTO{fields[1]}{random.choice('MF')}{fields[2]}{fields[3]}{check(''.join(fields))}"
    return f"{random.choice(['P<UTOHOLM<<ANNA<MARIA', 'P<UTOZHANG<<SAN', 'POUTOLEE<<KIM']):<<44}\n{second}"


def jwt(random: Random) -> str:
    """A signed token: header, claims, signature."""
    parts = ('{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{digits(random, 8)}","name":"Anna Holm"}}')
    return ".".join([*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts), drawn(random, ALNUM + "-_", 43)])


def pem(random: Random) -> str:
    """A private key block."""
    name = random.choice(["RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"])
    body = "\n".join(drawn(random, ALNUM + "+/", 64) for _ in range(4))
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----"


def password(random: Random) -> str:
    """What people choose, and what password stores make."""
    word = random.choice(["Maple", "otter", "River", "zhang", "Shanghai", "tulip", "Qwerty"])
    return random.choice(
        [
            f"{word}{random.choice('!#*_')}{digits(random, 3)}",
            f"{word}{digits(random, 4)}san",
            mixed(random, 12),
            f"{mixed(random, 5)}#{mixed(random, 4)}!",
        ]
    )


def mixed(random: Random, length: int) -> str:
    """Letters of both cases and digits, at least one of each."""
    parts = [random.choice(UPPER), random.choice(LOWER), random.choice(DIGITS), *drawn(random, ALNUM, length - 3)]
    random.shuffle(parts)
    return "".join(parts)


PHONES = {
    "phone_us": ("(212) 555-01##", "415-555-01##", "312.%#%.####", "+1 617 555 01##", "1-206-%5%-####", "303-%4%-####"),
    "phone_uk": ("020 7946 0###", "+44 20 7946 0###", "0161 496 0###", "+44 7700 900###", "(0117) 496 0###", "07911 12####"),
    "phone_cn": ("13812######", "159########", "186-####-####", "177 #### ####", "+86 135 #### ####", "+86139########", "86-1381234####"),
    "phone_intl": (
        *("+49 30 2312####", "+33 1 42 68 ## ##", "+91 98765 #####", "+81 3-3224-####"),
        *("+55 11 98765-####", "+61 2 9374 ####", "+852 2834 ####", "0049 30 2312####"),
    ),
    "landline_cn": ("010-6%######", "（021）5%##-####", "0755-26%#####", "(028) 8%######", "0571-87%#####", "+86 21 5%## ####"),
    "hotline_cn": ("400-82#-####", "400-6##-####", "800-820-####"),
}
"""Forms of telephone numbers for `filled`."""
PASSPORTS = ("E########", "EA#######", "G########", "5########", "A########", "##@@#####", "TK#######", "K#######", "C01X0#T##", "AB######")

PERSONAL: dict[str, tuple[str, Callable[[Random], str]]] = {
    "email": ("email", email),
    **{slot: ("phone", form_of(*forms)) for slot, forms in PHONES.items()},
    "cn_id": ("cn_id", cn_id),
    "cn_id_old": ("cn_id", cn_id_old),
    "card": ("bank_card", card),
    "iban": ("iban", iban),
    "ip4": ("ip", ip4),
    "ip6": ("ip", ip6),
    "ssn": ("us_ssn", form_of("2##-4%-1###", "5%#-3%-2###", "1%#-6%-%###")),
    "ssn_bare": ("us_ssn", form_of("2##4%1###", "5%#3%2###")),
    "passport": ("passport", form_of(*PASSPORTS)),
    "mrz": ("passport", mrz),
    "aws_id": ("secret", lambda r: "AKIA" + drawn(r, UPPER + "234567", 16)),
    "aws_secret": ("secret", lambda r: mixed(r, 40)),
    "github": ("secret", lambda r: r.choice(["ghp_", "gho_", "ghs_"]) + mixed(r, 36)),
    "gitlab": ("secret", lambda r: "glpat-" + mixed(r, 20)),
    "slack": ("secret", lambda r: f"xox{r.choice('bp')}-{digits(r, 12)}-{digits(r, 12)}-{mixed(r, 24)}"),
    "stripe": ("secret", lambda r: r.choice(["sk_live_", "rk_live_", "sk_test_"]) + mixed(r, 24)),
    "openai": ("secret", lambda r: r.choice(["sk-", "sk-proj-", "sk-ant-api03-"]) + mixed(r, 48)),
    "google": ("secret", lambda r: "AIza" + mixed(r, 35)),
    "jwt": ("secret", jwt),
    "pem": ("secret", pem),
    "password": ("secret", password),
    "api_key": ("secret", lambda r: r.choice([mixed(r, 32), drawn(r, HEX, 32)])),
}
"""Slot, kind of personal data, maker."""
