"""What tells similar records apart and what does not, in English and Chinese; and that a build keeps and drops them so."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup.distinction import find_distinction, read_statement
from adapt.dataset.distinctions import Distinctions
from tests.dataset.made import Built, question, questions, text
from tests.dataset.tables import deduplicate, filled, record
from tests.dataset.texts import han, prose

LONG = "It is passed on by both parents, who carry one changed copy each and as a rule never notice it themselves."
LONG_ZH = "本病由双亲共同传给子女，双亲各带有一个改变了的基因，自己通常没有任何表现，因此往往很晚才被发现。"


def tell(one: tuple[str, str], other: tuple[str, str]) -> str | None:
    found = {find_distinction(read_statement(*a), read_statement(*b)) for a, b in ((one, other), (other, one))}
    assert len(found) == 1, "the order of two statements says nothing"
    return found.pop()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is velomia inherited?", "Is tarnosis inherited?"),
        ("What is the dose of Zelotin?", "What is the dose of Zelotan?"),
        ("Which muscles adduct the arm?", "Which muscles abduct the arm?"),
        ("May the tenant sublet the flat?", "May the landlord sublet the flat?"),
        ("Does fever cause thirst?", "Does thirst cause fever?"),
        ("Is it safe to drive?", "Is it not safe to drive?"),
        ("Who may cancel, party A?", "Who may cancel, party B?"),
        ("Is x < 3 allowed?", "Is x > 3 allowed?"),
        ("What is F?", "What is F#?"),
        ("How strong is 4 mW?", "How strong is 4 MW?"),
        ("What was revenue in 2018?", "What was revenue in 2019?"),
        ("What is hepatitis B?", "What is hepatitis C?"),
        ("What is Co?", "What is CO?"),
        ("乙方应当付款吗？", "甲方应当付款吗？"),
        ("麻疹会遗传吗？", "风疹会遗传吗？"),
        ("孕妇可以服用吗？", "孕妇不可以服用吗？"),
        ("体温高于多少算发热？", "体温低于多少算发热？"),
        ("第三条规定了什么？", "第四条规定了什么？"),
        ("诊断为中臂型。", "诊断为下臂型。"),
    ],
)
def test_another_question_is_no_copy_whatever_the_answer(one: str, other: str) -> None:
    for answer in (LONG, LONG_ZH):
        assert tell((one, answer), (other, answer)) == "question"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is velomia inherited?", "IS VELOMIA INHERITED"),
        ("Please, what are the symptoms of velomia?", "What are symptoms of  velomia ?"),
        ("What colour is a tumour?", "What color are tumors?"),
        ("请问麻疹会遗传吗？", "麻疹会遗传吗"),
        ("What does DNA do?", "WHAT DOES DNA DO"),
        ("Can't it be cured?", "Cannot it be cured?"),
    ],
)
def test_form_fillers_number_and_spelling_make_no_other_question(one: str, other: str) -> None:
    assert tell((one, LONG), (other, LONG)) is None


def test_a_slip_of_the_pen_is_known_by_the_answer_that_has_the_word_right() -> None:
    answer = f"Velomia is rare. {LONG}"
    assert tell(("Is velomai inherited?", answer), ("Is velomia inherited?", answer)) is None
    assert tell(("Is velomai inherited?", LONG), ("Is velomia inherited?", LONG)) == "question"
    assert tell(("Is velomia rare?", f"Velomia is. {LONG}"), ("Is velomoa rare?", f"Velomoa is. {LONG}")) == "question"


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Take 5 mg of it daily.", "Take 15 mg of it daily.", "facts"),
        ("Take 5 mg of it daily.", "Take 5 g of it daily.", "facts"),
        ("It is safe for children.", "It isn't safe for children.", "facts"),
        ("It is safe for children.", "It is never safe for children.", "facts"),
        ("Pay party A, then tell party B.", "Pay party B, then tell party A.", "facts"),
        ("The limit is >= 7 of them.", "The limit is <= 7 of them.", "facts"),
        ("The gene is called BRCA1 there.", "The gene is called BRCA2 there.", "facts"),
        ("It was found by Doctor Meyer.", "It was found by Doctor Schulz.", "facts"),
        ("Wait at least a week for it.", "Wait at most a week for it.", "facts"),
        ("velin is mild; velin ends soon.", "tarox is mild; tarox ends soon.", "term"),
        ("甲应当向乙付款。", "乙应当向甲付款。", "facts"),
        ("每次服用5毫克。", "每次服用5克。", "facts"),
        ("合同有效。", "合同无效。", "facts"),
        ("儿童可以服用。", "儿童不可以服用。", "facts"),
        ("应在三日内提出。", "应在五日内提出。", "facts"),
        ("The colour of the tumour and the tumour grow.", "The color of the tumor and the tumor grow.", None),
        ("Take it daily, with cold water.", "Take it every day with some water.", None),
        ("It isn't known to me.", "It is not known to me.", None),
        ("1,250 shares are due.", "1250 shares are due.", None),
        ("他非常高兴地走了。", "他很高兴地走了。", None),
        ("能不能走路要看情况。", "能否走路要看情况。", None),
    ],
)
def test_answers_to_one_question_are_told_apart_by_facts_alone(one: str, other: str, kind: str | None) -> None:
    assert tell(("What holds?", one), ("What holds?", other)) == kind


def test_sentences_that_were_added_moved_or_left_out_are_no_other_facts() -> None:
    sentences = ["Drink 3 cups of it on the first day.", "A doctor in Bern knows 2 other ways to do it.", "Nobody has to stay in bed for long."]
    for order in itertools.permutations(sentences):
        assert tell(("What helps?", " ".join(order)), ("What helps?", " ".join(sentences))) is None
    assert tell(("What helps?", " ".join(sentences[:2])), ("What helps?", " ".join(sentences))) is None


def test_a_template_keeps_all_its_records_and_a_copy_of_one_goes(tmp_path: Path) -> None:
    names = [prose(("name", n), 1) for n in range(30)]
    asked = [question(f"Is {name} inherited?", LONG, line=n, source="en.csv") for n, name in enumerate(names)]
    asked += [question(f"{han(n, 2)}会遗传吗？", LONG_ZH, line=n, source="zh.csv", language="zh") for n in range(30)]
    copies = [question(f"is {names[3]} inherited", f"{LONG} So it is.", line=99, source="en.csv")]
    built = Built(tmp_path, [*questions(20), *asked, *copies])
    (row,) = built.dropped("near_duplicate")
    assert (row.locator, row.score is not None and row.score >= 0.7) == ("line 99", True)
    assert built.dropped("exact_duplicate") == []


def test_exact_duplicates_keep_letters_whose_case_counts(tmp_path: Path) -> None:
    asked = ["What is 3 mA?", "What is 3 MA?", "what is 3 mA", "What is C?", "What is C#?", "What is c#", "What is C++?", "WHAT IS C#?"]
    records = [record("A thing that is taught at school.", each, line=n) for n, each in enumerate(asked)]
    with filled(tmp_path, records) as table:
        kept = deduplicate(table)
    assert kept.records.tolist() == [0, 1, 3, 4, 5, 6]


def test_sections_are_known_without_the_title_that_asks_for_them(tmp_path: Path) -> None:
    page = f"## Costs\n\n{prose('body', 80)}\n"
    pages = [text(page, title=title, source=f"{title}.md") for title in ("North", "South")]
    assert len(Built(tmp_path, [*questions(20), *pages]).dropped("exact_duplicate")) == 1


def test_pairs_are_told_apart_as_reading_both_does(tmp_path: Path) -> None:
    rows = [(f"Is {prose(n % 5, 1)} due on day {n % 3}?", f"{LONG} {n % 2} of it.") for n in range(30)]
    records = [record(answer, asked, line=n) for n, (asked, answer) in enumerate(rows)]
    left, right = np.triu_indices(len(rows), 1)
    with filled(tmp_path, records) as table:
        apart = Distinctions(table).are_apart(left, right)
    assert apart.tolist() == [rows[a] != rows[b] for a, b in zip(left.tolist(), right.tolist(), strict=True)]
