"""Fetches the data set of another revision: of git, of a DVC experiment, or of any folder that holds one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from adapt.dataset.split import SPLITS
from adapt.dataset.verdicts import FILE as VERDICTS
from adapt.errors import InputError

WORKSPACE = "workspace"
FILES = (*(f"{split}.jsonl" for split in SPLITS), VERDICTS)


def is_folder(root: Path, revision: str) -> bool:
    """Whether `revision` means a folder: there is one, and git and DVC know no revision of that name in `root`."""
    if revision == WORKSPACE or not Path(revision).is_dir():
        return False
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import resolve_rev
    from scmrepo.exceptions import SCMError

    try:
        with Repo(str(root)) as repository:
            resolve_rev(repository.scm, revision)
    except (DvcException, SCMError):  # the latter where there is no commit yet
        return True
    return False


@contextmanager
def dataset_at(root: Path, dataset: Path, revision: str) -> Iterator[Path]:
    """A folder with the files of `dataset` (relative to the workspace `root`) at `revision`: `workspace`, what git or DVC names, or a folder, which
    `./` before it tells from a branch of that name.

    Raises InputError for an unknown revision and for outputs that the revision did not have or that are not in DVC's cache.
    """
    folder = root / dataset if revision == WORKSPACE else Path(revision)
    if revision == WORKSPACE or is_folder(root, revision):
        if not (folder / VERDICTS).is_file():
            raise InputError(f"{folder} holds no data set", hint="build it with `adapt build NAME --to dataset`")
        yield folder
        return
    with TemporaryDirectory(prefix="adapt-revision-") as copy:
        _fetch(root, dataset, revision, Path(copy))
        yield Path(copy)


def _fetch(root: Path, dataset: Path, revision: str, target: Path) -> None:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from dvc_data.index.index import DataIndexError
    from scmrepo.exceptions import SCMError as GitError

    try:
        files = DVCFileSystem(str(root), rev=revision)
        for name in FILES:
            with files.open((dataset / name).as_posix(), "rb") as source:
                (target / name).write_bytes(source.read())
    except (SCMError, GitError) as error:
        hint = f"give a git revision, an experiment, a folder, or '{WORKSPACE}'; a revision needs a commit"
        raise InputError(f"'{revision}' is no revision: {error}", hint=hint) from None
    except (DvcException, DataIndexError, OSError) as error:
        hint = "the revision must hold dvc.lock, and its outputs must be in the cache: try `dvc fetch --all-commits`"
        raise InputError(f"{dataset.as_posix()} cannot be had at '{revision}': {error}", hint=hint) from None
