"""What the serving stage may read."""

from adapt.spec.base import PinnedBase
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.stage import StageSection
from adapt.spec.section import Section
from adapt.spec.serving import ServerSpec


class Member(Section):
    """One adapter as the server sees it."""

    base: PinnedBase
    prompt: PinnedPrompt
    enabled: bool


class ServingSection(StageSection):
    """Read by `adapt.serving.render`; one for the workspace."""

    server: ServerSpec
    base: PinnedBase
    """The base that is served: that of params.yaml."""
    prompt: PinnedPrompt
    """The template that is served: that of params.yaml."""
    adapters: dict[str, Member]
