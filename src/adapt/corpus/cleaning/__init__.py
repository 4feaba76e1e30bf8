"""Repairs of text: encodings, characters, white space, wrapped lines, headings, repeated lines."""
