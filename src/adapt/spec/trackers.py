"""Section `trackers` (params.yaml only): where curves are shown while a training runs. It changes no output, so no stage depends on it."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from adapt.spec.patterns import PROJECT_NAME
from adapt.spec.section import Section

TrackerName = Literal["tensorboard", "wandb", "mlflow", "swanlab"]


class TrackersSpec(Section):
    """Trackers, which need the extra `trackers`; the curves that DVC shows are written in any case."""

    use: tuple[TrackerName, ...] = ()
    """Which ones. Without a key or a server in the environment they write below `.adapt/trackers/` and send nothing. They are told figures and
    settings, never texts."""
    project: Annotated[str, StringConstraints(pattern=PROJECT_NAME)] = "adapt"
    """What they file the runs under."""
