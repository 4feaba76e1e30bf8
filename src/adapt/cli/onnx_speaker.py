"""Base and adapters in onnxruntime-genai, for `adapt serve --engine onnxruntime`: one graph in memory, its adapters switched by request."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapt.artifact.cached import fill_once
from adapt.artifact.digest import digest_text
from adapt.artifact.progress import Progress
from adapt.cli.encoder import Encoder
from adapt.errors import InputError
from adapt.export.onnx import Precision
from adapt.serving.local import Wish
from adapt.serving.options import BASE_NAME
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import Store

_FORM = "1"
"""Raise it when `write_graph` writes another graph."""


def cached_graph(base: Path, digest: str, *, precision: Precision, cache: Path, progress: Progress) -> Path:
    """The folder of the base's graph, which is made once. `digest` is the base's. Raises InputError for an architecture without a builder."""
    from importlib.metadata import version

    from adapt.export.onnx_adapters import write_graph

    def fill(folder: Path) -> None:
        for remains in folder.iterdir():  # of a start that was killed
            remains.unlink()
        with TemporaryDirectory(prefix="adapt-onnx-") as work:
            write_graph(base, folder, precision=precision, work=Path(work), progress=progress)

    folder = cache / "onnx" / digest_text(digest, precision, version("onnxruntime-genai"), _FORM)
    fill_once(folder, fill, label=f"preparing the base for onnxruntime ({precision})", progress=progress)
    return folder


class OnnxSpeaker:
    """A `Speaker`. Loads the graph in folder `graph` when it is made, and a verified version when it is first asked for."""

    def __init__(self, base: Path, graph: Path, encoder: Encoder, store: Store) -> None:
        import onnxruntime_genai as genai

        self._base, self._graph, self._encoder, self._store = base, graph, encoder, store
        self._model = genai.Model(str(graph))
        self._adapters = genai.Adapters(self._model)
        self._folder = TemporaryDirectory(prefix="adapt-onnx-")
        self._versions: list[str] = []

    def encode(self, prompt: str | list[dict[str, str]]) -> list[int]:
        """As `Encoder.encode`."""
        return self._encoder.encode(prompt)

    def decode(self, ids: list[int]) -> str:
        """As `Encoder.decode`."""
        return self._encoder.decode(ids)

    def speak(self, model: str, ids: list[int], wish: Wish) -> Iterator[tuple[str, int]]:
        """Pieces of the answer as soon as they are settled, with the tokens so far."""
        from tokenizers.decoders import DecodeStream

        generator = self._generator(model, ids, wish)
        tokenizer, stream = self._encoder.tokenizer, DecodeStream(skip_special_tokens=True)
        tokens: list[int] = []
        told = ""
        while not generator.is_done() and len(tokens) < wish.max_tokens:
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
            if tokens[-1] in self._encoder.end_ids:
                break
            if piece := stream.step(tokenizer.backend_tokenizer, tokens[-1]):
                told += piece
                yield piece, len(tokens)
        yield str(tokenizer.decode(tokens, skip_special_tokens=True))[len(told) :], len(tokens)  # bytes that never became a character

    def loaded(self) -> list[str]:
        """The base and the versions in memory."""
        return [BASE_NAME, *self._versions]

    def unload(self, version: str) -> None:
        """Take a version out of memory."""
        if version in self._versions:
            self._adapters.unload(version)
            self._versions.remove(version)

    def _generator(self, model: str, ids: list[int], wish: Wish) -> Any:
        import numpy as np
        import onnxruntime_genai as genai

        parameters = genai.GeneratorParams(self._model)
        sampling = {"temperature": wish.temperature, "top_p": wish.top_p, "top_k": 0} if wish.temperature > 0 else {}
        parameters.set_search_options(max_length=len(ids) + wish.max_tokens, do_sample=wish.temperature > 0, **sampling)
        generator = genai.Generator(self._model, parameters)
        if model != BASE_NAME:
            self._load(model)
            generator.set_active_adapter(self._adapters, model)
        generator.append_tokens(np.array(ids, dtype=np.int32))
        return generator

    def _load(self, version: str) -> None:
        from adapt.export.onnx_adapters import write_adapter

        if version in self._versions:
            return
        path = Path(self._folder.name) / f"{version}.onnx_adapter"
        try:
            write_adapter(path, self._store.load(version), self._base, self._graph)
        except InputError as error:
            raise RefusedError(str(error)) from None
        self._adapters.load(str(path), version)
        path.unlink()
        self._versions.append(version)
