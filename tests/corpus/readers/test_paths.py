import pytest

from adapt.corpus.readers.paths import MISSING, PathError, compile_path, outline, walk

VALUE = {"a": {"b": [1, {"c": "x"}, {"c": "y"}]}, "odd.key": 2, "问": "Q", "rows": [["k", "v"]], 'q"t': 3, "none": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0]", 1),
        ("a.b[-1].c", "y"),
        ("a.b[*].c", ["x", "y"]),
        ("a.b[*]", [1, {"c": "x"}, {"c": "y"}]),
        ('"odd.key"', 2),
        ('"q\\"t"', 3),
        ("问", "Q"),
        ("rows", [["k", "v"]]),
        ("none", None),
        (".", VALUE),
        ("a.b[3]", MISSING),
        ("a.b.c", MISSING),
        ("a[*]", MISSING),
        ("a.b[*].d", MISSING),
        ("nowhere", MISSING),
    ],
)
def test_paths_lead_to_values(path: str, found: object) -> None:
    assert compile_path(path).find(VALUE) == found


@pytest.mark.parametrize("text", ["", "a..b", "a[", "a[x]", "a.", ".a", 'a."b', "a b[*]c", "[*]]"])
def test_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        compile_path(text)


def test_carets_count_the_levels_out() -> None:
    found = [compile_path(text) for text in ("^.a", "^.^.b", "^", "^[0]")]
    assert [(path.up, path.steps) for path in found] == [
        (1, ("a",)),
        (2, ("b",)),
        (1, ()),
        (1, (0,)),
    ]


def test_records_come_with_their_place_and_what_encloses_them() -> None:
    data = {"data": [{"n": 1, "qs": ["a", "b"]}, {"n": 2}, {"n": 3, "qs": ["c"]}]}
    found = list(walk(data, compile_path("data[*].qs[*]").steps))
    assert [(record, inner) for record, _, inner in found] == [("a", "data[0].qs[0]"), ("b", "data[0].qs[1]"), ("c", "data[2].qs[0]")]
    assert [(enclosing[-1]["n"], enclosing[-2] is data) for _, enclosing, _ in found] == [(1, True), (1, True), (3, True)]


def test_outline_shows_paths_that_can_be_written() -> None:
    shown = outline(VALUE)
    assert shown == 'a.b, "odd.key", 问, rows, "q\\"t", none'
    assert all(compile_path(path).find(VALUE) is not MISSING for path in shown.split(", "))
