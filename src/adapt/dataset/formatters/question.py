"""A question with its answer becomes one record."""

from adapt.dataset.formatters.result import Formatted, make_candidate
from adapt.records import Document


def format_question(document: Document) -> Formatted:
    """The one record of a document of kind `question`."""
    asked, given, answered = document.instruction.strip(), document.input.strip(), document.output.strip()
    return Formatted([make_candidate(document, instruction=asked, input=given, output=answered)], [])
