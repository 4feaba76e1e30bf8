import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapt.dataset.augmentation.augment import augment
from adapt.dataset.augmentation.chance import Chance
from adapt.dataset.augmentation.order import reorder_sentences
from adapt.dataset.augmentation.protected import Protected
from adapt.dataset.augmentation.rules import MASK, add_noise, mask_words
from adapt.dataset.formatters.document import format_document
from adapt.dataset.synthesis.talk import Failure, Messages
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Language
from adapt.spec.dataset import DatasetSpec
from adapt.spec.synthesis import Augmentation
from tests.dataset.made import question
from tests.dataset.texts import prose

EXACT = (
    "Do not send 1,250.00 EUR to [EMAIL_7f3a9c2e] or [PHONE] before 2024-05-01; call `transfer(amount)` and see https://example.org/a?b=1 for the "
    "three IBAN rules, which never change unless the bank writes to {customer} about $x_1 = 5$ or about something entirely different from all that."
)
EXACT_ZH = (
    "患者不能同时服用两种药物，除非医生同意；请在2024年5月1日前把1250元汇到[BANK_CARD]，"
    "每天服用20毫克，并联系[EMAIL]，不得拖延，具体规定请查看说明书里面的内容和附件资料。"
)
KEPT = re.compile(
    r"\bthree\b|1,250\.00|\[[A-Z_0-9a-f]+\]|2024-05-01|2024年5月1日|1250元|20毫克|`transfer\(amount\)`|https://\S+|IBAN|\bnot\b|never|unless|\{customer\}"
    r"|\$x_1 = 5\$|不能|除非|不得|两种"
)


def made(count: int, **content: Any) -> list[AlpacaRecord]:
    documents = [question(content.get("asked") or f"{prose((n, 'q'), 12)}?", prose((n, "a")), line=n + 1) for n in range(count)]
    return [format_document(document, DatasetSpec()).candidates[0].record for document in documents]


def one(asked: str, answer: str = "An answer of some length.", *, given: str = "", language: Language = "en") -> AlpacaRecord:
    return format_document(question(asked, answer, given=given, language=language), DatasetSpec()).candidates[0].record


def entry(method: str, **settings: Any) -> Augmentation:
    return Augmentation.model_validate({"method": method, "share": 1, **settings})


def copies(records: Iterable[AlpacaRecord], *entries: Augmentation, seed: int = 0) -> list[AlpacaRecord]:
    return list(augment(records, entries, teacher=None, cache=None, seed=seed))


def test_a_copy_names_its_parent_and_keeps_its_place() -> None:
    (record,) = made(1)
    (copy,) = copies([record], entry("noise", strength=0.3))
    assert copy.origin is not None
    assert (copy.origin.method, copy.origin.parent, copy.origin.teacher) == ("noise", record.id, "")
    assert (copy.document, copy.source, copy.locator, copy.output) == (record.document, record.source, record.locator, record.output)
    assert copy.instruction != record.instruction
    assert copy.id not in ("", record.id)


def test_copies_come_in_the_share_that_is_asked_for() -> None:
    records = made(1000)
    assert 60 <= len(copies(records, entry("noise", share=0.1))) <= 140
    assert 1400 <= len(copies(records, entry("noise", share=1.5, strength=0.5))) <= 1600


def test_one_record_more_changes_no_other_copy() -> None:
    records = made(200)
    all_of_them = copies(records, entry("noise", share=0.5))
    without_first = copies(records[1:], entry("noise", share=0.5))
    assert without_first == [copy for copy in all_of_them if copy.origin and copy.origin.parent != records[0].id]
    assert copies(records, entry("noise", share=0.5), seed=1) != all_of_them


def test_another_entry_changes_no_copy_of_the_first() -> None:
    records = made(50)
    both = copies(records, entry("noise", share=0.5), entry("mask_words", share=0.5))
    assert [copy for copy in both if copy.origin and copy.origin.method == "noise"] == copies(records, entry("noise", share=0.5))


def test_no_copy_equals_its_parent_or_another_copy() -> None:
    records = [one("Why?"), one("12 345?"), one("利息呢？", language="zh"), *made(20)]
    found = copies(records, entry("noise", share=5, strength=0.1), entry("mask_words", share=5, strength=0.1), entry("reorder_sentences"))
    texts = Counter((copy.origin and copy.origin.parent, copy.instruction, copy.input, copy.output) for copy in found)
    assert max(texts.values()) == 1
    assert not {copy.id for copy in found} & {record.id for record in records}
    assert "12 345?" not in {copy.instruction for copy in found}


def test_only_the_parts_that_are_named_change() -> None:
    record = one("Explain the figures below.", given="Prices were falling while rates were rising everywhere.")
    (copy,) = copies([record], entry("noise", parts=["input"], strength=0.5))
    assert (copy.instruction, copy.output) == (record.instruction, record.output)
    assert copy.input != record.input


@pytest.mark.parametrize("rule", [add_noise, mask_words])
@pytest.mark.parametrize("text", [EXACT, EXACT_ZH], ids=["English", "Chinese"])
def test_numbers_tags_code_and_negations_survive_rules(rule: Callable[[str, float, Chance], str | None], text: str) -> None:
    for seed in range(60):
        changed = rule(text, 0.9, Chance(str(seed)))
        assert changed is not None
        assert changed != text
        assert KEPT.findall(changed) == KEPT.findall(text)


def test_noise_makes_slips_in_a_share_of_the_words() -> None:
    text = prose("noise", 100)
    changed = add_noise(text, 0.1, Chance("1"))
    assert changed is not None
    assert sum(old != new for old, new in zip(text.split(), changed.split(), strict=True)) == pytest.approx(10, abs=2)
    chinese = "市场利率上升时固定票息债券价格会下跌" * 4
    slipped = add_noise(chinese, 0.1, Chance("1"))
    assert slipped is not None
    assert slipped != chinese
    assert not Counter(chinese) - Counter(slipped)
    assert len(chinese) <= len(slipped) <= len(chinese) + 4


def test_masks_stand_for_words_and_for_pairs_of_chinese_characters() -> None:
    masked = mask_words(prose("mask", 50), 0.2, Chance("1"))
    assert masked is not None
    assert masked.split().count(MASK) == 10
    assert mask_words("市场价格", 0.5, Chance("1")) in ("市场" + MASK, MASK + "价格")
    assert mask_words("12 %, [EMAIL]", 1, Chance("1")) is None


def test_sentences_change_places_where_order_is_free() -> None:
    text = "Bonds pay interest. Shares pay dividends. Property pays rent. Which is best for income?"
    for seed in range(8):
        changed = reorder_sentences(text, 0.5, Chance(str(seed)))
        assert changed is not None
        assert changed != text
        assert changed.endswith("Which is best for income?")
        assert sorted(changed.split()) == sorted(text.split())


def test_chinese_sentences_change_places() -> None:
    text = "债券支付利息。股票支付股息。房产收取租金。哪一种更适合养老？"
    changed = reorder_sentences(text, 0.5, Chance("1"))
    assert changed is not None
    assert changed != text
    assert changed.endswith("哪一种更适合养老？")
    assert sorted(changed.split("。")) == sorted(text.split("。"))


def test_sentences_that_lean_on_another_move_with_it() -> None:
    text = "Anna sold 48 clips in April. She sold half as many in May. Ben kept every clip."
    assert reorder_sentences(text, 1, Chance("1")) == "Ben kept every clip. Anna sold 48 clips in April. She sold half as many in May."
    chinese = "甲方交付货物。其质量应当合格。乙方支付货款。"
    assert reorder_sentences(chinese, 1, Chance("1")) == "乙方支付货款。甲方交付货物。其质量应当合格。"


@pytest.mark.parametrize(
    "text",
    [
        "Only one sentence.",
        "- Boil water.\n- Add tea.\n- Wait.",
        "1. Boil water. Add tea.\n2. Pour it. Drink it.",
        "```\na = 1. b = 2.\nc. d.\n```",
        "| a. b. | c. d. |",
        "First, boil water. Add tea. Finally, pour.",
        "首先烧水。放入茶叶。最后倒出。",
        "## A heading. And more. And more",
    ],
)
def test_order_that_says_something_stays(text: str) -> None:
    assert all(reorder_sentences(text, 1, Chance(str(seed))) is None for seed in range(5))


def test_reordering_answers_is_refused() -> None:
    with pytest.raises(ValidationError, match="order of an answer's sentences is part of the answer"):
        entry("reorder_sentences", parts=["output"])


@pytest.mark.parametrize("method", ["noise", "mask_words"])
def test_broken_answers_are_refused(method: str) -> None:
    with pytest.raises(ValidationError, match=f"{method} cannot change the output: it would teach broken answers"):
        entry(method, parts=["instruction", "output"])
    assert entry("paraphrase", parts=["output"]).parts == ("output",)


def test_settings_that_a_method_does_not_read_are_refused() -> None:
    with pytest.raises(ValidationError, match="strength has no effect on paraphrase"):
        entry("paraphrase", strength=0.3)
    with pytest.raises(ValidationError, match="pivot has no effect on noise"):
        entry("noise", pivot="German")
    for method in ("paraphrase", "back_translation", "noise"):
        assert Augmentation.model_validate(entry(method).model_dump()) == entry(method)


@pytest.mark.parametrize(
    "mark", ["a", "A", "$=", "[a](", "\\\\(", "$", "=", ".", "-", "a.", "a@", "@a", "`", "<", "{", "x\n", "不", "[", "~~", "|", "# "]
)
def test_a_long_run_of_marks_is_protected_in_no_time(mark: str) -> None:
    began = time.process_time()
    for text in (mark * (8000 // len(mark)), "$" + mark * (8000 // len(mark)), mark * (8000 // len(mark)) + " 1"):
        Protected(text)
    assert time.process_time() - began < 1.5


def test_the_text_behind_a_table_and_a_heading_is_free() -> None:
    protected = Protected("# Rates\n| a | b |\nfalling slowly")
    assert [protected.touches(place, place + 1) for place in (2, 10, 20, 30)] == [True, True, False, False]


def test_protected_places_are_found_anywhere_in_a_text() -> None:
    protected = Protected("pay 5% now")
    assert [protected.touches(place, place + 1) for place in range(10)] == [place in (4, 5) for place in range(10)]
    assert not Protected("").touches(0, 1)


class Scripted:
    """A teacher that answers by a function of what it is asked to rewrite."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str | Failure]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.settings: dict[str, Any] = {}

    def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
        for number, messages in enumerate(prompts):
            self.asked.append(messages[-1].content)
            yield number, self.answer(messages[-1].content.rpartition("<text>\n")[2].removesuffix("\n</text>"))


def taught(record: AlpacaRecord, teacher: Scripted, cache: Path, *entries: Augmentation) -> list[AlpacaRecord]:
    return list(augment([record], entries, teacher=teacher, cache=cache, seed=0))


def test_a_paraphrase_names_its_teacher_and_its_prompt(tmp_path: Path) -> None:
    record = one("How does a bond of 1,000 EUR pay interest?")
    teacher = Scripted(lambda text: "<text>In which way is interest paid on a bond of 1,000 EUR?</text>")
    (copy,) = taught(record, teacher, tmp_path, entry("paraphrase"))
    assert copy.instruction == "In which way is interest paid on a bond of 1,000 EUR?"
    assert copy.origin is not None
    assert (copy.origin.method, copy.origin.parent, copy.origin.teacher, len(copy.origin.prompt)) == ("paraphrase", record.id, "scripted", 64)


def test_a_translation_goes_there_and_back(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: "Welche Zinsen?" if text.startswith("Which") else "What interest?")
    (copy,) = taught(one("Which interest is it?"), teacher, tmp_path, entry("back_translation", pivot="German"))
    assert copy.instruction == "What interest?"
    assert "into German" in teacher.asked[0]
    assert "into English" in teacher.asked[1]
    assert "Welche Zinsen?" in teacher.asked[1]


def test_chinese_is_paraphrased_in_chinese_and_translated_back_into_it(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: "<text>债券如何支付利息？</text>")
    (copy,) = taught(one("债券怎样付息？", language="zh"), teacher, tmp_path, entry("paraphrase"))
    assert copy.instruction == "债券如何支付利息？"
    assert "请把下面的文字换一种说法" in teacher.asked[0]
    taught(one("债券怎样付息？", language="zh"), teacher, tmp_path, entry("back_translation"))
    assert "into Chinese" in teacher.asked[2]


@pytest.mark.parametrize(
    "answer",
    [
        "How does a bond of 2,000 EUR pay [EMAIL] interest?",
        "How does a bond of 1,000 EUR pay interest?",
        "how does a bond of 1,000 EUR  pay [EMAIL] interest?",
        "1,000 [EMAIL]",
        "How does a bond of 1,000 EUR pay [EMAIL] interest? " + "And more of that. " * 20,
        "",
    ],
)
def test_a_paraphrase_that_loses_or_adds_something_makes_no_copy(tmp_path: Path, answer: str) -> None:
    assert taught(one("How does a bond of 1,000 EUR pay [EMAIL] interest?"), Scripted(lambda text: answer), tmp_path, entry("paraphrase")) == []


def test_a_teacher_that_left_a_text_without_an_answer_fails_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"teacher scripted left 1 prompt without an answer, the last time so: down\."):
        taught(one("Why is it so?"), Scripted(lambda text: Failure("down.")), tmp_path, entry("paraphrase"))


def test_a_refusing_teacher_makes_no_copy_and_code_is_not_sent(tmp_path: Path) -> None:
    refusing = Scripted(lambda text: Failure("refused", refused=True))
    assert taught(one("Why is it so?"), refusing, tmp_path, entry("paraphrase")) == []
    silent = Scripted(lambda text: pytest.fail("asked"))
    assert taught(one("What does `print` do?"), silent, tmp_path, entry("paraphrase")) == []


def test_kept_answers_are_not_asked_again(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: f"{text} Or not?")
    first = taught(one("Is it so in general?"), teacher, tmp_path, entry("paraphrase"), entry("noise", strength=0.5))
    assert [copy.origin and copy.origin.method for copy in first] == ["paraphrase", "noise"]
    assert (
        taught(one("Is it so in general?"), Scripted(lambda text: pytest.fail("asked")), tmp_path, entry("paraphrase"), entry("noise", strength=0.5))
        == first
    )


def test_paraphrasing_without_a_teacher_is_refused() -> None:
    with pytest.raises(ValidationError, match="augmentation by paraphrase needs a teacher"):
        DatasetSpec.model_validate({"augmentation": [{"method": "paraphrase"}]})


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("ab不能 1.。?[]`|\n债券 not") | st.characters(exclude_categories=["Cs"])), st.integers(0, 9))
def test_rules_take_any_text(text: str, seed: int) -> None:
    for rule in (add_noise, mask_words, reorder_sentences):
        changed = rule(text, 0.5, Chance(str(seed)))
        assert changed != text
        assert changed is None or rule is reorder_sentences or not Counter(KEPT.findall(text)) - Counter(KEPT.findall(changed))
