"""What the export stage may read."""

from typing import Literal

from adapt.spec.base import PinnedBase
from adapt.spec.export import ExportSpec
from adapt.spec.resolved.stage import StageSection
from adapt.spec.section import Section


class QuantizedBase(Section):
    """How the base was quantized while the adapter was trained."""

    quantization_type: Literal["nf4", "fp4", "int8"]
    double_quantization: bool
    dtype: str
    """Number format that the weights had when they were quantized; `auto` where training chose it, and the adapter's training.json says what."""


class ExportSection(StageSection):
    """Read by `adapt.export.export`."""

    base: PinnedBase
    export: ExportSpec
    trained_on: QuantizedBase | None = None
    """For a merge into the dequantized base."""
