"""What the evaluate stage may read."""

from adapt.spec.base import PinnedBase
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.resolved.stage import StageSection


class EvaluateSection(StageSection):
    """Read by `adapt.evaluate.build`. Gates have a section of their own, so that moving a bound measures nothing anew."""

    base: PinnedBase
    evaluate: EvaluateSpec
