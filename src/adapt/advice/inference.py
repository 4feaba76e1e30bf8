"""How long an evaluation and an export take on a machine of which nothing but its calibration is known.

Enters: a base, the sizes of the records, a calibration. Leaves: seconds. Texts that are read go through
products with many rows, answers through products with few, which wait for the weights to come from memory;
each layer costs some calls of torch besides, which is what small models wait for.
"""

from __future__ import annotations

from adapt.advice.shape import ModelShape
from adapt.advice.workload import Workload
from adapt.base.calibration import Calibration, Rates
from adapt.export.compressed import RECORDS, TOKENS
from adapt.export.golden import ANSWER_TOKENS
from adapt.export.runner import ANSWERED
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.export import ExportSpec, QuantizedExport

ACHIEVED = 0.6
"""Share of the rate of a forward product that a whole forward pass reaches."""
LAYER_CALLS = 400
"""Calls of torch, small ones as a calibration times them, that a decoder layer with an adapter takes for one
token."""
LOADING_SECONDS = 15.0
"""Loading libraries and a small model."""
_SIDES = 2
"""Base and adapter."""
_NUMBER = {"float32": 4, "bfloat16": 2, "float16": 2}
_CALIBRATION_PASSES = 3
"""Forward passes of llm-compressor over its calibration records, in bfloat16: before, while and after weights
are changed."""
_MADE_PER_SECOND = {"adapter": 1e9, "merged": 1e8, "quantized": 2e7, "onnx": 4e6, "onnx_adapters": 4e6, "gguf": 2e7, "gguf_adapter": 1e9}
"""Weights that a form takes in per second on the way from torch to its files."""


def evaluation_seconds(shape: ModelShape, spec: EvaluateSpec, workload: Workload, calibration: Calibration, dtype: str) -> float:
    """Seconds of an evaluation of a model that answers: the likelihood of all test records, and answers to
    some and to the checks."""
    scored = reading_seconds(shape, workload.test_tokens, workload.test_answers, _rates(calibration, dtype))
    usual = workload.test_tokens / max(1, workload.test_records)
    prompts = min(spec.generate_records, workload.test_records) + len(spec.checks)
    at_once = max(1, int(spec.batch_tokens / (usual + spec.max_new_tokens)))
    batches = -(-prompts // at_once)
    steps = batches * spec.max_new_tokens
    asked = steps * answering_seconds(shape, min(prompts, at_once), calibration, dtype) if prompts else 0.0
    return LOADING_SECONDS + _SIDES * (scored + asked)


def export_seconds(shape: ModelShape, spec: ExportSpec, workload: Workload, calibration: Calibration) -> float:
    """Seconds of an export: the reference in float32, the form, and the form again on the same prompts."""
    prompts = min(spec.parity.prompts, workload.test_records)
    usual = workload.test_tokens / max(1, workload.test_records)
    tokens = prompts * min(usual, usual - workload.test_answers / max(1, workload.test_records) + ANSWER_TOKENS)
    once = reading_seconds(shape, tokens, tokens, _rates(calibration, "float32"))
    answer = ANSWERED * answering_seconds(shape, 1, calibration, "float32")
    made = shape.parameters / _MADE_PER_SECOND[spec.format]
    if isinstance(spec, QuantizedExport) and spec.calibrated:
        calibrating = (spec.calibration_records or RECORDS) * TOKENS
        made += _CALIBRATION_PASSES * reading_seconds(shape, calibrating, 0, _rates(calibration, "bfloat16"))
    return LOADING_SECONDS + (_SIDES + 1) * once + made + answer


def reading_seconds(shape: ModelShape, tokens: float, answers: float, rates: Rates) -> float:
    """Seconds of one forward pass over `tokens`, logits being computed for `answers` of them."""
    operations = tokens * 2 * shape.active_parameters + answers * 2 * shape.vocabulary * shape.hidden
    return operations / (ACHIEVED * rates.forward)


def answering_seconds(shape: ModelShape, rows: int, calibration: Calibration, dtype: str) -> float:
    """Seconds for the next token of `rows` answers at once."""
    rates = _rates(calibration, dtype)
    weights = shape.active_parameters + shape.vocabulary * shape.hidden
    products = max(weights * _NUMBER[dtype] / rates.row, rows * 2 * weights / rates.forward)
    return products + shape.layers * LAYER_CALLS * calibration.call


def _rates(calibration: Calibration, dtype: str) -> Rates:
    return calibration.rates["float32" if dtype == "float32" else "bfloat16"]
