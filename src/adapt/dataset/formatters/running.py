"""Running text as it is, in pieces that fit a record.

Tokens are estimated from characters, since the tokenizer is not at hand here: a piece that turns out too long is dropped later,
and the ledger says so.
"""

from adapt.dataset.formatters.division import Span, divide
from adapt.dataset.formatters.estimates import most_tokens
from adapt.dataset.formatters.result import Formatted, drop_part, make_candidate
from adapt.records import Document


def format_running(document: Document, max_tokens: int) -> Formatted:
    """Pieces of a document of kind `text`, of at most `max_tokens` by estimate, cut at headings, paragraphs, lines or sentences."""
    text = document.text
    spans = divide(text, most_tokens, max_tokens)
    if not spans:
        return Formatted([], [drop_part(document, "no_text", "No text but white space.")])
    if len(spans) == 1:
        spans = [Span(0, len(text))]
    candidates = []
    for span in spans:
        piece = text[span.start : span.end].strip("\n")
        part = f"characters {span.start}-{span.end}" if len(spans) > 1 else ""
        candidates.append(make_candidate(document, instruction="", output=piece, part=part)._replace(content=piece))
    return Formatted(candidates, [])
