"""What a server offers, which an adapter must have been trained on: base, tokenizer, template, limits. Read from server.json, beside serve.yaml."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .numbers import choose_formats, unproved_reason
from .refusal import RefusedError

_BLOCK = 1 << 20
_OF_BASE = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
)


def base_files(folder: Path) -> dict[str, Path]:
    """What a server reads of a base model's folder, by name: weights, their index, configuration, tokenizer."""
    return {path.name: path for path in sorted({path for pattern in _OF_BASE for path in folder.glob(pattern)})}


@dataclass(frozen=True)
class Server:
    """Contents of server.json; `folder` is where it lies."""

    folder: Path
    facts: dict[str, Any]
    reads_base: bool
    formats: tuple[str, ...]
    """Number formats that it may compute in."""

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        reads_base: bool = True,
        slots: Path | None = None,
        supported: Sequence[str] = (),
    ) -> "Server":
        """The facts in `folder`; raises OSError or ValueError, for the server must not start without them.

        `slots` is the file of what live versions need beyond them; start.sh gives the server the same.
        `supported` are the number formats of the device, the preferred one first, where they are known.

        `reads_base`: hold the base model's files against them too, which takes as long as reading the files once. The server does; a command that
        only moves a name leaves that to it.
        """
        facts = json.loads((folder / "server.json").read_bytes())
        if slots is not None and slots.is_file():
            rank = int(json.loads(slots.read_bytes())["max_lora_rank"])
            facts["max_lora_rank"] = max(facts["max_lora_rank"], rank)
        formats = choose_formats(facts.get("dtype", "auto"), facts.get("base_dtype"), supported)
        return cls(folder, facts, reads_base, formats)

    @property
    def base_name(self) -> str:
        """What requests call the base model."""
        return str(self.facts["base"]["name"])

    @property
    def max_body_bytes(self) -> int:
        """Longest request."""
        return int(self.facts["max_body_bytes"])

    @property
    def max_choices(self) -> int:
        """Answers that one request may ask for."""
        return int(self.facts["max_choices"])

    @property
    def modules(self) -> dict[str, list[int]] | None:
        """Shape of each linear module of the base; None when its files were not at hand."""
        modules: dict[str, list[int]] | None = self.facts["modules"]
        return modules

    def check(self, about: dict[str, Any], *, name: str) -> None:
        """Raise RefusedError when an adapter is for another name, base, tokenizer or template, or the base on disk is another than the facts say."""
        if about.get("name") != name:
            raise RefusedError("it was signed under another name")
        theirs, ours = about.get("base") or {}, self.facts["base"]
        if (theirs.get("digest"), theirs.get("revision")) != (ours["digest"], ours["revision"]):
            raise RefusedError("it was trained on another base model than the one served")
        for part in ("tokenizer", "template"):
            if about.get(part) != self.facts[part]:
                raise RefusedError(f"it was trained with another {part} than the one served")
        if reason := unproved_reason(about.get("numbers"), self.formats):
            raise RefusedError(reason)
        if self.reads_base and self.base_has_changed:
            raise RefusedError("the base model on disk is not the one that the server was configured for")

    def against_rank(self, config: dict[str, Any]) -> str | None:
        """Why the server's slots do not hold an adapter of this rank."""
        try:
            rank = max(int(value) for value in (config["r"], *(config.get("rank_pattern") or {}).values()))
        except (KeyError, TypeError, ValueError, AttributeError):
            return "its configuration names no rank"
        limit = int(self.facts["max_lora_rank"])
        return f"its rank is {rank}, and the server's slots hold {limit}" if rank > limit else None

    @cached_property
    def base_has_changed(self) -> bool:
        """Whether the base model's files differ from those that were there when the configuration was made, one more included; read once."""
        files: dict[str, str] = self.facts["base"]["files"]
        if not files:  # a model from the hub: its commit stands for them
            return False
        found = base_files(self.folder / str(self.facts["base"]["model"]))
        return found.keys() != files.keys() or any(_digest(found[name]) != digest for name, digest in files.items())

    @property
    def live_template(self) -> str | None:
        """Digest of the chat template that lies beside server.json."""
        path = self.folder / "chat_template.jinja"
        return _digest(path) if path.is_file() else None


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()
