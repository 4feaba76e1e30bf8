"""What the export stage may read."""

from adapt.spec.base import PinnedBase
from adapt.spec.export import ExportSpec
from adapt.spec.resolved.stage import StageSection


class ExportSection(StageSection):
    """Read by `adapt.export.export`."""

    base: PinnedBase
    export: ExportSpec
