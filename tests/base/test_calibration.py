"""The measurement of a machine, and where it is kept."""

import json
from pathlib import Path

import pytest

from adapt.base import calibration
from adapt.base.calibration import Calibration, Rates, calibrate
from adapt.base.numerics import instruction_set, native_dtype


def test_it_is_measured_once_for_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = calibrate("cpu", tmp_path)
    assert (found.native, found.instruction_set) == (native_dtype("cpu"), instruction_set("cpu"))
    assert all(rate > 0 for rates in found.rates.values() for rate in (rates.forward, rates.backward, rates.row))
    assert found.call > 0
    monkeypatch.setattr(calibration, "_measure", lambda device: pytest.fail("measured again"))
    assert calibrate("cpu", tmp_path) == found
    monkeypatch.setattr(calibration, "_measure", lambda device: found)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    calibrate("cpu", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert {json.loads(path.read_bytes())["settings"]["ATEN_CPU_CAPABILITY"] for path in tmp_path.iterdir()} == {"", "default"}


@pytest.mark.parametrize("content", ["", "{}", '{"settings": 1, "rates": {"float32": {}}}', "[]"])
def test_a_broken_record_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    made = Calibration("float32", "AVX2", 2, {name: Rates(3.0, 6.0, 1.0) for name in ("float32", "bfloat16")}, 1e-6)
    monkeypatch.setattr(calibration, "_measure", lambda device: made)
    calibrate("cpu", tmp_path)
    (record,) = tmp_path.iterdir()
    record.write_text(content, encoding="utf-8")
    assert calibrate("cpu", tmp_path) == made
    assert json.loads(record.read_bytes())["native"] == "float32"


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Calibration("float32", "AVX2", 2, {}, 1e-6)
    monkeypatch.setattr(calibration, "_measure", lambda device: made)
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert calibrate("cpu", tmp_path / "file" / "below") == made


def test_a_step_takes_the_time_of_both_its_products() -> None:
    """2 GFLOP forward at 2 GFLOP/s and 2 backward at 1 are 3 seconds for 4."""
    fast, slow = Rates(2e9, 1e9, 1.0), Rates(1e9, 0.25e9, 1.0)
    assert fast.step == pytest.approx(4e9 / 3)
    assert Calibration("float32", "AVX2", 2, {"float32": fast, "bfloat16": slow}, 1e-6).slowdown == pytest.approx((1 + 4) / (0.5 + 1))
