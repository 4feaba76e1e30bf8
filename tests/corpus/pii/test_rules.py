import pytest

from adapt.corpus.pii.kinds import TAGS
from adapt.corpus.pii.rules import find


def masked(text: str) -> str:
    """The text with every finding replaced by the tag of its kind."""
    for finding in reversed(find(text)):
        text = text[: finding.begin] + TAGS[finding.kind] + text[finding.end :]
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
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
        ("旧身份证号110101491230021在册", "旧身份证号[CN_ID]在册"),
        ("卡号6212345678901232已开通", "卡号[BANK_CARD]已开通"),
        ("4111 1111 1111 1111 12/26", "[BANK_CARD] 12/26"),
        ("5555-5555-5555-4444", "[BANK_CARD]"),
        ("3782 822463 10005", "[BANK_CARD]"),
        ("账户DE89370400440532013000收款", "账户[IBAN]收款"),
        ("GB82 WEST 1234 5698 7654 32 BIC WESTGB2L", "[IBAN] BIC WESTGB2L"),
        ("来自114.114.114.115的请求", "来自[IP]的请求"),
        ("from 2a00:1450:4001:81b::200e: denied", "from [IP]: denied"),
        ("DNS 1.2.3.4 answers", "DNS [IP] answers"),
        ("His SSN is 219-45-1234.", "His SSN is [US_SSN]."),
        ("社会安全号码219451234有误", "社会安全号码[US_SSN]有误"),
        ("护照E12345678，持G12345678号护照", "护照[PASSPORT]，持[PASSPORT]号护照"),
        ("Passport No. 12AB34567", "Passport No. [PASSPORT]"),
        ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10 end", "[PASSPORT] end"),
        ("密码：Abc12345，账号root", "密码：[SECRET]，账号root"),
        ("密码是839204，口令为tulip*514。", "密码是[SECRET]，口令为[SECRET]。"),
        ("db_pass: TRAVc1l77lTo\n数据库密码改成River_600了", "db_pass: [SECRET]\n数据库密码改成[SECRET]了"),
        ("**Password**: `Tr0ub4dor&3` ok", "**Password**: `[SECRET]` ok"),
        ("<password>Abc12345</password>", "<password>[SECRET]</password>"),
        ('{"password": "N0t-a,word!"}', '{"password": "[SECRET]"}'),
        ("mongodb+srv://admin:Zt9%21kq@cluster0.mongodb.net/x", "mongodb+srv://admin:[SECRET]@cluster0.mongodb.net/x"),
        ("密钥AKIAQ3EGTPWLMZ2RNZOH停用", "密钥[SECRET]停用"),
        ("护照丢了，号码是E12345678。護照號碼：A12345678", "护照丢了，号码是[PASSPORT]。護照號碼：[PASSPORT]"),
        ("Reisepass Nr. C01X00T47, passeport n° 12AB34567", "Reisepass Nr. [PASSPORT], passeport n° [PASSPORT]"),
        ("https://hooks.slack.com/services/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", "https://hooks.slack.com/services/[SECRET]"),
    ],
)
def test_personal_data_is_found(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "订单110105199806152437",  # an identity number but for its check digit
        "77010119900307471X",  # the check digit is right, but there is no province 77
        "ref 202411080012345679",
        "4929 1234 5678 9013 and 4929104857203916",  # fail Luhn
        "订单号4111111111111111，IMEI 490154203237518",  # Luhn's digit by chance, or by another standard
        "金额4111111111111111元",
        "barcode 6901380013807, ISBN 978-7-111-12345-6",
        "account 1100-120-4410",
        "2019-2023, 1990-1995-2000, 2020-2021-2022-2023",
        "GB/T 19001-2016, ISO 9001:2015, SI 1998/3132, US Patent 4,405,829",
        "12,500 x 0.08 x 146 / 365",
        "2500000-1800000 and 1500-900-350 and 303-555-1234 = -1486",
        "150 + 40 - 60 - 10 = 120; +12345678901 = x",
        "共13812345678元，¥13812345678，约15000000000，x=13812345678",
        "US$2,125,550,187 or 0.13812345678 or 3.14159265358979323846",
        "logo@2x.png, @types/node, pkg@1.2.3, git@github.com:team/project.git",
        "10.1038/s41586-020-2649-2 at 192.168.100.200",
        "500-900-3500",
        "id_13812345678 a-13812345678",
        "DE88370400440532013000 has wrong check digits",
        "version 88.12.4.21, 固件4.2.0.11, Chrome/120.0.60.71, 1.3.6.1.4.1",
        "section 3.2.1.4; 192.0.2.7, 10.0.0.1, 2001:db8::1, std::vector, 12:30:45, 00:1a:2b:3c:4d:5e",
        "000-12-3456, 666-12-3456, 912-34-5678, EIN 12-3456789, 219451234",
        "passport application 123456789; E12345678; 护照受理编号123456789012",
        "password: required; password: <your-password>; password=changeme; 密码：不少于8位",
        "password = os.environ['DB_PASSWORD']; password = get(1, 'abc12'); token: ${TOKEN_123456789012}",
        "api_key=xxxxxxxxxxxxxxxxxxxx, AKIAIOSFODNN7EXAMPLE, sk-learn-is-a-nice-library-2024",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b, request 32d8cd1b-7221-4673-e4a3-726c688f7594",
        "postgres://user:${PASSWORD}@localhost/db and postgres://user:<password>@db.example.com/x",
        "密码学里的RSA2048与SHA256",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert masked(text) == text


def test_what_one_kind_takes_no_later_kind_takes() -> None:
    found = find("110101199003074717 and 13812345678 and 4111111111111111")
    assert [finding.kind for finding in found] == ["cn_id", "phone", "bank_card"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("13812345678", "+86 138 1234 5678"),
        ("(212) 555-0143", "+12125550143"),
        ("Anna@Example.com", "anna@example.COM"),
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("身份证110101491230021", "110101194912300213"),
        ("2a00:1450:4001:081b:0000:0000:0000:200e", "2a00:1450:4001:81b::200e"),
        ("SSN 219451234", "219-45-1234"),
        ("护照L898902C3", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    ],
)
def test_one_thing_has_one_value_however_it_is_written(first: str, second: str) -> None:
    assert [(finding.kind, finding.value) for finding in find(first)] == [(finding.kind, finding.value) for finding in find(second)] != []


@pytest.mark.timeout(20)  # linear time is under a second; time that grows with the square is minutes
@pytest.mark.parametrize(
    "text",
    [
        *("1 " * 90000, "a" * 200000 + "@", "-----BEGIN PRIVATE KEY-----" * 3000, "password" * 9000, "eyJ" * 90000),
        *("DE89 " * 20000, "http://a:" * 20000, "2" * 200000),
    ],
    ids=lambda text: text[:12],
)
def test_hostile_texts_take_no_more_time_than_their_length(text: str) -> None:
    assert find(text) == []
