"""The base of every model in a spec: immutable, closed to unknown fields, documented field by field."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


def _documented(schema: dict[str, Any], model: type[Any]) -> None:
    from adapt.spec.docstrings import describe

    describe(schema, model)


class Section(BaseModel):
    """A part of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False, json_schema_extra=_documented)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        """`true` is no rank and no seed, although Python counts it as 1."""
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and {int, float} & {field.annotation, *get_args(field.annotation)}:
                raise ValueError(f"{name} is {str(value).lower()}, and a number is expected")
        return values
