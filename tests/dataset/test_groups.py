"""Groups of records against components that are walked edge by edge."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.dataset.dedup.overlap import Pairs
from adapt.dataset.groups import Groups, group_records

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=16)


def walk_components(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """The smallest member of each record's component."""
    smallest = list(range(count))
    for _ in range(count):
        for one, other in edges:
            smallest[one] = smallest[other] = min(smallest[one], smallest[other])
    return smallest


def numbers(values: list[int]) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.array(values, dtype=np.int64)


@settings(max_examples=200, deadline=None)
@given(st.lists(EDGES, max_size=4))
def test_joined_pairs_make_connected_components(portions: list[list[tuple[int, int]]]) -> None:
    groups = Groups(15)
    for edges in portions:
        groups.join(Pairs(numbers([one for one, _ in edges]), numbers([other for _, other in edges])))
    assert groups.labels.tolist() == walk_components(15, [edge for edges in portions for edge in edges])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=1, max_size=15))
def test_records_of_one_document_or_question_share_a_group(drawn: list[tuple[int, int, bool]]) -> None:
    kept = [number for number, (_, _, stays) in enumerate(drawn) if stays]
    documents = numbers([document for document, _, _ in drawn])
    questions = np.array([[question, 0] for _, question, _ in drawn], dtype=np.uint64)  # zeros: no question
    edges = [
        (one, other) for one in kept for other in kept if drawn[one][0] == drawn[other][0] or (drawn[one][1] == drawn[other][1] and drawn[one][1])
    ]
    assert group_records(numbers(kept), documents, questions).labels.tolist() == walk_components(len(drawn), edges)
