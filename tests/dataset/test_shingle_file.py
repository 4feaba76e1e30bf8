"""Shingle sets are read back as they were written, from memory where the file is small and from the disk where it is not."""

from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup import shingle_file
from adapt.dataset.dedup.shingle_file import ShingleFile


@pytest.mark.parametrize("held_bytes", [0, 1 << 20])
def test_sets_come_in_the_order_asked_for_also_after_one_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_bytes: int) -> None:
    monkeypatch.setattr(shingle_file, "_HELD_BYTES", held_bytes)
    with ShingleFile(tmp_path / "sets") as file:
        file.append(np.array([1, 2, 3], np.uint32), np.array([2, 0, 1]))
        file.append(np.array([4, 5], np.uint32), np.array([2]))
        file.finish()
        values, counts = file.gather(np.array([3, 0, 2, 1]))
        assert (values.tolist(), counts.tolist()) == ([4, 5, 1, 2, 3], [2, 2, 1, 0])
        file.replace(0, np.array([7, 8, 9], np.uint32))
        file.reopen()
        assert file.of(0).tolist() == [7, 8, 9]
        assert file.gather(np.array([0, 3]))[0].tolist() == [7, 8, 9, 4, 5]
    assert not (tmp_path / "sets").exists()
