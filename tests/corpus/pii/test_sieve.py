import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapt.corpus.draft import Draft
from adapt.corpus.pii.guard import Guard
from adapt.corpus.pii.mail import is_spelt_out
from adapt.corpus.pii.rules import find, worth_a_look
from adapt.corpus.pii.sieve import suspicious
from adapt.spec.pii import PII_KINDS, Pii
from tests.corpus.pii.planted.cases import cases

LOOK = worth_a_look(PII_KINDS)
PARTS = (
    "13812345678", "+1 (415) 555-0132", " ", "号", "12", "-", "password: ", "密码", "是abc123!x", "护照", "E12345678", "@", "a@b.com",
    "114.114.114.115", "8.8.8.8", ":", "2001:db8::1", "2a00:1450:4001:81b::200e", "DE89 3702 0044 0532 0130 00", "AB12", "xoxb-1234567890",
    "AKIA" + "Q" * 16, "sk-", "abcdefghij0123456789", "=", "api_key", "-----BEGIN PRIVATE KEY-----", "SSN 078-05-1120", "4111111111111111",
    "PassPort ", "pwd=", "\n", "（", ".", "１３８", "\u3000", "—", "H12345678", "通行证", "A123456(3)", "身份证", "京A", "路88号", "北京市",
    "沪A·D12345", "朝阳区", "3栋", "602室", "张三", "公司.中国", "＠", "%40", "[at]", " dot ", "org", "台胞证", "电话", "62345678", "1234 5678", "×",
)  # fmt: skip
TEXTS = st.lists(
    st.sampled_from(PARTS) | st.text(st.sampled_from("0123456789+-. ()/:@aAfF_=<M密码口令０３—\u3000京路号电话"), max_size=6), max_size=12
).map("".join)


def _is_looked_at(text: str) -> bool:
    return LOOK.search(text) is not None or is_spelt_out(text)


def test_nothing_that_is_found_falls_through() -> None:
    texts = [case.text for case in cases(rounds=2)]
    held = suspicious(texts)
    assert [text for text, suspect in zip(texts, held, strict=True) if not suspect and _is_looked_at(text) and find(text)] == []
    assert held.tolist() == [suspicious([text])[0] for text in texts]


@given(st.lists(TEXTS, min_size=1, max_size=5))
@settings(derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_no_text_falls_through_for_what_stands_beside_it(texts: list[str]) -> None:
    for text, suspect in zip(texts, suspicious(texts), strict=True):
        assert suspect or not (_is_looked_at(text) and find(text))


@given(TEXTS)
@settings(derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_the_search_for_signs_passes_over_nothing_that_is_found(text: str) -> None:
    assert _is_looked_at(text) or not find(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Plain text.", "5*3=<<5*3=15>>15 apples and 20 pears", "头痛怎么办？多休息3天。", "in 2019, 1,200 of 3,000 people", "CYP21A2 and PRPS1",
        "a pneumonoultramicroscopic word", "from 10:30 to 11:45", "3.5 to 4.5 mg",
    ],
)  # fmt: skip
def test_ordinary_prose_needs_no_look(text: str) -> None:
    assert suspicious([text]).tolist() == [False]


def test_texts_are_told_apart_where_pages_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["电话13812345678", "", "harmless", "a@b.com", "13812", "345678"]
    monkeypatch.setattr("adapt.corpus.pii.sieve._AT_ONCE", 1)
    cut = suspicious(texts).tolist()
    monkeypatch.undo()
    assert cut == suspicious(texts).tolist() == [True, False, False, True, False, False]
    assert suspicious([]).tolist() == []


def test_many_drafts_are_protected_as_each_is() -> None:
    guard = Guard(Pii(email="drop"))
    drafts = [Draft("a", f"line {at}", "question", instruction="Who?", output=text) for at, text in enumerate(["Me.", "13812345678", "a@b.com"])]
    assert guard.protect_all(drafts) == [guard.protect(draft) for draft in drafts]
    assert guard.protect_all(drafts)[0] is drafts[0]
