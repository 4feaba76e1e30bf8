"""One onnxruntime-genai base, and adapters as `.onnx_adapter` files that are put on it at run time.

Enters: a finished adapter, the prepared base. Leaves: `base/`, the base's graph with an open place for A and B at every linear layer, the same
bytes for every adapter on that base; `adapter.onnx_adapter`, this adapter's matrices in onnxruntime's format; `adapter.json`, what they belong to.

The places are graph inputs with matrices of rank 0 as their defaults: with no adapter active the graph computes the base, and an adapter of any
rank fits. onnxruntime itself takes any adapter whose names and types fit, so `load_adapters` looks first.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.folder import TEMPLATE, write_json
from adapt.adapter.prompt import Prompt
from adapt.artifact.digest import digest_file, digest_folder
from adapt.artifact.progress import Progress
from adapt.errors import InputError
from adapt.export.canonical import BaseShapes, read_factors
from adapt.export.onnx import GenaiRunner, Precision, build_onnx
from adapt.export.onnx_places import input_name, open_places, read_places

if TYPE_CHECKING:
    from adapt.adapter.methods.plain import Factors

BASE, ADAPTER, ABOUT = "base", "adapter.onnx_adapter", "adapter.json"
_STAMP_BITS = 28
"""Bits of the graph's digest that the adapter file itself carries, as its model version, which is a small integer."""


def write_onnx_adapters(
    adapter: Path, base: Path, folder: Path, *, precision: Precision, base_digest: str, prompt: Prompt, work: Path, progress: Progress
) -> Mapping[str, Any]:
    """Write base and adapter into `folder`; gives what export.json tells of them.

    Raises InputError when the adapter cannot become plain LoRA, or adapts a module that the graph has no place for.
    """
    _, factors = read_factors(adapter, BaseShapes(base))
    write_graph(base, folder / BASE, precision=precision, work=work, progress=progress)
    graph = digest_folder(folder / BASE)
    _write_adapter(folder / ADAPTER, factors, folder / BASE, graph)
    about = {
        "adapter": digest_file(folder / ADAPTER),
        "base_digest": base_digest,
        "end_token_ids": list(prompt.end_ids),
        "graph": graph,
        "rank": max(a.shape[0] for a, _ in factors.values()),
    }
    write_json(folder / ABOUT, about)
    shutil.copyfile(adapter / TEMPLATE, folder / TEMPLATE)
    return {"graph": graph, "rank": about["rank"], "modules": len(factors)}


def write_graph(base: Path, folder: Path, *, precision: Precision, work: Path, progress: Progress) -> None:
    """Write the base's graph, with its places open, into `folder`. Raises InputError when the builder does not know the base's architecture."""
    build_onnx(base, folder, precision=precision, cache=work / "builder", progress=progress, packed=False)
    open_places(folder, BaseShapes(base))


def write_adapter(path: Path, adapter: Path, base: Path, graph: Path) -> None:
    """Write the plain LoRA adapter of a folder, trained on `base`, to file `path` for the graph in folder `graph`.

    Raises InputError as `write_onnx_adapters` does.
    """
    _write_adapter(path, read_factors(adapter, BaseShapes(base))[1], graph, digest_folder(graph))


def load_adapters(model: Any, base: Path, adapters: Mapping[str, Path]) -> Any:
    """Put `.onnx_adapter` files, by the name that requests will give, on the onnxruntime-genai `model` that was loaded from folder `base`.

    Gives onnxruntime-genai's `Adapters`. Raises InputError for a file that was made for another graph, was altered, has no adapter.json beside it, or
    whose matrices do not fit: onnxruntime would take some of these and answer wrongly.
    """
    import onnxruntime_genai as genai

    graph = digest_folder(base)
    found = genai.Adapters(model)
    for name, path in sorted(adapters.items()):
        check_adapter(path, base, graph=graph)
        found.load(str(path), name)
    return found


def check_adapter(path: Path, base: Path, *, graph: str | None = None) -> None:
    """Raise InputError unless the adapter in file `path` is whole and was made for the graph in folder `base`, whose digest is `graph`."""
    import onnxruntime

    graph = graph or digest_folder(base)
    about_path = path.with_suffix(".json")
    try:
        about = json.loads(about_path.read_bytes())
        made_for, digest = about["graph"], about["adapter"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{about_path} is missing or broken, so nobody knows what {path.name} belongs to", hint="copy both files") from None
    if made_for != graph:
        raise InputError(
            f"{path} was made for the graph {made_for[:12]}, and {base} is {graph[:12]}", hint="export the adapter for this base and precision"
        )
    if not path.is_file() or digest_file(path) != digest:
        raise InputError(f"{path} is missing or not the file that {about_path.name} tells of", hint="export the adapter again")
    read = onnxruntime.AdapterFormat.read_adapter(str(path))
    if read.get_model_version() != _stamp(graph):
        raise InputError(f"{path} carries the stamp of another graph", hint="export the adapter for this base and precision")
    _check_shapes(path, {name: tuple(value.shape()) for name, value in read.get_parameters().items()}, read_places(base))


def _check_shapes(path: Path, found: Mapping[str, Sequence[int]], places: Mapping[str, tuple[int, int]]) -> None:
    for name, shape in sorted(found.items()):
        place = places.get(name)
        if place is None or len(shape) != 2 or any(wanted not in (0, size) for size, wanted in zip(shape, place, strict=True)):
            raise InputError(
                f"{path}: {name} has shape {tuple(shape)}, and the graph has {place or 'no such place'}", hint="export the adapter again"
            )
        other = found.get(name.replace(".lora_A.", ".lora_B.") if ".lora_A." in name else name.replace(".lora_B.", ".lora_A."))
        if other is None or (shape[1] != other[0] if ".lora_A." in name else shape[0] != other[1]):
            raise InputError(f"{path}: {name} has no other half of its rank", hint="export the adapter again")


def open_onnx_adapters(folder: Path) -> GenaiRunner:
    """The export in `folder` with its adapter active."""
    return GenaiRunner(folder / BASE, put_on=lambda model: load_adapters(model, folder / BASE, {ADAPTER: folder / ADAPTER}), active=ADAPTER)


def _stamp(graph: str) -> int:
    return int(graph[: _STAMP_BITS // 4], 16)


def _write_adapter(path: Path, factors: Factors, graph: Path, digest: str) -> None:
    """The matrices as the graph multiplies them: A (in, rank), B (rank, out), float32. `digest` is that of folder `graph`."""
    import onnxruntime

    places = read_places(graph)
    parameters = {}
    for module, (a, b) in sorted(factors.items()):
        if input_name(module, "A") not in places:
            raise InputError(
                f"the ONNX graph of the base has no layer {module}, which the adapter changes", hint="export it with format onnx instead"
            )
        for side, matrix in (("A", a), ("B", b)):
            parameters[input_name(module, side)] = onnxruntime.OrtValue.ortvalue_from_numpy(matrix.t().contiguous().numpy())
    made = onnxruntime.AdapterFormat()
    made.set_adapter_version(1)
    made.set_model_version(_stamp(digest))
    made.set_parameters(parameters)
    made.export_adapter(str(path))
