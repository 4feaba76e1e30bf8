"""What tables and JSON objects have in common: the usual names of their fields, and one question made from them."""

from collections.abc import Iterable

from adapt.corpus.draft import Draft, Rejected
from adapt.spec.corpus import FieldNames

INSTRUCTION = ("instruction", "question", "prompt", "query", "指令", "问题", "提问")
INPUT = ("input", "context", "输入")
OUTPUT = ("output", "answer", "response", "completion", "输出", "答案", "回答")
MESSAGES = ("messages", "conversations", "conversation")


def usual_name(found: Iterable[str], usual: tuple[str, ...]) -> str | None:
    """The first of the usual names that is there, in the form in which it is there; case does not matter."""
    by_form = {name.strip().casefold(): name for name in reversed(list(found))}
    return next((by_form[name] for name in usual if name in by_form), None)


def chosen(fields: FieldNames, found: Iterable[str]) -> tuple[str | None, str | None, str | None]:
    """Names of instruction, input and output: what the spec says, else the usual ones among `found`."""
    names = list(found)
    return (
        fields.instruction or usual_name(names, INSTRUCTION),
        fields.input or usual_name(names, INPUT),
        fields.output or usual_name(names, OUTPUT),
    )


def question(instruction: str, material: str, output: str, name: str, locator: str) -> Draft | Rejected:
    """A draft of one question; without an instruction, the material is the question."""
    if not instruction:
        instruction, material = material, ""
    if not instruction or not output:
        return Rejected(locator, "missing_field", f"There is no {'answer' if instruction else 'question'}.")
    return Draft(source=name, locator=locator, kind="question", instruction=instruction, input=material, output=output)
