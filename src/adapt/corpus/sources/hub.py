"""Data sets of the Hugging Face hub, and folders that the `datasets` library can load: one row, one record. Code of a data set is never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.mapping import Mapping
from adapt.errors import InputError
from adapt.spec.corpus import HubSource


def read_hub(source: HubSource, name: str, mapping: Mapping, root: Path | None, place: str) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every row, streamed in the order of the data set.

    `root` is where the path of a folder begins, `place` the source's in the spec. Raises InputError for a data set that is not found or needs code, a
    name on the hub without a revision, and a hub that does not answer.
    """
    rows = _opened(source, root, place)
    columns = getattr(rows, "column_names", None)
    if columns:
        mapping.require(columns, name)
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            yield from mapping.drafts(row, name, f"row {number}")
    except InputError:
        raise
    except Exception as error:  # whatever the formats below `datasets` raise
        where = f"after row {number}" if number else "before its first row"
        raise InputError(f"{place}: {name} cannot be read {where} ({type(error).__name__})", hint=_HINT) from None
    if not number:
        yield Rejected("", "empty_file", "The data set has no rows.")


_HINT = "is the network there? else download it once into a folder of the workspace and write its path in `dataset`"


def _opened(source: HubSource, root: Path | None, place: str) -> Any:
    from importlib import import_module

    library = import_module("datasets")  # by name: it belongs to the stage only where a source needs it
    folder = (root or Path()) / source.dataset
    local = folder.is_dir()
    if not local and source.revision is None:
        raise InputError(
            f"{place}: '{source.dataset}' is no folder of the workspace, and a data set of the hub needs a revision",
            hint="write the commit that its page shows under Files, 40 hex digits",
        )
    library.disable_progress_bars()
    try:
        if local and (folder / "dataset_dict.json").is_file():
            return library.load_from_disk(str(folder))[source.split]
        if local and (folder / "state.json").is_file():
            return library.load_from_disk(str(folder))
        target = str(folder) if local else source.dataset
        return library.load_dataset(target, source.config, split=source.split, revision=source.revision, streaming=True)
    except KeyError:
        raise InputError(f"{place}.split: {source.dataset} has no split '{source.split}'", hint="see its page or its folder") from None
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"{place}: {source.dataset} cannot be loaded: {_first_line(error)}", hint="see dataset, config and split") from None
    except Exception as error:  # the hub's client raises many kinds
        raise InputError(f"{place}: {source.dataset} cannot be loaded ({type(error).__name__})", hint=_HINT) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0][:200]
