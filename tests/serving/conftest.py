from pathlib import Path

import pytest

from tests.serving.adapters import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "work space")
