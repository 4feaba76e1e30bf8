"""Languages that share a script: the right one, or a confidence that says it is a guess. Labels are by hand."""

import pytest

from adapt.corpus.quality.language import identify

_LOW = 0.5
_TEXTS = {
    "ja": [
        "東京都渋谷区", "取扱説明書", "株式会社", "安全点検記録", "火気厳禁", "立入禁止", "大阪府大阪市北区梅田一丁目", "使用上注意事項",
        "営業時間午前九時",
        "ﾃｽﾄ ﾃﾞｰﾀ", "ﾎﾟﾝﾌﾟ点検", "ｺﾝﾋﾟｭｰﾀ ｼｽﾃﾑ ﾉ ﾃﾝｹﾝ", "駅前広場", "図書館利用案内", "毎月定期点検実施要領", "消火器設置場所", "労働契約法", "電話番号",
    ],
    "zh": [
        "高血压", "消费者权益保护法", "你好", "问题", "繁體中文", "我不知道", "什么是复利", "請問怎麼走", "每日三次，每次一片，口服。",
        "肺炎", "人民法院",
        "电话号码", "保险合同", "台北市信義區", "頭痛",
    ],
    "uk": [
        "Як відкрити ощадний рахунок?", "Скільки коштує квиток до Києва?", "Дякую", "Добрий день", "Мама мила раму", "Робота над проектом",
        "Він прийшов додому пізно ввечері", "Хто там?", "Молоко та хліб", "Потяг прибуває на першу колію", "Перевірте двері перед виходом",
    ],
    "bg": [
        "Колко струва билетът?", "Благодаря", "Няма проблем", "Вода и хляб", "Наемателят трябва да върне жилището", "Студена вода",
        "Влакът пристига на първи коловоз", "Той се прибра късно вечерта", "Договор за наем", "Къде е гарата?",
    ],
    "sr": [
        "Колико кошта карта?", "Хвала", "Станар мора да врати стан", "Вода и хлеб", "Дошао је кући касно увече", "Воз стиже на први колосек",
        "Жена му ради у банци", "Нема проблема", "Dobar dan", "Gde je stanica?", "Stanar mora da vrati stan u prvobitnom stanju", "Hleb i mleko",
        "Pre početka rada proverite da li su vijci zategnuti", "Voz stiže na prvi kolosek", "Deca se igraju u parku pored reke", "To je vrlo dobro",
    ],
    "hr": [
        "Gdje je kolodvor?", "Prije početka rada provjerite jesu li vijci zategnuti", "Vlak stiže na prvi kolosijek", "Kruh i mlijeko",
        "Tko je tamo?",
    ],
    "ru": ["Спасибо", "Он пришёл домой поздно вечером", "Поезд прибывает на первый путь", "Учебный год начался", "Вода и хлеб"],
    "mk": ["Каде е станицата?", "Тој дојде дома доцна вечерта", "Возот пристигнува на првиот колосек"],
}  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [(language, text) for language, texts in _TEXTS.items() for text in texts])
def test_no_language_is_surely_another(language: str, text: str) -> None:
    found, sure = identify(text)
    assert found == language or sure < _LOW, (found, sure)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "取扱説明書"),
        ("ja", "ﾃｽﾄ ﾃﾞｰﾀ ｼﾞｭｼﾝ"),
        ("zh", "消费者权益保护法"),
        ("zh", "請問怎麼走"),
        ("uk", "Він прийшов додому пізно ввечері, бо їхав потягом."),
        ("bg", "Преди да включите уреда, прочетете внимателно указанията."),
        ("sr", "Ђак је закаснио на час, па га је наставник опоменуо."),
        ("sr", "Deca se igraju u parku pored reke, gde je uvek hladno."),
        ("hr", "Djeca se igraju u parku pokraj rijeke, gdje je uvijek hladno."),
        ("ru", "Дети играют в парке у реки, где всегда прохладно."),
    ],
)
def test_what_the_letters_show_is_sure(language: str, text: str) -> None:
    found, sure = identify(text)
    assert found == language
    assert sure >= _LOW


def test_english_that_the_model_takes_for_another_language_is_unsure() -> None:
    assert identify("Breach of contract")[1] < _LOW
