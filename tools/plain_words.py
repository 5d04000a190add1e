"""Find words in texts for people that a reader has to read twice: ``python -m tools.plain_words``.

It reads every string and docstring of the three packages, and every hand-written page. ``REPLACED`` says what each
phrase is replaced by; the rules behind it are in CONTRIBUTING.md ("Write plainly").
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASE.md", "docs/**/*.md")
#: Pages that quote, or that tell what was called otherwise before.
SKIPPED = ("docs/reference/",)

#: What a text must not say, and what it says instead.
REPLACED = {
    r"(?<!there )\b(?:is|are|was|were) no (?:valid |regular |known )?(?:array|boolean|branch|command|date|directory"
    r"|event|file|id|job|JSON|link|list|mapping|name|number|object|path|schedule|set|string|submodule|table|tag|text|time|TOML"
    r"|URL|UTF-8|value|YAML)\b": "is not a ...",
    r"\bnobody's\b": "belongs to no one",
    r"\b(?:what|that) stands (?:there|in the way|behind|beside)\b": "say what it is",
    r"\b(?:is|are|was|were) not to be (?:seen|had|found|known)\b": "is not listed, is not available",
    r"\bcannot be had\b|\bno whole answer\b": "is not available, cannot be fetched; no complete answer",
    r"\bheld back\b": "paused, suspended, skipped or delayed",
    r"\b(?:take|takes|taken|took|taking) back\b": "roll back, revert, remove",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bwhose turn\b": "who must act",
    r"\bby and by\b": "gradually",
    r"\bmakes? no sense\b": "is not valid, is not allowed, does not fit together",
    r"\ball the same\b": "still",
    r"\bgoes by\b": "uses",
    r"\bcame of (?:it|them|a|the)\b": "became of, resulted from",
    r"\bherald|chronicle|spoiled|mishap\b": "use the glossary's words",
}
_FOUND = re.compile("|".join(f"(?:{each})" for each in REPLACED), re.IGNORECASE)


def odd_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, counted from 1, and the words of each phrase that a text must not use."""
    for found in _FOUND.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split())


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string, docstring and documented field of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("#:"):
            yield number, line


def findings() -> list[str]:
    """Return a line for each phrase that was found: file, line and phrase."""
    lines = []
    for path in sorted((REPOSITORY / "agent").rglob("*.py")):
        for begin, text in texts_of(path.read_text()):
            lines += [f"{path.relative_to(REPOSITORY)}:{begin + line - 1}: {words}" for line, words in odd_words(text)]
    for pattern in PAGES:
        for path in sorted(REPOSITORY.glob(pattern)):
            name = str(path.relative_to(REPOSITORY))
            if not name.startswith(SKIPPED):
                lines += [f"{name}:{line}: {words}" for line, words in odd_words(path.read_text())]
    return lines


if __name__ == "__main__":
    sys.exit("\n".join(findings()) or 0)
