"""Picks the formatter of a document by its kind."""

from adapt.dataset.formatters.chat import format_chat
from adapt.dataset.formatters.headed import format_headed
from adapt.dataset.formatters.question import format_question
from adapt.dataset.formatters.result import Formatted
from adapt.records import Document
from adapt.spec.dataset import DatasetSpec


def format_document(document: Document, spec: DatasetSpec) -> Formatted:
    """Records of any document, and rows for its parts that made none."""
    if document.kind == "question":
        return format_question(document)
    if document.kind == "chat":
        return format_chat(document, spec.chat_turns)
    return format_headed(document, spec.headings)
