"""Answers of teachers, kept by content: what was asked once is not asked again, by this build or a later one.

A SQLite file, since several builds may write at once and a kill must leave what was answered before it. A prompt that is left without an answer
fails the build at its end: what a busy server did not answer would be missing from the data set for good, as an equal build is not run again.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapt.artifact.digest import digest_value
from adapt.artifact.progress import Task
from adapt.dataset.synthesis.talk import Failure, Messages, digest_messages
from adapt.dataset.synthesis.teacher import Teacher
from adapt.errors import InputError

FILE = "answers.sqlite"
_SECONDS_FOR_ANOTHER_BUILD = 60.0


class AnswerStore:
    """The answers in folder `cache`. Raises InputError, here and in whatever it does, when the file there cannot be used."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._path = cache / FILE
        self._unanswered: list[Failure] = []
        with self._usable():
            self._file = sqlite3.connect(self._path, timeout=_SECONDS_FOR_ANOTHER_BUILD, isolation_level=None)

    def __enter__(self) -> Self:
        try:
            self._run("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        except InputError:
            self._file.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def ask(self, teacher: Teacher, prompts: Sequence[Messages], attempt: int, task: Task) -> list[str | Failure]:
        """The answer to each prompt in their order; asks for what is not kept, each different conversation once. Failures are not kept."""
        keys = [digest_value([teacher.name, dict(teacher.settings), digest_messages(messages), attempt]) for messages in prompts]
        answers: dict[str, str | Failure] = {key: kept for key in keys if (kept := self._kept(key)) is not None}
        missing = {key: messages for key, messages in zip(keys, prompts, strict=True) if key not in answers}
        task.advance(sum(key in answers for key in keys))
        numbered = list(missing)
        for number, answer in teacher.ask(missing.values()):
            answers[numbered[number]] = self._keep(numbered[number], answer) if isinstance(answer, str) else answer
            task.advance()
        self._unanswered += [answer for answer in answers.values() if isinstance(answer, Failure) and not answer.refused]
        return [answers[key] for key in keys]

    def require_answers(self, teacher: Teacher) -> None:
        """Raises InputError when a prompt was left without an answer that the teacher may yet give."""
        if self._unanswered:
            last = self._unanswered[-1]
            said = f" The server said: {last.words}" if last.words else ""
            count = "1 prompt" if len(self._unanswered) == 1 else f"{len(self._unanswered):,} prompts"
            raise InputError(
                f"teacher {teacher.name} left {count} without an answer, the last time so: {last.reason}{said}",
                hint="build again: what was answered is kept, and only the rest is asked",
            )

    def _keep(self, key: str, answer: str) -> str:
        """The answer that counts: another build may have been told first."""
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?)", key, answer)
        return self._kept(key) or answer

    def _kept(self, key: str) -> str | None:
        row = self._run("SELECT answer FROM answers WHERE question = ?", key)
        return None if row is None else str(row[0])

    def _run(self, statement: str, *values: str) -> Any:
        """The first row that a statement gives."""
        with self._usable():
            return self._file.execute(statement, values).fetchone()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            hint = "another build may hold it: build again when that has ended, and see that the disk has room and the folder can be written"
            raise InputError(f"{self._path} cannot be used: {error}", hint=hint) from None
        except sqlite3.Error as error:
            raise InputError(f"{self._path} cannot be used: {error}", hint="delete it; what it held will be asked again") from None
