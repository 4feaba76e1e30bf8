from pathlib import Path

import pytest

from adapt.corpus import steps
from tests.corpus.corpora import Corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`source:locator` of every draft that is cleaned, as it is cleaned."""
    seen: list[str] = []
    clean = steps.clean

    def noting(draft: steps.Draft) -> steps.Draft | steps.Rejected:
        seen.append(f"{draft.source}:{draft.locator}")
        return clean(draft)

    monkeypatch.setattr(steps, "clean", noting)
    return seen
