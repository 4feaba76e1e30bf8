"""What the gate stage may read."""

from adapt.spec.evaluate import Gate
from adapt.spec.resolved.stage import StageSection


class GateSection(StageSection):
    """Read by `adapt.evaluate.judge`."""

    gates: tuple[Gate, ...]
