from pathlib import Path

import pytest

from adapt.engine.engine import open_engine
from adapt.spec.engine import RayEngine
from tests.cluster import two_nodes
from tests.corpus.corpora import Corpus


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_bytes_of_one_process_with_and_without_a_cache(corpus: Corpus, tmp_path: Path) -> None:
    for number in range(30):
        corpus.write(f"n/{number}.md", f"# Page {number}\n\nThis page tells of case {number}.\n\nProvided by the Desk of it, {number}@b.com.\n")
    for number in range(3):
        rows = "".join(f"What is {number} of {row}?,It is {row}.\n" for row in range(900))
        corpus.write(f"t{number}.csv", f"question,answer\n{rows}")
    corpus.build()
    before = corpus.files()
    with two_nodes() as address, open_engine(RayEngine(kind="ray", address=address)) as engine:
        for _ in range(2):
            corpus.build(engine=engine, cache=tmp_path / "cache")
            assert corpus.files() == before
        corpus.write("n/7.md", "# Page 7\n\nThis page tells something else.\n")
        corpus.build(engine=engine, cache=tmp_path / "cache")
        corpus.build(out=tmp_path / "alone")
        assert corpus.files() == corpus.files(tmp_path / "alone") != before
