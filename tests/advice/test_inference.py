"""Times of evaluation and exports, against sums by hand on a calibration of round numbers."""

import pytest

from adapt.advice.inference import (
    ACHIEVED,
    LAYER_CALLS,
    LOADING_SECONDS,
    answering_seconds,
    evaluation_seconds,
    export_seconds,
    reading_seconds,
)
from adapt.advice.workload import Workload
from adapt.base.calibration import Calibration, Rates
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.export import MergedExport, QuantizedExport
from tests.advice.situations import SMALL

MADE = Calibration("float32", "AVX2", 2, {"float32": Rates(50e9, 50e9, 10e9), "bfloat16": Rates(5e9, 1e9, 1e9)}, 1e-6)
WORKLOAD = Workload((), 1.0, 100, 0, (), (), test_records=10, test_tokens=2000, test_answers=1000)


def test_reading_is_two_operations_for_each_weight_and_token() -> None:
    """SmolLM2-135M has 106.2 M weights in its layers, and a head of 49152 x 576 on answers."""
    weights = 30 * (576 * (576 + 2 * 192 + 576) + 3 * 576 * 1536)
    wanted = (2000 * 2 * weights + 1000 * 2 * 49152 * 576) / (50e9 * ACHIEVED)
    assert reading_seconds(SMALL, 2000, 1000, MADE.rates["float32"]) == pytest.approx(wanted)


def test_answering_waits_for_the_weights_until_rows_are_many() -> None:
    weights = 30 * (576 * (576 + 2 * 192 + 576) + 3 * 576 * 1536) + 49152 * 576
    calls = 30 * LAYER_CALLS * 1e-6
    assert answering_seconds(SMALL, 1, MADE, "float32") == pytest.approx(weights * 4 / 10e9 + calls)
    assert answering_seconds(SMALL, 64, MADE, "float32") == pytest.approx(64 * 2 * weights / 50e9 + calls)


def test_an_evaluation_is_two_readings_and_the_answers_of_both_sides() -> None:
    reading = reading_seconds(SMALL, 2000, 1000, MADE.rates["float32"])
    silent = evaluation_seconds(SMALL, EvaluateSpec(generate_records=0), WORKLOAD, MADE, "float32")
    assert silent == pytest.approx(LOADING_SECONDS + 2 * reading)
    asked = evaluation_seconds(SMALL, EvaluateSpec(generate_records=4, max_new_tokens=50), WORKLOAD, MADE, "float32")
    assert asked - silent == pytest.approx(2 * 50 * answering_seconds(SMALL, 4, MADE, "float32"))
    narrow = EvaluateSpec(generate_records=4, max_new_tokens=50, batch_tokens=300)  # one answer of 200 + 50 tokens at a time
    assert evaluation_seconds(SMALL, narrow, WORKLOAD, MADE, "float32") - silent == pytest.approx(
        2 * 4 * 50 * answering_seconds(SMALL, 1, MADE, "float32")
    )


def test_llm_compressor_is_forecast_in_bfloat16_and_plain_forms_in_float32() -> None:
    plain = export_seconds(SMALL, QuantizedExport(format="quantized", scheme="nf4"), WORKLOAD, MADE)
    fitted = export_seconds(SMALL, QuantizedExport(format="quantized", scheme="gptq", calibration_records=8), WORKLOAD, MADE)
    assert fitted - plain == pytest.approx(3 * reading_seconds(SMALL, 8 * 512, 0, MADE.rates["bfloat16"]))
    assert export_seconds(SMALL, MergedExport(format="merged"), WORKLOAD, MADE) < plain
