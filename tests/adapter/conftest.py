from collections.abc import Callable
from pathlib import Path

import pytest

from adapt.records import AlpacaRecord
from tests.adapter.trainings import BASE, write_dataset
from tests.tiny import tiny_base


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny base model in `base`."""
    root = tmp_path_factory.mktemp("workspace")
    tiny_base(root / BASE)
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished dataset folder of the given training and validation records."""

    def write(train: list[AlpacaRecord] | None = None, validation: list[AlpacaRecord] | None = None) -> Path:
        return write_dataset(tmp_path / "dataset", train, validation)

    return write


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a tiny base of every kind."""
    root = tmp_path_factory.mktemp("bases")
    for kind in ("llama", "qwen2", "mixtral"):
        tiny_base(root / kind, kind=kind)
    return root
