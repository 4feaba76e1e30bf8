import subprocess
import sys
from pathlib import Path

import pytest

from adapt.corpus.draft import Draft
from adapt.corpus.pii.guard import Guard
from adapt.corpus.pii.names import language_for
from adapt.errors import InputError
from adapt.spec.pii import Names, Pii


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Anna lives in Kiel.", "en"),
        ("王小明住在北京，用的是iPhone。", "zh"),
        ("田中さんは東京です。", "zh"),
        ("12345", "en"),
        ("Das ist Anna.", "en"),
    ],
)
def test_a_text_is_read_by_the_model_of_its_script(text: str, language: str) -> None:
    assert language_for(text, {"en": "e", "zh": "z"}) == language


def test_every_text_is_read_by_some_model() -> None:
    assert language_for("田中さん", {"zh": "z", "ja": "j"}) == "ja"
    assert language_for("王小明", {"de": "d"}) == "de"
    assert language_for("Anna", {"de": "d", "zh": "z"}) == "de"


def test_the_module_of_names_is_loaded_only_when_names_are_looked_for() -> None:
    code = "import sys, adapt.corpus.pii.guard as g, adapt.spec.pii as s; g.Guard(s.Pii()); print('adapt.corpus.pii.names' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_a_missing_presidio_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(InputError, match=r"names of persons need Microsoft Presidio[\s\S]*adapt-build\[presidio\]"):
        Guard(Pii(person="mask", names=Names()))


@pytest.mark.slow
def test_a_missing_model_is_named() -> None:
    pytest.importorskip("presidio_analyzer", reason="needs the extra presidio")
    with pytest.raises(InputError, match="spaCy model 'no_such_model' for 'en' is not installed"):
        Guard(Pii(person="mask", names=Names(models={"en": "no_such_model"})))


@pytest.mark.slow
def test_persons_and_places_are_found_by_the_models_that_the_spec_names(tmp_path: Path) -> None:
    pytest.importorskip("presidio_analyzer", reason="needs the extra presidio")
    import spacy

    models = {}
    for language, person, place in (("en", "Anna Holm", "Springfield"), ("zh", "王小明", "北京市")):
        pipeline = spacy.blank(language)
        pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": person}, {"label": "GPE", "pattern": place}])
        pipeline.to_disk(tmp_path / language)
        models[language] = str(tmp_path / language)
    guard = Guard(Pii(person="mask", address="mask", names=Names(models=models)))
    left = guard.protect(Draft("a", "", "text", title="患者王小明住在北京市，电话13812345678。", text="Anna Holm of Springfield: anna@b.com"))
    assert isinstance(left, Draft)
    assert left.fields() == {"title": "患者[PERSON]住在[ADDRESS]，电话[PHONE]。", "text": "[PERSON] of [ADDRESS]: [EMAIL]"}
    assert [edit.rule for edit in left.edits] == ["mask_phone", "mask_person", "mask_address", "mask_email", "mask_person", "mask_address"]
