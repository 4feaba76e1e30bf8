"""Writes the files of an embedding model that nobody loads."""

import json
from pathlib import Path


def write_embedding_model(folder: Path) -> None:
    """A folder as sentence-transformers writes it, with weights of a few bytes."""
    (folder / "1_Pooling").mkdir(parents=True)
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "model.safetensors").write_bytes(b"weights")
