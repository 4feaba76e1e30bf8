"""Agreement of an answer with its reference, held against numbers worked out by hand."""

import random

import pytest

from adapt.evaluate.overlap import bleu, common_subsequence, exact_match, normalise, rouge_l, token_f1


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    # common: police the gunman, 3 of 4 and 3 of 4 tokens
    assert rouge_l("police kill the gunman", "police killed the gunman", "en") == pytest.approx(0.75)
    # common: the gunman, 2 of 4 and 2 of 4
    assert rouge_l("the gunman kill police", "police killed the gunman", "en") == pytest.approx(0.5)
    # common: the cat sat, precision 3/3, recall 3/6
    assert rouge_l("the cat sat", "the cat sat on the mat", "en") == pytest.approx(2 / 3)


def test_rouge_l_ignores_case_and_punctuation_alone() -> None:
    assert rouge_l("A bond, is: a LOAN!", "a bond is a loan", "en") == 1.0


def test_rouge_l_takes_chinese_character_by_character() -> None:
    # 债券是贷款 against 债券是一种贷款: 5 common, 5 and 7 characters
    assert rouge_l("债券是贷款", "债券是一种贷款。", "zh") == pytest.approx(10 / 12)
    assert rouge_l("合同终止", "心脏", "zh") == 0.0


@pytest.mark.parametrize(("answer", "reference"), [("", "a bond"), ("a bond", ""), ("", ""), ("...", "…")])
def test_rouge_l_of_texts_without_tokens_is_zero(answer: str, reference: str) -> None:
    assert rouge_l(answer, reference, "en") == 0.0


def test_common_subsequence_equals_the_textbook_table() -> None:
    def table(a: list[str], b: list[str]) -> int:
        row = [0] * (len(b) + 1)
        for token in a:
            above = row
            row = [0]
            for index, other in enumerate(b):
                row.append(above[index] + 1 if token == other else max(above[index + 1], row[index]))
        return row[-1]

    draw = random.Random(0)
    for _ in range(300):
        a, b = (draw.choices("abcd", k=draw.randrange(90)) for _ in range(2))
        assert common_subsequence(a, b) == table(a, b)


def test_normalising_english_drops_case_punctuation_and_articles() -> None:
    assert normalise("The bond’s price, and an Ａ-rated issuer: the END.", "en") == ["bonds", "price", "and", "arated", "issuer", "end"]


def test_normalising_chinese_makes_every_han_character_a_token_and_keeps_words_and_numbers() -> None:
    assert normalise("债券（Ｂｏｎｄ）的利率是 12.5％。", "zh") == ["债", "券", "bond", "的", "利", "率", "是", "12.5"]


def test_normalising_keeps_decimal_points_apart_from_full_stops() -> None:
    assert normalise("It costs 1.5. Or 1,000.", "en") == ["it", "costs", "1.5", "or", "1000"]
    assert exact_match("1.5", "15", "en") == 0.0


def test_exact_match_holds_whole_answers_together() -> None:
    assert exact_match("The issuer!", "issuer", "en") == 1.0
    assert exact_match("issuer pays", "issuer", "en") == 0.0
    assert exact_match("公司 债券", "公司债券。", "zh") == 1.0


def test_token_f1_counts_shared_tokens_as_often_as_both_have_them() -> None:
    # found: bond is bond; expected: bond is loan; shared: bond is; 2*2/(3+3)
    assert token_f1("A bond is a bond.", "The bond is a loan", "en") == pytest.approx(2 / 3)
    # 4 shared of 4 and of 6 characters
    assert token_f1("公司债券", "债券和公司的", "zh") == pytest.approx(8 / 10)
    assert token_f1("", "bond", "en") == 0.0
    assert token_f1("?!", "...", "en") == 1.0


@pytest.mark.parametrize(
    ("answers", "references", "language", "tokenize"),
    [
        (["A bond is a loan to a company, isn't it?", "Shares differ."], ["A bond is a loan to a firm, isn't it?", "A share differs."], "en", "13a"),
        (["债券是公司借款的凭证。", "合同终止。"], ["债券是公司或政府借款的凭证。", "合同在此终止。"], "zh", "zh"),
    ],
)
def test_bleu_is_sacrebleus(answers: list[str], references: list[str], language: str, tokenize: str) -> None:
    import sacrebleu

    expected = sacrebleu.corpus_bleu(answers, [references], tokenize=tokenize).score
    assert 0 < expected < 100
    assert bleu(answers, references, language) == pytest.approx(expected)  # type: ignore[arg-type]


def test_bleu_of_empty_answers_is_zero() -> None:
    assert bleu([""], ["a bond"], "en") == 0.0
