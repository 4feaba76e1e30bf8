"""Made-up situations, and the advice on each as text."""

from adapt.advice.advise import advise
from adapt.advice.machine import Device
from adapt.advice.shape import ModelShape, made_shape
from adapt.advice.situation import Situation
from adapt.base.calibration import Calibration, Rates

GIB = 1 << 30
SMALL = made_shape(hidden=576, layers=30, heads=9, groups=3, feed_forward=1536, vocabulary=49152, tied=True, positions=8192)
"""SmolLM2-135M."""
SEVEN = made_shape(hidden=4096, layers=32, heads=32, groups=32, feed_forward=11008, vocabulary=32000)
"""Llama-7B."""
SEVENTY = made_shape(hidden=8192, layers=80, heads=64, groups=8, feed_forward=28672, vocabulary=128256, positions=8192)
"""Llama-3-70B."""
EIGHT_LONG = made_shape(hidden=4096, layers=32, heads=32, groups=8, feed_forward=14336, vocabulary=128256, positions=131072)
"""Llama-3.1-8B."""


def _gpu(gib: int) -> Device:
    return Device("cuda", gib * GIB)


def _at(device: Device, shape: ModelShape, records: int, *, median: int = 256, longest: int = 1024, **further: object) -> Situation:
    return Situation(device=device, shape=shape, records=records, median_tokens=median, longest_tokens=longest, **further)  # type: ignore[arg-type]


_AVX2 = Calibration("float32", "AVX2", 8, {"float32": Rates(80e9, 80e9, 2e10), "bfloat16": Rates(16e9, 2e9, 2e9)}, 1e-6)
"""A CPU without products in bfloat16, 22.5 times as slow in it."""
SITUATIONS = {
    "laptop": _at(Device("cpu", 8 * GIB), SMALL, 200, longest=512),
    "laptop-without-bfloat16": _at(Device("cpu", 8 * GIB, lambda: _AVX2), SMALL, 200, longest=512),
    "gpu-24-gib-7b": _at(_gpu(24), SEVEN, 5_000),
    "gpu-8-gib-7b": _at(_gpu(8), SEVEN, 5_000),
    "gpu-80-gib-70b": _at(_gpu(80), SEVENTY, 20_000),
    "twenty-on-one-server": _at(_gpu(24), SEVEN, 3_000, neighbours=19),
    "hundred-records": _at(_gpu(24), SEVEN, 100),
    "million-records": _at(_gpu(80), SEVEN, 1_000_000, served=False, merged=True),
    "long-context": _at(_gpu(80), EIGHT_LONG, 2_000, median=12_000, longest=32_768),
    "preference-pairs": _at(_gpu(24), SEVEN, 10_000, median=512, objective="dpo"),
    "classification": _at(Device("cpu", 16 * GIB), SMALL, 2_000, median=128, longest=384, objective="classification", served=False),
}


def advice_text(situation: Situation) -> str:
    """Advice as the golden files hold it."""
    advice = advise(situation)
    lines = []
    for one in advice.recommendations:
        lines.append(f"{one.setting}: {one.value}")
        lines.append(f"  {one.reason}" + (f" ({one.source})" if one.source else ""))
        lines += [f"  not {rejected}" for rejected in one.rejected]
    lines.append(f"forecast: {advice.forecast.memory.peak / GIB:.1f} GiB, {'fits' if advice.forecast.fits else 'does not fit'}")
    return "\n".join([*lines, *(f"remark: {remark}" for remark in advice.remarks)]) + "\n"
