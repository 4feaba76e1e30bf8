"""Which of several duplicates is judged first, and so stays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.rules import matches_licence
from adapt.dataset.table import RecordTable
from adapt.spec.dataset import Licences, Preference


def order_of_preference(table: RecordTable, ranks: NDArray[np.int64], prefer: Sequence[Preference], licences: Licences) -> NDArray[np.int64]:
    """The place of each record among all, best first: by what `prefer` names in turn, then by `ranks` (source, place and id)."""
    if not prefer:
        return ranks
    keys = [_key(table, preference, licences) for preference in prefer]
    order = np.lexsort((ranks, *reversed(keys)))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


def _key(table: RecordTable, preference: Preference, licences: Licences) -> NDArray[np.float64] | NDArray[np.int64]:
    """A number for each record, less being better."""
    if preference == "quality":
        return -table.worth.quality.astype(np.float64)
    if preference == "recency":
        return ~table.worth.dates.astype(np.int64)  # the complement turns the order round, and no date becomes the greatest
    if preference == "length":
        return -table.worth.answers.astype(np.int64)
    names, numbers = table.licences()
    worth = np.array([_rank(name, licences) for name in names], dtype=np.int64)
    return np.asarray(worth[numbers]) if len(names) else numbers


def _rank(licence: str, licences: Licences) -> int:
    """Known before unknown, and known ones in the order of `allow`."""
    allow = licences.allow or ()
    if not licence:
        return len(allow) + 1
    return next((place for place, name in enumerate(allow) if matches_licence(licence, (name,))), len(allow))
