from pathlib import Path

import pytest

from adapt.base.teacher import LocalTeacher
from adapt.errors import InputError
from adapt.records import Message
from tests.tiny import tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def said(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def answers(teacher: LocalTeacher, *texts: str) -> list[str]:
    return [answer for _, answer in sorted(teacher.ask(said(text) for text in texts))]


def test_an_answer_does_not_depend_on_what_else_is_asked(base: Path) -> None:
    texts = ("What is a bond?", "什么是债券？", "Explain how the contract ends. " * 6)
    teacher = LocalTeacher(base, digest="d", max_tokens=12)
    together = answers(teacher, *texts)
    assert all(together)
    assert together == [answers(LocalTeacher(base, digest="d", max_tokens=12), text)[0] for text in texts]


def test_answers_keep_to_their_bound(base: Path) -> None:
    (short,), (long,) = (answers(LocalTeacher(base, digest="d", max_tokens=bound), "What is a bond?") for bound in (2, 12))
    assert len(short) < len(long)
    assert long.startswith(short)


def test_every_prompt_gets_one_answer_when_there_are_many(base: Path) -> None:
    teacher = LocalTeacher(base, digest="d", max_tokens=1)
    assert sorted(number for number, _ in teacher.ask(said(f"question {number}") for number in range(70))) == list(range(70))


def test_a_prompt_beyond_the_models_context_gets_an_empty_answer(base: Path) -> None:
    found = answers(LocalTeacher(base, digest="d", max_tokens=4), "word " * 600, "What is a bond?")
    assert found[0] == ""
    assert found[1]


def test_answers_are_kept_by_the_base_and_their_length(base: Path) -> None:
    teacher = LocalTeacher(base, digest="abc", max_tokens=4, name="tiny")
    assert (teacher.name, teacher.settings) == ("tiny", {"base": "abc", "max_tokens": 4})


def test_a_base_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = tiny_base(tmp_path)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        LocalTeacher(folder, digest="d", max_tokens=4)
