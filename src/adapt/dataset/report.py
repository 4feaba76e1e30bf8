"""The figures of a dataset build: what came in, what went and why, what each split holds, and that nothing leaks."""

from adapt.records import Shape

PART_RULES = ("no_heading", "preamble", "empty_section", "no_question", "no_answer")
"""Rules that drop parts of documents before they become records."""
RULES = (*PART_RULES, "too_short", "too_long", "exact_duplicate", "near_duplicate")
"""All rules, in the order in which they apply."""


class SplitCounts(Shape):
    """What one split holds."""

    records: int
    tokens: int
    documents: int
    groups: int


class Bin(Shape):
    """Records whose tokens lie in [from_tokens, below_tokens)."""

    from_tokens: int
    below_tokens: int
    records: int


class Leakage(Shape):
    """What crosses from one split to another; all three are 0, or there is no dataset."""

    near_duplicate_pairs: int
    documents: int
    questions: int

    @property
    def total(self) -> int:
        """Everything that crosses."""
        return self.near_duplicate_pairs + self.documents + self.questions


class DatasetReport(Shape):
    """Written to report.json, and shown by the command line."""

    documents: int
    documents_without_record: int
    candidates: int
    """Records that the formatters made."""
    dropped: dict[str, int]
    """Rows of the ledger by rule: parts of documents first, then records."""
    records: int
    splits: dict[str, SplitCounts]
    languages: dict[str, dict[str, int]]
    """Records by language and split."""
    sources: dict[str, dict[str, int]]
    """Records by source file and split."""
    tokens: tuple[Bin, ...]
    """Histogram of the records' lengths."""
    near_duplicate_threshold: float
    leakage: Leakage
