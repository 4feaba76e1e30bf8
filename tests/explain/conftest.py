"""One small corpus through both stages, with a row for every kind of fate."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from adapt.artifact.progress import QuietProgress
from adapt.corpus.build import build as build_corpus
from adapt.dataset.build import build as build_dataset
from adapt.explain.outputs import Outputs
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from tests.dataset.made import write_tokenizer
from tests.dataset.texts import prose, reworded

ANSWER = prose("original", 60)


def rows() -> list[str]:
    """Lines of the corpus: 20 usable questions, then one of each other fate."""
    usable = [{"instruction": f"What of {prose(n, 3)}?", "output": prose((n, "answer"), 40)} for n in range(20)]
    others = [
        {"instruction": "What is original?", "output": ANSWER},
        {"instruction": "What is original?", "output": ANSWER.upper()},
        {"instruction": "What is original?", "output": reworded(ANSWER, 25)},
        {"instruction": "Too short?", "output": "Yes, it is."},
        {"instruction": "Whom to write to?", "output": f"Write to someone@example.org about {prose('mail', 30)}."},
    ]
    return [json.dumps(row) for row in [*usable, *others]] + ["{broken"]


def make(root: Path, lines: list[str], name: str = "faq", *, pages: Mapping[str, str] | None = None, **dataset: object) -> Outputs:
    """Build both stages in `root`."""
    raw = root / "raw"
    raw.mkdir(parents=True)
    (raw / "faq.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file, page in (pages or {}).items():
        (raw / file).write_text(page, encoding="utf-8")
    spec = DatasetSpec.model_validate({"min_records": 3, **dataset})
    outputs = Outputs(name, root / "corpus", root / "dataset", root / "resolved.yaml")
    corpus = CorpusSection(code="0" * 64, libraries={}, corpus=CorpusSpec())
    build_corpus(corpus, inputs=raw, out=outputs.corpus, progress=QuietProgress())
    base = PinnedBase(source=BundledBase(), digest="0" * 64)
    section = DatasetSection(code="0" * 64, libraries={}, dataset=spec, base=base, seed=0)
    outputs.resolved.write_text(yaml.safe_dump({"dataset": section.model_dump(mode="json")}), encoding="utf-8")
    build_dataset(section, inputs=outputs.corpus, tokenizer=write_tokenizer(root / "tokenizer"), out=outputs.dataset, progress=QuietProgress())
    return outputs.require()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return make(tmp_path_factory.mktemp("explain") / "a", rows())
