import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapt.base import embedding
from adapt.base.embedding import embedding_folder, pin_embedding
from adapt.errors import InputError
from adapt.spec.dataset import SemanticDuplicates
from tests.base.embeddings import write_embedding_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pinned(root: Path, model: str = "own", revision: str | None = None) -> str | None:
    return pin_embedding(SemanticDuplicates(model=model, revision=revision), root=root)


def test_a_folder_is_known_by_all_that_is_loaded_of_it(tmp_path: Path) -> None:
    write_embedding_model(tmp_path / "own")
    first = pinned(tmp_path)
    (tmp_path / "own/README.md").write_text("other words")
    assert pinned(tmp_path) == first
    (tmp_path / "own/1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    second = pinned(tmp_path)
    (tmp_path / "own/model.safetensors").write_bytes(b"other weights")
    assert len({first, second, pinned(tmp_path)}) == 3


def test_a_hub_model_is_known_by_its_commit(tmp_path: Path) -> None:
    assert pinned(tmp_path, "some/model", COMMIT) == COMMIT
    with pytest.raises(InputError, match=r"model: some/model is not a folder, and a model of the hub needs a revision\nhint: .*40 hex digits"):
        pinned(tmp_path, "some/model")
    with pytest.raises(InputError, match=r"model: \./models/own is not a folder, and it is no name of a model of the hub"):
        pinned(tmp_path, "./models/own", COMMIT)


def test_a_revision_has_40_digits_and_stands_beside_hub_models_alone(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        SemanticDuplicates(model="some/model", revision="main")
    with pytest.raises(ValidationError, match="revision is for models of the hub"):
        SemanticDuplicates(revision=COMMIT)
    write_embedding_model(tmp_path / "own")
    with pytest.raises(InputError, match="own is a folder, and only models of the hub have revisions"):
        pinned(tmp_path, "own", COMMIT)


def test_the_bundled_model_is_known_by_its_package(tmp_path: Path) -> None:
    assert pinned(tmp_path, "bundled") is None


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _pickle_in_a_part(folder: Path) -> None:
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense/pytorch_model.bin").write_bytes(b"")


def _own_part(folder: Path) -> None:
    (folder / "modules.json").write_text('[{"type": "custom_st.Transformer", "path": ""}]')


def _auto_map(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Own"}}))


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_model(folder: Path) -> None:
    (folder / "modules.json").unlink()
    (folder / "config.json").unlink()


def _no_json(folder: Path) -> None:
    (folder / "modules.json").write_text("{")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (_pickle, r"weights that are pickles, which are never loaded: \.\n"),
        (_pickle_in_a_part, "weights that are pickles, which are never loaded: 2_Dense"),
        (_own_part, r"would run code that it brings along: part 'custom_st.Transformer' of modules.json"),
        (_auto_map, "would run code that it brings along: `auto_map` in config.json"),
        (_no_weights, r"has no \*.safetensors weights"),
        (_no_model, "has neither modules.json nor config.json"),
        (_no_json, "modules.json is not JSON"),
    ],
)
def test_what_must_not_be_loaded_is_refused(tmp_path: Path, harm: Callable[[Path], None], problem: str) -> None:
    write_embedding_model(tmp_path / "own")
    harm(tmp_path / "own")
    for use in (pin_embedding, embedding_folder):
        with pytest.raises(InputError, match=problem):
            use(SemanticDuplicates(model="own"), root=tmp_path)


def test_a_hub_model_is_fetched_at_its_commit_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_embedding_model(tmp_path / "fetched")
    asked: list[object] = []

    def fetch(model: str, revision: str) -> Path:
        asked.append((model, revision))
        return tmp_path / "fetched"

    monkeypatch.setattr(embedding, "_download", fetch)
    spec = SemanticDuplicates(model="some/model", revision=COMMIT)
    assert embedding_folder(spec, root=tmp_path) == tmp_path / "fetched"
    assert asked == [("some/model", COMMIT)]
    _pickle(tmp_path / "fetched")
    with pytest.raises(InputError, match="pickles"):
        embedding_folder(spec, root=tmp_path)


def test_a_hub_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def fail(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no way to the hub\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match="some/model at 0123456789ab cannot be downloaded: no way to the hub\n"):
        embedding_folder(SemanticDuplicates(model="some/model", revision=COMMIT), root=tmp_path)
