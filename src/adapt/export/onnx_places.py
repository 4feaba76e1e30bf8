"""Opens places for A and B of an adapter at every linear layer of an onnxruntime-genai graph.

Enters: the folder of a graph whose queries, keys and values are products of their own. Leaves: the same folder, each product y = x W having become
y = x W + (x A) B, where A (in, rank) and B (rank, out) are inputs of the graph that are empty, of rank 0, unless an adapter is active.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapt.export.canonical import BaseShapes

GRAPH = "model.onnx"
_PRODUCT = re.compile(r"/model/layers\.(?P<layer>\d+)/(?P<part>attn|mlp)/(?P<name>\w+)/MatMul/output_0")
_PARTS = {"attn": "self_attn", "mlp": "mlp"}
"""What the builder calls the parts of a layer, and what transformers does."""


def input_name(module: str, side: str) -> str:
    """Name of the graph's input for a matrix of an adapter; `side` is A or B."""
    return f"{module}.lora_{side}.weight"


def open_places(folder: Path, shapes: BaseShapes) -> None:
    """Rewrite the graph in `folder` of the base whose `shapes` these are."""
    import onnx

    model = onnx.load(str(folder / GRAPH), load_external_data=False)
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        module = _module(node)
        shape = shapes.of(module) if module else None
        if module and shape:
            nodes += _beside(node, module)
            _add_inputs(model.graph, module, shape)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save_model(model, str(folder / GRAPH))  # tensors stay in the file beside it, which the graph names


def read_places(folder: Path) -> dict[str, tuple[int, int]]:
    """Inputs for adapters of the graph in `folder`, with their shapes, where 0 stands for the rank."""
    import onnx

    graph = onnx.load(str(folder / GRAPH), load_external_data=False).graph
    found = {}
    for value in graph.input:
        if ".lora_" in value.name:
            rows, columns = value.type.tensor_type.shape.dim
            found[value.name] = (rows.dim_value, columns.dim_value)
    return found


def _module(node: Any) -> str | None:
    """The base's name of the layer whose product the node is."""
    found = _PRODUCT.fullmatch(node.output[0]) if node.output and node.op_type.startswith("MatMul") else None
    return f"model.layers.{found['layer']}.{_PARTS[found['part']]}.{found['name']}" if found else None


def _beside(node: Any, module: str) -> Iterator[Any]:
    """The nodes of the update; the sum takes over the name of the node's output, and with it everything that reads it."""
    import onnx

    whole, prefix = node.output[0], node.name
    node.output[0] = f"{prefix}/base"
    low, update = f"{prefix}/lora_A/output_0", f"{prefix}/lora_B/output_0"
    yield onnx.helper.make_node("MatMul", [node.input[0], input_name(module, "A")], [low], name=f"{prefix}/lora_A")
    yield onnx.helper.make_node("MatMul", [low, input_name(module, "B")], [update], name=f"{prefix}/lora_B")
    yield onnx.helper.make_node("Add", [f"{prefix}/base", update], [whole], name=f"{prefix}/lora_Add")


def _add_inputs(graph: Any, module: str, shape: tuple[int, ...]) -> None:
    from onnx import TensorProto, helper

    (rows, columns), rank = shape, f"{module}.rank"  # a name for each: onnxruntime takes sizes of one name for equal, and reuses memory by them
    sides: tuple[tuple[str, list[str | int | None], list[int]], ...] = (("A", [columns, rank], [columns, 0]), ("B", [rank, rows], [0, rows]))
    for side, dims, empty in sides:
        name = input_name(module, side)
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, empty, b"", raw=True))
