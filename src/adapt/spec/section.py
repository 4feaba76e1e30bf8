"""The base of every model in a spec: immutable, closed to unknown fields, documented field by field."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
