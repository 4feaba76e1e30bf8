"""What every stage's section carries: the code and the libraries that it runs on."""

from adapt.spec.section import Section


class StageSection(Section):
    """What every stage's section carries."""

    code: str
    """Digest of the code that the stage runs: its import closure inside adapt, comments and docstrings stripped."""
    libraries: dict[str, str]
    """Versions of the libraries that the stage imports."""
