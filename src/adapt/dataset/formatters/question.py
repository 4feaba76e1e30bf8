"""A question with its answer becomes one record."""

from adapt.dataset.formatters.result import Formatted, make_record
from adapt.records import Document


def format_question(document: Document) -> Formatted:
    """The one record of a document of kind `question`."""
    record = make_record(document, instruction=document.instruction.strip(), input=document.input.strip(), output=document.output.strip())
    return Formatted([record], [])
