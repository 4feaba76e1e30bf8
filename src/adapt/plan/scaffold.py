"""`adapt init`: a workspace that builds, copied from the one that the project ships.

In an installed wheel the template lies in the package; in a source checkout it is the checkout itself.
"""

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from adapt.errors import WorkspaceError
from adapt.plan.index import index_text

PARTS = ("dvc.yaml", "params.yaml", "specs", "data/raw", ".dvcignore", "docs/how-to", "docs/spec.md", "docs/methods.md", "docs/benchmarks.md")
"""What a workspace consists of; hatch_build.py puts the same into the wheel, and with it `ENVIRONMENTS`."""
ENVIRONMENTS = ("requirements/serving-cpu.txt", "requirements/serving-gpu.txt", "requirements/quantize-cpu.txt", "requirements/quantize-gpu.txt")
"""What `adapt env` installs; no part of a workspace."""
README = "README.md"
IGNORED = """\
# What adapt and DVC make; DVC's cache keeps it, git does not.
/.adapt/
/adapters/
/build/
/data/corpus/
/data/dataset/
/dist/
/evaluation/
/exports/
/steps/
/sweeps/
/training/
/training-steps/
/plots/
/.venv*/
dvc.lock.broken
"""


def scaffold(folder: Path, *, examples: bool = True) -> list[str]:
    """Make a workspace in `folder`, a git repository and a DVC repository where there is none; returns what was created.

    With `examples` false the three example specs and corpora are left out. Raises WorkspaceError before anything is
    written when a file of the workspace exists already.
    """
    template = template_folder()
    wanted = [path for part in PARTS for path in _files_of(template, part) if examples or not _is_example(path)]
    taken = [path for path in (*wanted, ".gitignore") if (folder / path).exists()]
    if taken:
        listed = ", ".join(taken[:5]) + (" …" if len(taken) > 5 else "")
        raise WorkspaceError(f"{folder} already holds {listed}", hint="choose an empty folder")
    _make_repositories(folder)
    for path in wanted:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template / path, target)
    folder.joinpath("specs").mkdir(parents=True, exist_ok=True)
    if not examples:
        folder.joinpath("specs", "_index.yaml").write_text(index_text({}), encoding="utf-8")
    folder.joinpath(".gitignore").write_text(IGNORED, encoding="utf-8")
    created = [*wanted, ".gitignore"]
    if not (folder / README).exists():  # a repository often has one already
        shutil.copyfile(str(files("adapt.plan") / "workspace_readme.md"), folder / README)
        created.append(README)
    return created


def template_folder() -> Path:
    """Where the template lies. Raises WorkspaceError when the installation is broken."""
    installed = Path(str(files("adapt"))) / "workspace"
    if installed.is_dir():
        return installed
    checkout = Path(str(files("adapt"))).parents[1]
    if (checkout / "dvc.yaml").is_file():
        return checkout
    raise WorkspaceError("this installation carries no workspace template", hint="install adapt-build again")


def _files_of(template: Path, part: str) -> list[str]:
    path = template / part
    found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return [file.relative_to(template).as_posix() for file in found]


def _is_example(path: str) -> bool:
    return path.startswith("data/raw/") or (path.startswith("specs/") and path not in ("specs/_schema.json", "specs/_params_schema.json"))


def _make_repositories(folder: Path) -> None:
    with_git = shutil.which("git") is not None
    if with_git and not _inside_git(folder):
        _run(folder, "git", "init", "--quiet")
    if not (folder / ".dvc").exists():
        dvc = (sys.executable, "-m", "dvc")
        options = [] if with_git and (folder / ".git").exists() else ["--subdir"] if with_git else ["--no-scm"]
        _run(folder, *dvc, "init", "--quiet", *options)
        _run(folder, *dvc, "config", "core.analytics", "false")
        _run(folder, *dvc, "config", "core.check_update", "false")


def _inside_git(folder: Path) -> bool:
    found = subprocess.run(["git", "rev-parse", "--is-inside-work-tree"], cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip() == "true"


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WorkspaceError(f"`{' '.join(command[-4:])}` failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")
