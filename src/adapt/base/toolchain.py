"""Whether code can be compiled while a training runs, as torch's compiler and DeepSpeed do."""

import sys

from adapt.errors import InputError


def require_toolchain(setting: str) -> None:
    """Raise InputError where `setting` would compile code and the environment lies in a path with white space.

    torch (`torch._inductor.cpp_builder`) and DeepSpeed (`op_builder`) hand paths to the linker without quotes.
    """
    if any(map(str.isspace, sys.prefix)):
        raise InputError(
            f"{setting} compiles code, and the Python environment lies in a path with a space: {sys.prefix}",
            hint="torch and DeepSpeed cannot link there: make the environment in a folder whose path has none",
        )
