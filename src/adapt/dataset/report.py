"""The figures of a dataset build: what came in, what went and why, what each split holds, how training was mixed, and that nothing leaks."""

from adapt.artifact.losses import Loss
from adapt.dataset.characters import DocumentLosses
from adapt.dataset.mixing import Share
from adapt.dataset.rules import Rule
from adapt.records import Shape
from adapt.spec.dataset import Form


class SplitCounts(Shape):
    """What one split holds: different records, before mixing repeats or leaves out any."""

    records: int
    tokens: int
    documents: int
    groups: int


class Bin(Shape):
    """Records whose tokens lie in [from_tokens, below_tokens)."""

    from_tokens: int
    below_tokens: int
    records: int


class Families(Shape):
    """Families of duplicates: a record that stays, with those that went because of it."""

    records: int
    """Records in the family, the kept one included."""
    families: int
    """How many families are of that size."""


class Leakage(Shape):
    """What crosses from one split to another; all are 0, or there is no dataset. Written to leakage.json."""

    threshold: float
    """Jaccard similarity from which two records of different splits would count."""
    shingle_words: int
    shingle_characters: int
    compared: dict[str, int]
    """Records of each split that were searched, augmented copies included. Every pair is searched for, none is sampled."""
    near_duplicate_pairs: int
    documents: int
    questions: int
    inputs: int
    """Materials that questions of several splits bring; these may cross where the spec divides them."""
    inputs_kept: bool
    """Whether the spec keeps the questions on one material in one split."""
    groups: int | None
    """Values of `fields.group` in several splits; None when splits go by something else."""

    @property
    def total(self) -> int:
        """Everything that crosses."""
        return self.near_duplicate_pairs + self.documents + self.questions + (self.groups or 0) + (self.inputs if self.inputs_kept else 0)


class Contradictions(Shape):
    """Records that answer or label one question differently; each family is a line of contradictions.jsonl."""

    answers: int
    """Questions with several answers."""
    labels: int
    """Records whose copies bear other labels."""
    records: int
    """Records concerned, copies included."""


class Characters(Shape):
    """Letters and digits of the documents: `shared`, `parts`, `dropped`, `cut` and `kept` together. Records that were synthesised have none."""

    documents: int
    shared: int
    """In no record of their own: headings, system messages, turns before an answer."""
    parts: dict[str, int]
    """In parts that made no record, by rule."""
    dropped: dict[str, int]
    """In records that a rule dropped, by rule."""
    cut: int
    """Out of records that stay, as repeated passages."""
    kept: int


class References(Shape):
    """Reference text, such as a passage or a table that questions bring, that no search for evaluation texts looked at."""

    records: int
    """Records whose input was not searched for texts of the declared sets."""
    texts: int
    """Texts of the declared sets that were not searched for."""
    test_records: int
    """Records of the test split whose input was not searched for."""
    other_records: int
    """Records of other splits whose input was not searched for texts of the test split."""


class Synthesised(Shape):
    """What the teacher made of documents."""

    records: int
    """Records made, before any rule."""
    quarantined: dict[str, int]
    """Answers that were not used, by rule."""


class Augmented(Shape):
    """Changed copies of training records."""

    records: dict[str, int]
    """Copies that train, by method."""
    dropped: dict[str, int]
    """Copies that were too short or too long, or came too near to a held-out record, by rule."""
    tokens: int
    """Tokens of the copies that train."""


class DatasetReport(Shape):
    """Written to report.json, and shown by the command line."""

    form: Form
    documents: int
    documents_without_record: int
    parts: dict[str, int]
    """Parts of documents that made no record, by rule."""
    divided: int
    """Sections of running text that were too long for one record, and became several."""
    candidates: int
    """Records that were made, by formatters and by synthesis: those dropped and those in the splits together."""
    rules: tuple[Rule, ...]
    """What each rule asks, in their order."""
    dropped: dict[str, int]
    """Records by the first rule that they broke, in the order of the rules."""
    losses: tuple[Loss, ...]
    """Sources of which one rule took a quarter or more of the records, largest first; at most `adapt.artifact.losses.MOST_LOSSES`."""
    losses_beyond: int
    """Such losses that are not listed."""
    characters: Characters
    document_losses: tuple[DocumentLosses, ...]
    """Documents of running text of which one rule took a third or more of the characters, by rule."""
    edited: dict[str, int]
    """Rows of the ledger for records that were changed, by rule."""
    records: int
    """Records in the splits."""
    lines: dict[str, int]
    """Lines of each split's file: mixing repeats and leaves out training records, augmentation adds to them."""
    splits: dict[str, SplitCounts]
    languages: dict[str, dict[str, int]]
    """Records by language and split."""
    sources: dict[str, dict[str, int]]
    """Records by source and split."""
    licences: dict[str, dict[str, int]]
    """Records by licence and split; an empty name is a licence that is not known."""
    tokens: tuple[Bin, ...]
    """Histogram of the records' lengths."""
    duplicates: tuple[Families, ...]
    """Families of duplicates by their size."""
    contamination: dict[str, int]
    """Records dropped for each text of a declared evaluation set that was hit, by its name; each is in the ledger."""
    test_contamination: dict[str, int]
    """The same for records of the test split, by id."""
    contradictions: Contradictions
    """Questions that have several answers or labels."""
    references: References
    """Reference text that the search for evaluation texts passed over, since only questions and answers are judged."""
    mixing: tuple[Share, ...]
    mixing_missing: int
    """Training lines fewer than `mixing.size` asks for, since `cap` and `max_repeats` allow no more."""
    synthesis: Synthesised | None
    augmentation: Augmented | None
    leakage: Leakage | None
    """None before the split."""
