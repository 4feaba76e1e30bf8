"""Section `engine` (params.yaml only): where the corpus and dataset stages run. It changes no byte of what they make, so no stage depends on it."""

from typing import Annotated, Literal

from pydantic import Field

from adapt.spec.section import Section


class LocalEngine(Section):
    """Processes on this machine."""

    kind: Literal["local"] = "local"
    """Which engine."""
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Worker processes; `auto`: one for each core that this process may use, and none for small work."""


class RayEngine(Section):
    """Tasks on a Ray cluster; needs the extra `ray`. Workers read the raw files, so these must lie on storage that all nodes share."""

    kind: Literal["ray"]
    """Which engine."""
    address: str = Field(default="auto", min_length=1)
    """Address of the cluster, such as `ray://head:10001`; `auto` finds the one that runs on this machine or in `RAY_ADDRESS`."""


EngineSpec = Annotated[LocalEngine | RayEngine, Field(discriminator="kind")]
