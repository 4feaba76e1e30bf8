import numpy as np
import pytest

from adapt.corpus.cleaning.boilerplate import LineCounts, drop_lines, line_digests
from adapt.spec.corpus import Boilerplate

RULE = Boilerplate(min_files=3, min_share=0.3)


def counted(texts: list[str], capacity: int, at_once: int = 1) -> set[int]:
    counts = LineCounts(capacity)
    digests = [np.array(line_digests(text), np.uint64) for text in texts]
    for start in range(0, len(texts), at_once):
        part = digests[start : start + at_once]
        counts.add(np.concatenate(part), len(part))
    return set(counts.repeated(RULE, digests).tolist())


@pytest.mark.parametrize("at_once", [1, 7])
def test_counts_are_exact_when_memory_is_bounded(at_once: int) -> None:
    texts = ["\n".join(f"unique line {file} {line}" for line in range(30)) + "\nshared by every file\n" for file in range(50)]
    texts = [text + "shared by a few files\n" * (file < 14) for file, text in enumerate(texts)]
    assert counted(texts, 200, at_once) == counted(texts, 1 << 16, at_once)
    assert drop_lines(texts[0], counted(texts, 200, at_once)) == (texts[0].replace("shared by every file\n", ""), 1)


def test_a_line_just_at_the_share_is_found_when_counters_are_few() -> None:
    texts = [f"alone in file {file}\nalso alone in {file}\n" + "stands in fifteen of them\n" * (file % 10 in (1, 4, 8)) for file in range(50)]
    assert counted(texts, 8) == set(line_digests("stands in fifteen of them"))
    texts[1] = texts[1].replace("stands in fifteen of them\n", "")
    assert counted(texts, 8) == set()


def test_a_line_counts_once_per_file_and_whatever_its_spacing() -> None:
    assert counted(["said three times over\n" * 3, "other text of file", "more text of file"], 99) == set()
    texts = ["a line of  boilerplate", "  a line of boilerplate", "a line of boilerplate  "]
    assert [drop_lines(text, counted(texts, 99))[1] for text in texts] == [1, 1, 1]


def test_headings_code_tables_and_short_lines_are_never_boilerplate() -> None:
    text = "## What are the symptoms of it\nYes.\n| Sign | Meaning | Next |\n```\nreturn x + y + z\n```\n见上文\n本页面内容仅供一般参考\n"
    kept, dropped = drop_lines(text, counted([text] * 4, 99))
    assert (kept, dropped) == (text.replace("本页面内容仅供一般参考\n", ""), 1)
