"""One process, several, and a cluster of two nodes: the same bytes from both stages, again and again."""

import json
import random
from pathlib import Path

import pytest

from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.corpus.build import build as build_corpus
from adapt.dataset.build import build as build_dataset
from adapt.engine.engine import Engine, open_engine
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.corpus import CorpusSpec
from adapt.spec.dataset import DatasetSpec
from adapt.spec.engine import EngineSpec, LocalEngine, RayEngine
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from tests.cluster import two_nodes
from tests.dataset.made import write_tokenizer
from tests.dataset.texts import han, prose

ROWS = 24_000
"""Enough that both stages take workers."""
BASE = PinnedBase(source=BundledBase(), digest="0" * 64)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON lines in both languages with copies among them, and a few pages."""
    folder = tmp_path_factory.mktemp("engines") / "raw"
    folder.mkdir()
    rng = random.Random(0)
    phrases = [han(number, 9) if number % 2 else prose(number, 5) for number in range(400)]
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for number in range(ROWS):
            body = "，".join(rng.choices(phrases, k=24))
            file.write(
                json.dumps({"instruction": f"What of {number // 2}?", "output": f"{body} mail {number % 7}@example.org"}, ensure_ascii=False) + "\n"
            )
    for number in range(4):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\n## What is it?\n\n{prose(number, 40)}\n", encoding="utf-8")
    return folder


def built(raw: Path, out: Path, engine: Engine) -> dict[str, str]:
    """Digests of everything that both stages write."""
    corpus, dataset = out / "corpus", out / "dataset"
    section = CorpusSection(code="0" * 64, libraries={}, corpus=CorpusSpec())
    build_corpus(section, inputs=raw, out=corpus, progress=QuietProgress(), engine=engine)
    settings = DatasetSection(
        code="0" * 64, libraries={}, dataset=DatasetSpec.model_validate({"augmentation": [{"method": "noise"}]}), base=BASE, seed=3
    )
    tokenizer = write_tokenizer(out / "tokenizer")
    build_dataset(settings, inputs=corpus, tokenizer=tokenizer, out=dataset, progress=QuietProgress(), engine=engine)
    return {**{f"corpus/{name}": digest for name, digest in digest_files(corpus).items()}, **digest_files(dataset)}


def run(raw: Path, out: Path, spec: EngineSpec) -> dict[str, str]:
    with open_engine(spec) as engine:
        return built(raw, out, engine)


@pytest.mark.slow
def test_one_two_and_four_workers_and_a_cluster_write_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    first = run(raw, tmp_path / "1", LocalEngine(workers=1))
    assert run(raw, tmp_path / "again", LocalEngine(workers=1)) == first
    for workers in (2, 4):
        assert run(raw, tmp_path / str(workers), LocalEngine(workers=workers)) == first
    with two_nodes() as address:
        assert run(raw, tmp_path / "cluster", RayEngine(kind="ray", address=address)) == first
