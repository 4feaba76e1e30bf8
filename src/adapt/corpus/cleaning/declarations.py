"""What pages and XML files say of their own encoding."""

import re

from adapt.spec.encodings import codecs_of

_PROLOG = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']\s*([A-Za-z0-9_:.-]+)""")
_META = re.compile(rb"""<meta\b[^>]{0,400}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_HEAD = 4096


def declared(sample: bytes) -> tuple[str, ...]:
    """The codecs of what is declared in the beginning of a file; empty for nothing, and for Unicode, which
    the bytes show themselves.
    """
    head = sample[:_HEAD]
    found = _PROLOG.search(head) or _META.search(_COMMENT.sub(b"", head))
    said = codecs_of(found[1].decode()) if found else ()
    return () if any(codec.startswith("utf") for codec in said) else said
