"""Token ids of what a client of the local server sends: the same as in training."""

from pathlib import Path


class Encoder:
    """Base's tokenizer and the template of a rendered configuration."""

    def __init__(self, base: Path, configuration: Path) -> None:
        from adapt.adapter.prompt import Prompt
        from adapt.base.load import load_tokenizer

        self.tokenizer = load_tokenizer(base)
        template = configuration / "chat_template.jinja"
        text = template.read_text(encoding="utf-8") if template.is_file() else str(self.tokenizer.chat_template)
        self._prompt = Prompt(text, self.tokenizer)
        self.end_ids = self._prompt.end_ids
        """Tokens that end an answer."""

    def encode(self, prompt: str | list[dict[str, str]]) -> list[int]:
        """Token ids. Raises ValueError for a conversation that the template does not take."""
        from pydantic import ValidationError

        from adapt.records import Message

        if isinstance(prompt, str):
            return list(self.tokenizer(prompt).input_ids)
        try:
            turns = tuple(Message(role=turn["role"], content=turn["content"]) for turn in prompt)
        except (ValidationError, TypeError, KeyError):
            raise ValueError("messages must be a list of objects with role (system, user or assistant) and content (text)") from None
        return list(self._prompt.encode_question(turns))

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special tokens included. Raises ValueError for ids that the vocabulary does not have."""
        unknown = [number for number in ids if number >= len(self.tokenizer)]
        if unknown:
            raise ValueError(f"token {unknown[0]} is not in the vocabulary, which has {len(self.tokenizer)}")
        return str(self.tokenizer.decode(ids))
