"""Section `export`: bounds by number format, and what a form or a method does not read is refused."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from adapt.spec.adapter import AdapterSpec
from adapt.spec.capability import capability_problems
from adapt.spec.export import ExportSpec, gates_of

FORMS: list[dict[str, Any]] = [
    {"format": "adapter"},
    *({"format": "merged", "dtype": dtype} for dtype in ("bfloat16", "float16", "float32")),
    *({"format": "quantized", "scheme": scheme} for scheme in ("nf4", "int8", "gptq", "awq", "w8a8", "fp8")),
    *({"format": "onnx", "precision": precision} for precision in ("fp32", "fp16", "int8", "int4")),
    *({"format": "onnx_adapters", "precision": precision} for precision in ("fp32", "int4")),
    *({"format": "gguf", "type": kind} for kind in ("f32", "f16", "bf16", "q8_0", "q4_0")),
    *({"format": "gguf_adapter", "type": kind} for kind in ("f32", "f16")),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form.values()))
def test_every_form_has_bounds(form: dict[str, Any]) -> None:
    spec: Any = TypeAdapter[Any](ExportSpec).validate_python(form)
    gates = gates_of(spec)
    assert 0.5 < gates.min_top1_agreement < 1
    assert 0 < gates.max_mean_kl < gates.max_worst_kl


@pytest.mark.parametrize("scheme", ["nf4", "int8", "fp8"])
def test_calibration_is_refused_where_nothing_is_calibrated(scheme: str) -> None:
    with pytest.raises(ValidationError, match=f"calibration_records is set, and scheme {scheme} needs no calibration"):
        TypeAdapter[Any](ExportSpec).validate_python({"format": "quantized", "scheme": scheme, "calibration_records": 4})


def problems(method: str, **export: Any) -> list[str]:
    return capability_problems(AdapterSpec.model_validate({"train": {"method": method}, "export": {"x": export}}), {})


@pytest.mark.parametrize(
    ("method", "export", "problem"),
    [
        (
            "dora",
            {"format": "adapter"},
            "export.x: format adapter carries the adapter as plain LoRA, which dora cannot become\nhint: export it as merged",
        ),
        ("houlsby", {"format": "gguf_adapter"}, "which houlsby cannot become\nhint: set export.x to null"),
        ("houlsby", {"format": "gguf"}, "format gguf folds the adapter into the base, and houlsby cannot be merged"),
        ("loftq", {"format": "merged", "onto": "dequantized"}, "export.x.onto: dequantized is for method qlora; loftq is not trained"),
    ],
)
def test_form_that_the_method_cannot_take_is_refused(method: str, export: dict[str, Any], problem: str) -> None:
    found = problems(method, **export)
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("method", "export"),
    [
        ("pissa", {"format": "adapter"}),
        ("vera", {"format": "onnx_adapters"}),
        ("dora", {"format": "gguf"}),
        ("qlora", {"format": "merged", "onto": "dequantized"}),
    ],
)
def test_form_that_fits_is_accepted(method: str, export: dict[str, Any]) -> None:
    assert problems(method, **export) == []
