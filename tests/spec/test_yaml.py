from pathlib import Path

import pytest

from adapt.errors import SpecError
from adapt.spec.yaml import read_yaml


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "s.yaml: line 2, column 1: duplicate key 'a'"),
        (b"x: {a: 1, a: 2}\n", "s.yaml: line 1, column 11: duplicate key 'a'"),
        (b"a: &x [1]\nb: *x\n", "s.yaml: line 1, column 4: anchors and aliases are not allowed (found 'x')"),
        (b"a: \xff\n", "s.yaml: line 1: byte 0xff is not UTF-8\nhint: save the file as UTF-8"),
        (b"a: [1\n", "s.yaml: line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        (b"- 1\n- 2\n", "s.yaml: a mapping of sections is expected, found list"),
        (b"plain text\n", "s.yaml: a mapping of sections is expected, found str"),
        (b"1: x\n", "s.yaml: line 1, column 1: key 1 is not text; put it in quotes"),
        (b"a: !!python/object:os.system x\n", "s.yaml: line 1, column 4: tags are not allowed (found 'tag:yaml.org,2002:python/object:os.system')"),
        (b"a: !!bool x\n", "tags are not allowed"),
        (b'a: "\\ud800"\n', "s.yaml: line 1, column 4: half of a surrogate pair is not text"),
        (b"a: b: c\n", "s.yaml: line 1, column 5: mapping values are not allowed here"),
        (b"a: 1\n---\nb: 2\n", "expected a single document"),
    ],
)
def test_refuses_with_the_place_and_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_yaml(path, shown="s.yaml")
    assert message in str(caught.value)


def test_refuses_huge_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    with pytest.raises(SpecError, match=r"s\.yaml: no such file"):
        read_yaml(path, shown="s.yaml")
    path.write_text("a: " + "x" * (1 << 20), encoding="utf-8")
    with pytest.raises(SpecError, match="a spec has at most 1048576"):
        read_yaml(path, shown="s.yaml")


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(SpecError, match="not valid YAML"):
        read_yaml(path, shown="s.yaml")


def test_empty_and_bom_and_chinese_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"")
    assert read_yaml(path, shown="s.yaml") == {}
    path.write_bytes("\ufeff名称: 金融\nday: 2020-01-01\n".encode())
    assert read_yaml(path, shown="s.yaml") == {"名称": "金融", "day": "2020-01-01"}


def test_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """As DVC reads params.yaml: no octal, no base sixty."""
    path = tmp_path / "s.yaml"
    path.write_text("a: 010\nb: 1:30\nc: 127.0.0.1\nd: -3\ne: 2.5\n", encoding="utf-8")
    assert read_yaml(path, shown="s.yaml") == {"a": 10, "b": "1:30", "c": "127.0.0.1", "d": -3, "e": 2.5}
