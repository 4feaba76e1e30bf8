import pytest

from adapt.corpus.draft import Draft
from adapt.corpus.quality.language import identify
from adapt.corpus.quality.measure import measure
from adapt.spec.corpus import CorpusSpec


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("什么是 term sheet？", "zh"),
        ("使用 vLLM 加载 LoRA adapter 时，请检查 rank 与 base model 是否一致。", "zh"),
        ("是的", "zh"),
        ("東京は日本の首都です。", "ja"),
        ("コンピュータ", "ja"),
        ("서울은 한국의 수도이다", "ko"),
        ("The term 要约 means offer in Chinese contract law.", "en"),
        ("Yes.", "en"),
        ("Hi?\nHello.", "en"),
        ("Net income per share", "en"),
        ("Ja, aber nur auf Rezept, mein Freund.", "de"),
        ("Breach of contract", "en"),
        ("Diabetes mellitus type 2", "en"),
        ("x = 5 * 7 is 35", "en"),
        ("La banque a encore relevé ses taux la semaine dernière.", "fr"),
        ("Wie eröffne ich ein Sparkonto?", "de"),
        ("¿Cómo puedo abrir una cuenta de ahorro?", "es"),
        ("Прислать подписанный договор нужно до пятницы.", "ru"),
        ("Як відкрити ощадний рахунок?", "uk"),
        ("แมวกำลังนอนบนโซฟา", "th"),
        ("كيف أفتح حساب توفير؟", "ar"),
    ],
)
def test_language_is_told(text: str, language: str) -> None:
    assert identify(text)[0] == language


@pytest.mark.parametrize("text", ["", "123 + 456", "……！", "[EMAIL] [PHONE_7f3a9c2e]"])
def test_text_without_letters_has_no_language(text: str) -> None:
    assert identify(text) == ("und", 0.0)


def test_tags_of_personal_data_do_not_make_chinese_english() -> None:
    assert identify("请联系 [EMAIL] 或 [PHONE_7f3a9c2e] 或 [CN_ID]") == ("zh", 1.0)


def test_confidence_falls_with_the_share_of_other_scripts_and_for_names() -> None:
    assert identify("利息是价格。") == ("zh", 1.0)
    assert identify("什么是 term sheet？") == ("zh", 0.6)
    assert identify("The rate of the loan is fixed for two years and that was known.") == ("en", 1.0)
    assert identify("Breach of contract")[1] < 0.5


def test_lone_surrogates_and_line_breaks_are_no_obstacle() -> None:
    assert identify("Une phrase en\nfrançais \ud800 avec une faute")[0] == "fr"


def test_long_question_does_not_hide_the_language_of_its_answer() -> None:
    draft = Draft("a", "", "question", instruction="把下面的句子翻译成英文。" * 60, output="The contract ends with the year. " * 60)
    languages, columns = measure([draft], CorpusSpec())
    assert languages == ["zh"]
    assert columns["language_confidence"][0] < 0.9


def test_english_of_sums_and_of_stories_is_told_by_its_words() -> None:
    assert identify("How many does each of them hold when she is there?") == ("en", 1.0)
    assert identify("THE RATE OF THE LOAN")[0] == "en"
