"""Patterns of text fields, each with the words in which errors and the reference tell it to people."""

from collections.abc import Mapping
from dataclasses import dataclass

COMMIT = r"^[0-9a-f]{40}$"
HUB_NAME = r"^[\w.-]+/[\w.-]+$"
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
LANGUAGE = r"^(identify|[a-z]{2})$"
HEADING = r"\{heading\}"
SIZE = r"^[0-9]+(MB|GB)$"
PART_NAME = r"^[a-z][a-z0-9_]*$"
VARIABLE = r"^[A-Z][A-Z0-9_]*$"
REPLICA_NAME = r"^[a-z0-9][a-z0-9-]*$"
URL = r"^https?://\S+$"
PROJECT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


@dataclass(frozen=True)
class Form:
    """What a pattern asks for."""

    expected: str
    """Completes the sentence `... is expected`."""
    hint: str | None = None


FORMS: Mapping[str, Form] = {
    COMMIT: Form(
        "a full commit of 40 hex digits",
        "a branch or tag can move, a commit cannot; find it with `git ls-remote https://huggingface.co/OWNER/NAME main`,"
        " or under `Files` on the page of the repository",
    ),
    HUB_NAME: Form("a repository as OWNER/NAME", "such as Qwen/Qwen3-0.6B; a folder on disk is {kind: path, path: ...}"),
    MODULE: Form("an import name", "such as `requests` or `google.protobuf`: the name that `import` takes, not that of the distribution"),
    LANGUAGE: Form("`identify` or an ISO 639-1 code of two lower-case letters", "such as en, zh or de"),
    HEADING: Form("a text that contains {heading}", "the heading of each section is put there, such as 'Explain {heading}.'"),
    SIZE: Form("a whole number followed by MB or GB", "such as 500MB or 5GB"),
    PART_NAME: Form("a name of lower-case letters, digits and underscores that begins with a letter", "it becomes the name of a folder"),
    VARIABLE: Form(
        "the name of an environment variable: capital letters, digits and underscores",
        "name the variable that holds the secret; the secret itself never stands in a spec",
    ),
    REPLICA_NAME: Form("a name of lower-case letters, digits and hyphens", "such as west-1"),
    URL: Form("a URL that begins with http:// or https://", "such as http://127.0.0.1:8000"),
    PROJECT_NAME: Form("a name of letters, digits, `_`, `.` and `-` that begins with a letter or digit"),
}
"""Every pattern that a spec's field has."""
