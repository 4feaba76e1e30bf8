import pytest

from adapt.corpus.pii import mask
from adapt.spec.corpus import PiiKind

ALL: tuple[PiiKind, ...] = ("email", "phone", "cn_id", "bank_card")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mail a+b@sub.example.co.uk.", "Mail [EMAIL]."),
        ("邮箱zhang.san@example.com.cn请查收", "邮箱[EMAIL]请查收"),
        ("电话13812345678请回电", "电话[PHONE]请回电"),
        ("手机：138 1234 5678", "手机：[PHONE]"),
        ("**13812345678**/13912345678,13712345678", "**[PHONE]**/[PHONE],[PHONE]"),
        ("Tel13812345678 tel=86-13812345678", "Tel[PHONE] tel=[PHONE]"),
        ("座机010-12345678转801，（021）5555 0123", "座机[PHONE]转801，[PHONE]"),
        ("电话01012345678找他", "电话[PHONE]找他"),
        ("热线400-123-4567", "热线[PHONE]"),
        ("联系+8613812345678谢谢", "联系[PHONE]谢谢"),
        ("+44 20 7946 0958 or +44 7700 900123", "[PHONE] or [PHONE]"),
        ("0044 20 7946 0958, 020 7946 0958", "[PHONE], [PHONE]"),
        ("(212) 555-0143, 212-555-0187, 212.555.0187", "[PHONE], [PHONE], [PHONE]"),
        ("+1 (415) 555-0186; call 2125550187 now", "[PHONE]; call [PHONE] now"),
        ("身份证110101199003074717。", "身份证[CN_ID]。"),
        ("号码31011519001005302x，", "号码[CN_ID]，"),
        ("110101 19900307 4717", "[CN_ID]"),
        ("卡号6212345678901232已开通", "卡号[BANK_CARD]已开通"),
        ("4111 1111 1111 1111 12/26", "[BANK_CARD] 12/26"),
        ("5555-5555-5555-4444", "[BANK_CARD]"),
        ("3782 822463 10005", "[BANK_CARD]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text, ALL)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "订单110105199806152437",  # an identity number but for its check digit
        "ref 202411080012345679",
        "4929 1234 5678 9013 and 4929104857203916",  # fail Luhn
        "barcode 6901380013807, ISBN 978-7-111-12345-6",
        "account 1100-120-4410",
        "2019-2023, 1990-1995-2000, 2020-2021-2022-2023",
        "GB/T 19001-2016, ISO 9001:2015, SI 1998/3132, US Patent 4,405,829",
        "12,500 x 0.08 x 146 / 365",
        "2500000-1800000 and 1500-900-350 and 303-555-1234 = -1486",
        "150 + 40 - 60 - 10 = 120; +12345678901 = x",
        "共13812345678元，¥13812345678，约15000000000",
        "US$2,125,550,187 or 0.13812345678 or 3.14159265358979323846",
        "logo@2x.png, @types/node, pkg@1.2.3",
        "10.1038/s41586-020-2649-2 at 192.168.100.200",
        "DE89370400440532013000",
        "500-900-3500",
        "id_13812345678 a-13812345678",
    ],
)
def test_numbers_that_are_not_personal_survive(text: str) -> None:
    assert mask(text, ALL) == (text, {})


def test_a_valid_identity_number_is_taken_for_nothing_else_when_it_is_not_masked() -> None:
    text = "110101199003074717 and 13812345678 and 4111111111111111"
    assert mask(text, ("phone",)) == ("110101199003074717 and [PHONE] and 4111111111111111", {"phone": 1})


def test_each_kind_is_counted() -> None:
    assert mask("a@b.com c@d.org 13812345678 4111111111111111", ALL)[1] == {"email": 2, "phone": 1, "bank_card": 1}
