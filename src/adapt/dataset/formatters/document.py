"""Picks the formatter of a document by the form of the data set and the kind of the document.

| kind | form `instruction` | form `preference` | form `text` |
| --- | --- | --- | --- |
| text | a record of each section | `no_pair` | pieces of running text |
| question | a record | `no_pair` | `not_text` |
| chat | a record of each answer | `no_pair` | `not_text` |
| preference | the better answer | the pair | `not_text` |
"""

from adapt.dataset.formatters.chat import format_chat
from adapt.dataset.formatters.headed import format_headed
from adapt.dataset.formatters.preference import format_preference
from adapt.dataset.formatters.question import format_question
from adapt.dataset.formatters.result import Formatted, drop_part
from adapt.dataset.formatters.running import format_running
from adapt.records import Document
from adapt.spec.dataset import DatasetSpec


def format_document(document: Document, spec: DatasetSpec) -> Formatted:
    """Records of any document, and rows for its parts that made none."""
    kind = document.kind
    if spec.form == "text":
        if kind == "text":
            return format_running(document, spec.lengths.max_record_tokens)
        return Formatted(
            [], [drop_part(document, "not_text", "No running text, which a data set of form text is made of.", texts=_texts_of(document))]
        )
    if kind == "preference":
        return format_preference(document, spec.chat_history, paired=spec.form == "preference")
    if spec.form == "preference":
        return Formatted(
            [], [drop_part(document, "no_pair", "No second answer beside the first, and the data set is one of pairs.", texts=_texts_of(document))]
        )
    if kind == "question":
        return format_question(document)
    if kind == "chat":
        return format_chat(document, spec.chat_turns, spec.chat_history, max_tokens=spec.lengths.max_record_tokens)
    return format_headed(document, spec.headings)


def _texts_of(document: Document) -> list[str]:
    messages = (message.content for message in document.messages)
    return [document.text, document.instruction, document.input, document.output, document.rejected, *messages]
