from adapt.corpus.boilerplate import LineCounts, drop_lines
from adapt.spec.corpus import Boilerplate

RULE = Boilerplate(min_files=3, min_share=0.3)


def counted(texts: list[str], capacity: int) -> set[bytes]:
    counts = LineCounts(capacity)
    for text in texts:
        counts.add(text)
    return counts.repeated(RULE, texts)


def test_counts_are_exact_when_memory_is_bounded() -> None:
    texts = ["\n".join(f"unique line {file} {line}" for line in range(30)) + "\nshared by every file\n" for file in range(50)]
    texts = [text + "shared by a few files\n" * (file < 14) for file, text in enumerate(texts)]
    assert counted(texts, capacity=200) == counted(texts, capacity=1 << 16)
    assert drop_lines(texts[0], counted(texts, capacity=200)) == (texts[0].replace("shared by every file\n", ""), 1)


def test_a_line_counts_once_per_file_and_whatever_its_spacing() -> None:
    assert counted(["said three times over\n" * 3, "other text of file", "more text of file"], 99) == set()
    texts = ["a line of  boilerplate", "  a line of boilerplate", "a line of boilerplate  "]
    assert [drop_lines(text, counted(texts, 99))[1] for text in texts] == [1, 1, 1]


def test_headings_code_tables_and_short_lines_are_never_boilerplate() -> None:
    text = "## What are the symptoms of it\nYes.\n| Sign | Meaning | Next |\n```\nreturn x + y + z\n```\n见上文\n本页面内容仅供一般参考\n"
    kept, dropped = drop_lines(text, counted([text] * 4, 99))
    assert (kept, dropped) == (text.replace("本页面内容仅供一般参考\n", ""), 1)
