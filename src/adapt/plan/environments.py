"""The environments apart from the core one: vLLM for serving, llm-compressor for some exports, whose
libraries exclude ours.

Enters: which one, and for what machine. Leaves: a virtual environment in the workspace that holds what the
requirements say. The requirements are those of the checkout, or the copies in the wheel.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from adapt.errors import WorkspaceError
from adapt.plan.scaffold import template_folder

Kind = Literal["cpu", "gpu"]
_STAMP = ".requirements"
"""File in an environment that says what it was made from; written last, so it is there only when all before
it went well."""
_STANDARD_ERROR = 2


@dataclass(frozen=True)
class Environment:
    """One environment."""

    name: str
    folder: str
    """In the workspace."""
    holds: str
    module: str
    """What must be importable when it is made."""
    newest: tuple[int, int] | None = None
    """Newest Python that it takes; 3.11 is the oldest."""
    complete: tuple[Kind, ...] = ()
    """Kinds whose requirements are complete, and installed as they stand: resolving them would bring in CUDA
    builds that do not load here."""

    def requirements(self, kind: Kind) -> Path:
        """The list of what is installed."""
        return template_folder() / "requirements" / f"{self.name}-{kind}.txt"


ENVIRONMENTS: Mapping[str, Environment] = {
    each.name: each
    for each in (
        Environment("serving", ".venv-serving", "vLLM", "vllm", newest=(3, 14), complete=("cpu",)),
        Environment("quantize", ".venv-quantize", "llm-compressor, for GPTQ, AWQ, W8A8 and FP8 exports", "llmcompressor"),
    )
}


def make_environment(
    environment: Environment,
    folder: Path,
    *,
    kind: Kind,
    python: str,
    say: Callable[[str], None],
) -> bool:
    """Make it in `folder` on the interpreter `python`; False when it is already what the requirements say.

    Raises WorkspaceError when the interpreter does not serve or the installation fails; then it counts as not
    made.
    """
    requirements = environment.requirements(kind)
    digest = f"{kind} {sha256(requirements.read_bytes()).hexdigest()}\n"
    stamp, own = folder / _STAMP, folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return False
    _check_python(environment, python)
    say(f"making {folder} ({kind}): {environment.holds}; this takes a few minutes")
    _run([python, "-m", "venv", "--clear", str(folder)], hint="choose another interpreter with --python")
    options = ["--no-deps"] if kind in environment.complete else []
    pip = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += [*options, "-r", str(requirements)]
    hint = "where the index offers no CPU build of torch, set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
    _run(pip, hint=hint if kind == "cpu" else "see what pip says above")
    hint = "what was installed does not load on this machine; try the other --kind"
    _run([str(own), "-c", f"import {environment.module}"], hint=hint)
    stamp.write_text(digest, encoding="utf-8")
    return True


def kind_here() -> Kind:
    """`gpu` where nvidia-smi lists one."""
    driver = shutil.which("nvidia-smi")
    listed = driver is not None and subprocess.run([driver, "-L"], capture_output=True, check=False).returncode == 0
    return "gpu" if listed else "cpu"


def _check_python(environment: Environment, python: str) -> None:
    newest = environment.newest or (4, 0)
    try:
        code = f"import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= {newest})"
        suits = subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError as error:
        raise WorkspaceError(f"'{python}' cannot be run: {error.strerror}", hint="name an interpreter with --python") from None
    if not suits:
        range_ = f"3.11 to {newest[0]}.{newest[1]}" if environment.newest else "3.11 or newer"
        message = f"{environment.name} needs Python {range_}, and '{python}' is another"
        raise WorkspaceError(message, hint="name one with --python")


def _run(command: list[str], *, hint: str) -> None:
    """Run a step; its messages go to standard error."""
    if subprocess.run(command, stdout=_STANDARD_ERROR, check=False).returncode != 0:
        raise WorkspaceError(f"`{' '.join(command[:4])} ...` failed", hint=hint)
