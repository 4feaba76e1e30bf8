"""A question with its answer becomes one record."""

from adapt.dataset.formatters.result import Formatted, drop_part, make_candidate
from adapt.records import Document


def format_question(document: Document) -> Formatted:
    """The one record of a document of kind `question`."""
    asked, given, answered = document.instruction.strip(), document.input.strip(), document.output.strip()
    if not asked or not answered:
        return Formatted(
            [], [drop_part(document, "no_answer", "A question without an answer, or an answer without a question.", texts=[asked, given, answered])]
        )
    return Formatted([make_candidate(document, instruction=asked, input=given, output=answered)], [])
