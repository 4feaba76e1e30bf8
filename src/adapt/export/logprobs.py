"""Next-token log-probabilities over the golden positions: of the adapter and its base, kept on disk, and of any torch model.

One prompt's rows are held at a time, so that memory does not grow with the number of prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.artifact.progress import Progress
from adapt.export.golden import Golden

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

    from adapt.adapter.load import LoadedAdapter

_FLOOR = -1e4
"""Stands for minus infinity, which a model may give to tokens that it rules out: differences of it stay numbers."""


def normalised(logits: Tensor, golden: Golden) -> Tensor:
    """Log-probabilities at the golden positions from the logits of `ids`, shape (tokens, vocabulary); computed in float32."""
    import torch

    rows = logits[-golden.positions - 1 : -1].float()
    return torch.log_softmax(rows, dim=-1).clamp_(min=_FLOOR).cpu()


def torch_rows(model: PreTrainedModel | PeftModel, golden: Golden) -> Tensor:
    """The rows of a torch model, on the device where it is: float32 on the CPU, shape (positions, vocabulary)."""
    import torch

    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([golden.ids], device=model.device), use_cache=False).logits[0]
        return normalised(logits, golden)


def write_reference(loaded: LoadedAdapter, goldens: Sequence[Golden], folder: Path, progress: Progress) -> None:
    """Write the rows of the adapter and of its base, one file a prompt."""
    from safetensors.torch import save_file

    folder.mkdir()
    with progress.task("measuring the adapter", len(goldens)) as task:
        for index, golden in enumerate(goldens):
            adapter = torch_rows(loaded.model, golden)
            with loaded.disabled():
                base = torch_rows(loaded.model, golden)
            save_file({"adapter": adapter, "base": base}, rows_file(folder, index))
            task.advance()


def read_reference(folder: Path, index: int) -> tuple[Tensor, Tensor]:
    """The rows of adapter and base on the golden prompt `index`."""
    from safetensors.torch import load_file

    rows = load_file(rows_file(folder, index))
    return rows["adapter"], rows["base"]


def rows_file(folder: Path, index: int) -> Path:
    """Where the rows of the golden prompt `index` are."""
    return folder / f"{index:05}.safetensors"
