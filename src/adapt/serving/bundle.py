"""The server's plugin as a folder to put on PYTHONPATH: a copy of `adapt.serving.plugin` and the metadata that vLLM finds it by.

The serving environment does not have `adapt` and need not: vLLM looks for entry points in every folder of Python's path, and a `.dist-info` folder
beside the package is all that they need. The copy belongs to the configuration that it was rendered with, so the two never differ.
"""

import shutil
from pathlib import Path
from types import ModuleType

from adapt.serving import plugin
from adapt.serving.plugin import (
    access,
    aliases,
    answers,
    cache,
    counts,
    exchange,
    facts,
    faults,
    gate,
    listing,
    numbers,
    orphans,
    places,
    refusal,
    rehearsal,
    resolver,
    rollouts,
    signature,
    slots,
    store,
    tensors,
)

NAME = "adapt_serving"
MODULES: tuple[ModuleType, ...] = (
    plugin,
    access,
    aliases,
    answers,
    cache,
    counts,
    exchange,
    facts,
    faults,
    gate,
    listing,
    numbers,
    orphans,
    places,
    refusal,
    rehearsal,
    resolver,
    rollouts,
    signature,
    slots,
    store,
    tensors,
)
"""Every module of the package, by import, so that the stage's code covers them all."""
_METADATA = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n"
_ENTRY_POINTS = f"[vllm.general_plugins]\nadapt = {NAME}.resolver:register\n"


def write_plugin(folder: Path) -> None:
    """Write the package and its metadata into `folder`, which is made."""
    package, metadata = folder / NAME, folder / f"{NAME}-1.dist-info"
    for made in (package, metadata):
        made.mkdir(parents=True)
    for module in MODULES:
        if module.__file__ is None:
            raise AssertionError(module)
        shutil.copyfile(module.__file__, package / Path(module.__file__).name)
    (metadata / "METADATA").write_text(_METADATA, encoding="utf-8")
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS, encoding="utf-8")
