from collections.abc import Iterator
from pathlib import Path

import pytest

from adapt.plan import fingerprint

ENTRY = "adapt.room.build"
FILES = {
    "room/__init__.py": '"""Doc."""\n',
    "room/build.py": "import json\nimport numpy as np\nfrom adapt.shared import thing\n\ndef build():\n    import yaml\n    return thing()\n",
    "room/template.jinja": "{{ x }}\n",
    "shared.py": "def thing():\n    return 1\n",
    "other.py": "import peft\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(fingerprint, "_root", lambda: tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for name in ("code_digest", "library_versions", "_path_of", "_closure", "_imports", "_source"):
        getattr(fingerprint, name).cache_clear()


def digest_after(package: Path, name: str, text: str) -> str:
    (package / name).write_text(text, encoding="utf-8")
    forget()
    return fingerprint.code_digest(ENTRY)


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = fingerprint.code_digest(ENTRY)
    assert digest_after(package, "shared.py", '"""New doc."""\n\n\ndef thing():\n    """Says one."""\n    # really\n    return (1)\n') == before


def test_code_of_an_imported_module_counts(package: Path) -> None:
    before = fingerprint.code_digest(ENTRY)
    assert digest_after(package, "shared.py", "def thing():\n    return 2\n") != before


def test_code_that_is_not_reached_does_not_count(package: Path) -> None:
    before = fingerprint.code_digest(ENTRY)
    assert digest_after(package, "other.py", "import torch\n") == before


def test_files_beside_the_code_count(package: Path) -> None:
    before = fingerprint.code_digest(ENTRY)
    assert digest_after(package, "room/template.jinja", "{{ y }}\n") != before


def test_libraries_are_those_that_shape_the_result(package: Path) -> None:
    assert set(fingerprint.library_versions(ENTRY)) == {"numpy", "python"}, "the standard library and carriers of settings are left out"


def test_real_stages_name_their_libraries() -> None:
    assert {"torch", "transformers", "peft", "tokenizers"} <= set(fingerprint.library_versions("adapt.adapter.train"))
    corpus = fingerprint.library_versions("adapt.corpus.build")
    assert "ftfy" in corpus
    assert "torch" not in corpus
    assert all("+" not in version for version in corpus.values())


def test_a_stage_reaches_the_settings_models_that_it_reads_and_no_others() -> None:
    reached = {name for name in fingerprint._closure("adapt.adapter.train") if name.startswith("adapt.spec.")}
    assert "adapt.spec.lora" in reached
    assert not {"adapt.spec.serving", "adapt.spec.export", "adapt.spec.evaluate", "adapt.spec.corpus"} & reached
