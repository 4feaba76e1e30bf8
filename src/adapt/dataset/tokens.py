"""Counts tokens with the base model's tokenizer, read from `tokenizer.json` by the `tokenizers` library alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.errors import InputError
from adapt.records import AlpacaRecord

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The tokenizer in `folder`, with any truncation and padding off. Raises InputError when it is missing or unreadable."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{folder} has no tokenizer.json", hint="the base model must carry a fast tokenizer; lengths are counted with it")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path} is not a tokenizer that can be read: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def count_tokens(tokenizer: "Tokenizer", records: Sequence[AlpacaRecord]) -> list[int]:
    """Tokens of each record: of all its conversation's texts, without the marks that a template adds."""
    texts = [[message.content for message in record.messages] for record in records]
    lengths = iter([len(found.ids) for found in tokenizer.encode_batch_fast([text for turns in texts for text in turns], add_special_tokens=False)])
    return [sum(next(lengths) for _ in turns) for turns in texts]
