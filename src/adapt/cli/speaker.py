"""Base and adapters in transformers, for `adapt serve --engine transformers`: one model in memory, its adapters switched by request."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Any

from adapt.cli.encoder import Encoder
from adapt.serving.local import Wish
from adapt.serving.options import BASE_NAME
from adapt.serving.plugin.store import Store


class TransformersSpeaker:
    """A `Speaker`. Loads the base when it is made, and a verified version when it is first asked for."""

    def __init__(self, base: Path, encoder: Encoder, store: Store, *, dtype: str) -> None:
        from adapt.base.load import load_model, resolve_device

        self._store, self._encoder = store, encoder
        self._model: Any = load_model(base, dtype=dtype, device=resolve_device("auto"))
        self._model.train(False)
        self._versions: list[str] = []

    def encode(self, prompt: str | list[dict[str, str]]) -> list[int]:
        """As `Encoder.encode`."""
        return self._encoder.encode(prompt)

    def decode(self, ids: list[int]) -> str:
        """As `Encoder.decode`."""
        return self._encoder.decode(ids)

    def speak(self, model: str, ids: list[int], wish: Wish) -> Iterator[tuple[str, int]]:
        """Pieces of the answer, from a thread of its own, with the tokens so far; the thread ends at the next token when this is closed."""
        if model != BASE_NAME:
            self._load(model)
        pieces: Queue[Any] = Queue()
        stop = Event()
        writer = Thread(target=self._write, args=(model, ids, wish, pieces, stop), daemon=True)
        writer.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            stop.set()
            writer.join()  # the next answer switches adapters

    def loaded(self) -> list[str]:
        """The base and the versions in memory."""
        return [BASE_NAME, *self._versions]

    def unload(self, version: str) -> None:
        """Take a version out of memory; the last one stays, since peft keeps at least one."""
        if version in self._versions and len(self._versions) > 1:
            self._model.delete_adapter(version.replace("@", "_"))
            self._versions.remove(version)

    def _load(self, version: str) -> None:
        if version in self._versions:
            return
        from peft import PeftModel

        from adapt.adapter.methods.coverage import own_names

        folder, name = str(self._store.load(version)), version.replace("@", "_")
        with own_names():
            if self._versions:
                self._model.load_adapter(folder, adapter_name=name)
            else:
                self._model = PeftModel.from_pretrained(self._model, folder, adapter_name=name).eval()
        self._versions.append(version)

    def _write(self, model: str, ids: list[int], wish: Wish, pieces: "Queue[Any]", stop: Event) -> None:
        """Put pieces into the queue, then None; an error instead of a piece where there is one."""
        import torch
        from transformers import StoppingCriteriaList

        sampling = {"temperature": wish.temperature, "top_p": wish.top_p} if wish.temperature > 0 else {}
        try:
            if model != BASE_NAME:
                self._model.set_adapter(model.replace("@", "_"))
            off = self._model.disable_adapter() if model == BASE_NAME and self._versions else nullcontext()
            inputs = torch.tensor([ids], device=self._model.device)
            with torch.no_grad(), off:
                self._model.generate(
                    input_ids=inputs,
                    attention_mask=torch.ones_like(inputs),
                    max_new_tokens=wish.max_tokens,
                    do_sample=wish.temperature > 0,
                    eos_token_id=list(self._encoder.end_ids),
                    pad_token_id=self._encoder.end_ids[0],
                    streamer=_streamer(self._encoder.tokenizer, pieces),
                    stopping_criteria=StoppingCriteriaList([lambda *_, **__: stop.is_set()]),
                    **sampling,
                )
        except Exception as error:  # goes to who waits for the answer, who would wait for ever otherwise
            pieces.put(error)
        pieces.put(None)


def _streamer(tokenizer: Any, pieces: "Queue[Any]") -> Any:
    """Passes on text as soon as it is settled, with the number of tokens so far."""
    from transformers import TextStreamer

    class Pieces(TextStreamer):
        tokens = 0

        def put(self, value: Any) -> None:
            if not self.next_tokens_are_prompt:
                self.tokens += value.numel()
            super().put(value)  # type: ignore[no-untyped-call]

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            pieces.put((text, self.tokens))

    return Pieces(tokenizer, skip_prompt=True, skip_special_tokens=True)
