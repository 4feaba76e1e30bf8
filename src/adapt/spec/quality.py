"""Section `dataset.quality`: bounds on what the corpus stage measured of each document. A changed bound reads no raw file again."""

from typing import Literal

from pydantic import Field

from adapt.spec.section import Section

DocumentKind = Literal["text", "question", "chat", "preference"]


class Quality(Section):
    """Each bound is null (off) or a number; `min_x` and `max_x` hold for the signal `x`. Sources: Gopher (Rae et al. 2021), C4 (Raffel et al. 2020),
    FineWeb (Penedo et al. 2024), with counterparts for text without spaces."""

    kinds: tuple[DocumentKind, ...] = ("text",)
    """Kinds of documents that the bounds hold for; most of them were made for running text, and short answers break them without fault."""
    min_language_confidence: float | None = Field(default=None, ge=0, le=1)
    """Least confidence of the language identification."""
    min_words: float | None = Field(default=None, ge=0)
    """Fewest words; two characters of a script without spaces make one. Gopher: 50."""
    max_words: float | None = Field(default=None, ge=1)
    """Most words. Gopher: 100000."""
    min_mean_word_length: float | None = Field(default=None, ge=0)
    """Least mean length of spaced words, in characters. Gopher: 3."""
    max_mean_word_length: float | None = Field(default=15, ge=1)
    """Greatest mean length of spaced words. Gopher: 10; code and chemistry have longer ones."""
    max_symbols_per_word: float | None = Field(default=0.1, ge=0)
    """Most `#` and ellipses for each word. Gopher."""
    min_alphabetic_words: float | None = Field(default=0.5, ge=0, le=1)
    """Least share of words with a letter; of text without spaces, of characters that are letters. Gopher: 0.8, which tables and sums break."""
    min_stop_words: int | None = Field(default=None, ge=0)
    """Fewest different stop words, of English or Chinese. Gopher: 2."""
    max_bullet_lines: float | None = Field(default=None, ge=0, le=1)
    """Most lines that are list items, as a share. Gopher: 0.9."""
    max_ellipsis_lines: float | None = Field(default=0.3, ge=0, le=1)
    """Most lines that end in an ellipsis, as a share. Gopher."""
    min_punctuated_lines: float | None = Field(default=None, ge=0, le=1)
    """Least share of lines that end as sentences do. FineWeb: 0.12."""
    max_short_lines: float | None = Field(default=None, ge=0, le=1)
    """Most lines under 30 characters (15 without spaces), as a share. FineWeb: 0.67."""
    max_duplicate_lines: float | None = Field(default=None, ge=0, le=1)
    """Most lines that repeat an earlier one, as a share. Gopher: 0.3, which pages of one form break whose labels repeat, such as recipes."""
    max_duplicate_line_characters: float | None = Field(default=0.2, ge=0, le=1)
    """Most characters in such lines, as a share. Gopher; FineWeb: 0.1."""
    max_duplicate_paragraphs: float | None = Field(default=0.3, ge=0, le=1)
    """Most paragraphs that repeat an earlier one, as a share. Gopher."""
    max_top_2gram: float | None = Field(default=0.2, ge=0, le=1)
    """Most characters in the commonest pair of words, as a share; of text without spaces, pairs of two characters. Gopher."""
    max_top_3gram: float | None = Field(default=0.18, ge=0, le=1)
    """The same of three. Gopher."""
    max_top_4gram: float | None = Field(default=0.16, ge=0, le=1)
    """The same of four. Gopher."""
    max_duplicate_5gram: float | None = Field(default=None, ge=0, le=1)
    """Most characters in runs of five words that occur more than once, as a share. Gopher: 0.15."""
    max_duplicate_10gram: float | None = Field(default=None, ge=0, le=1)
    """The same of ten. Gopher: 0.10."""
    max_curly_braces: float | None = Field(default=None, ge=0)
    """Most curly braces for each 1000 characters. C4 drops every page with one."""
    max_placeholders: int | None = Field(default=0, ge=0)
    """Most placeholders such as `lorem ipsum`. C4."""
    max_replacement_characters: float | None = Field(default=0.01, ge=0, le=1)
    """Most characters lost to a wrong encoding (U+FFFD), as a share."""

    @property
    def bounds(self) -> tuple[str, ...]:
        """Names of the bounds that hold for some kind of document and look at what the measuring of quality gives."""
        if not self.kinds:
            return ()
        others = ("kinds", "min_language_confidence")
        return tuple(name for name in type(self).model_fields if name not in others and getattr(self, name) is not None)
