"""The records that are kept divided among the splits, group by group."""

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.report import SplitCounts
from adapt.dataset.split import SPLITS, Group, SplitName, assign_splits
from adapt.dataset.table import UNDATED
from adapt.spec.dataset import Split

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Partition:
    """Every kept record with its group and its split."""

    members: Numbers
    """Numbers of the kept records, by ascending id."""
    groups: Numbers
    """Group of each member."""
    splits: Numbers
    """Split of each member, by its place in SPLITS."""
    documents: Numbers
    """Document of each member."""
    tokens: Numbers
    """Tokens of each member."""

    def records(self, split: SplitName) -> Numbers:
        """Numbers of a split's records, by ascending id."""
        return np.asarray(self.members[self.splits == SPLITS.index(split)])

    def without(self, dropped: Numbers) -> Self:
        """The same without some records."""
        kept = ~np.isin(self.members, dropped)
        return replace(self, **{name: getattr(self, name)[kept] for name in ("members", "groups", "splits", "documents", "tokens")})

    def counts(self, split: SplitName) -> SplitCounts:
        """What a split holds."""
        inside = self.splits == SPLITS.index(split)
        return SplitCounts(
            records=int(inside.sum()),
            tokens=int(self.tokens[inside].sum()),
            documents=len(np.unique(self.documents[inside])),
            groups=len(np.unique(self.groups[inside])),
        )

    def shares(self, names: "pa.ChunkedArray") -> dict[str, dict[str, int]]:
        """Records of every split by name, where `names` has one for each member; names ascending."""
        found, codes = encode(names)
        counts = np.bincount(codes * len(SPLITS) + self.splits, minlength=len(found) * len(SPLITS)).reshape(-1, len(SPLITS))
        return {name: dict(zip(SPLITS, count, strict=True)) for name, count in zip(found, counts.tolist(), strict=True)}


def partition(facts: "Facts", labels: Numbers, shares: Split, seed: int) -> Partition:
    """Divide records of which `facts` are known; those of equal label stay together.

    Raises InputError for fewer than three groups, and for too few dates in a split by time.
    """
    members = facts.members
    _, first, groups = np.unique(labels[members], return_index=True, return_inverse=True)
    sizes = np.bincount(groups, minlength=len(first)).tolist()
    smallest = facts.ids.take(first).to_pylist()
    strata = _common_strata(facts.strata, groups, len(first))
    newest = np.full(len(first), UNDATED, dtype=np.int64)
    np.maximum.at(newest, groups, facts.dates)
    described = [
        Group(id, size, stratum, None if date == UNDATED else date)
        for id, size, stratum, date in zip(smallest, sizes, strata, newest.tolist(), strict=True)
    ]
    assigned = assign_splits(described, shares, seed)
    splits = np.array([SPLITS.index(name) for name in assigned], dtype=np.int64)[groups]
    return Partition(members, groups, splits, facts.documents, facts.tokens)


def warn_of_shares(parts: Partition, shares: Split) -> None:
    """Warn where whole groups leave a held-out split with less than half, or more than one and a half times, of its share.

    One record more or less is no reason: small data sets have no finer shares.
    """
    records = len(parts.members)
    wanted: dict[SplitName, float] = {"validation": shares.validation, "test": shares.test}
    for split, share in wanted.items():
        count = len(parts.records(split))
        if abs(count - share * records) > max(1, share * records / 2):
            _, sizes = np.unique(parts.groups, return_counts=True)
            log.warning(
                "dataset.split.%s: %s of %s records (%.1f%%), where the spec asks for %.1f%%: the records form %s groups "
                "that must stay whole, the largest of %s records; add sources, or divide long files into several",
                split, f"{count:,}", f"{records:,}", 100 * count / records, 100 * share, f"{len(sizes):,}", f"{sizes.max():,}",
            )  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a split looks at, one value for each record that is kept."""

    members: Numbers
    """Numbers of the records, by ascending id."""
    ids: "pa.ChunkedArray"
    strata: "pa.ChunkedArray | None"
    """Language or label, when splits have them in the same shares."""
    dates: Numbers
    """Seconds of UTC, or UNDATED."""
    documents: Numbers
    """A number for each document."""
    tokens: Numbers


def encode(names: "pa.ChunkedArray") -> tuple[list[str], Numbers]:
    """The different names, ascending, and the place of each name among them."""
    encoded: Any = names.combine_chunks().dictionary_encode()
    found = encoded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    places = np.empty(len(found), dtype=np.int64)
    places[order] = np.arange(len(found))
    return [found[place] for place in order], places[encoded.indices.to_numpy()]


def _common_strata(names: "pa.ChunkedArray | None", groups: Numbers, count: int) -> list[str]:
    """The stratum that most records of each group have; of equally common ones the first by name."""
    if names is None:
        return [""] * count
    found, codes = encode(names)
    pairs, times = np.unique(groups * len(found) + codes, return_counts=True)
    group, code = np.divmod(pairs, len(found))
    order = np.lexsort((-code, times, group))  # in each group the commonest last
    last = np.append(group[order][1:] != group[order][:-1], True)
    return [found[number] for number in code[order][last].tolist()]
