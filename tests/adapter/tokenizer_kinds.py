"""Tokenizers of the kinds that models bring, trained in code on a few sentences."""

from collections.abc import Callable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
TEXTS = (
    "A bond is a loan that an investor makes to a company.\nThe issuer pays interest 12345 times, and returns the money at the end.",
    "user system assistant Instruction Response INST question answer What is a share? A part of a company.\n\n",
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n",
    "什么是债券？债券是公司或政府向投资者借款的凭证。",
    " two words,  double  spaces\n",
)
LETTERS = sorted(
    {letter for text in TEXTS for letter in text} | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;?!#<>|_[]/ \n")
)


def _bpe(pre: Any, decoder: Any, *, bytes_: bool = True, normalizer: Any = None, fallback: bool = False, size: int = 600) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=None if bytes_ else "<unk>", byte_fallback=fallback, fuse_unk=fallback))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if bytes_ else [*LETTERS, "▁"]
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))] if fallback else list(SPECIAL)
    trainer = trainers.BpeTrainer(vocab_size=size + 256 * fallback, special_tokens=tokens, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _metaspace(scheme: str) -> Tokenizer:
    return _bpe(
        pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False),
        decoders.Sequence([decoders.Metaspace(prepend_scheme=scheme, split=False), decoders.Fuse()]),
        bytes_=False,
    )


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=list(SPECIAL), unk_token="<unk>", initial_alphabet=LETTERS, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _prepending() -> Tokenizer:
    """As Llama-2 and Gemma-like models have it: a normalizer instead of a pre-tokenizer, and bytes for what is not known."""
    return _bpe(
        None,
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        bytes_=False,
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        fallback=True,
    )


def _split_digits() -> Tokenizer:
    pattern = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return _bpe(pre, decoders.ByteLevel())


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=list(SPECIAL), initial_alphabet=LETTERS, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=list(SPECIAL), show_progress=False))
    return tokenizer


def _letters() -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte-level": lambda: _bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()),
    "byte-level with a space": lambda: _bpe(pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()),
    "metaspace always": lambda: _metaspace("always"),
    "metaspace first": lambda: _metaspace("first"),
    "metaspace never": lambda: _metaspace("never"),
    "unigram": _unigram,
    "wordpiece": _wordpiece,
    "prepend and bytes": _prepending,
    "split digits": _split_digits,
    "words": _words,
    "letters": _letters,
}
EXACT = set(KINDS) - {"wordpiece", "words"}
"""Those whose decoded text is the encoded one."""


def make(kind: str, *, bos: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind; with `bos`, one that puts <s> before texts by itself."""
    tokenizer = KINDS[kind]()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        clean_up_tokenization_spaces=False,
    )
