"""Main content of web pages as Markdown."""
