"""Every fenced block of the README, CONTRIBUTING and docs/: where it stands, its language, its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.harness.sources import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^( *)(```+|~~~+) *([^\s`]*)[^\n`]*\n(.*?)^ *\2 *$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its first fence."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """For messages and test names."""
        return f"{self.page}:{self.line}"

    @property
    def key(self) -> str:
        """How a list of exceptions names it: the page and the block's first line."""
        return f"{self.page}: {self.text.strip().splitlines()[0].strip() if self.text.strip() else ''}"


def blocks_in(text: str, page: str) -> list[Block]:
    """The blocks of a text."""
    found = []
    for fence in _FENCE.finditer(text):
        indent, _, language, body = fence.groups()
        plain = "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        found.append(Block(page, text.count("\n", 0, fence.start()) + 1, language.strip("{}").lower(), plain))
    return found


BLOCKS = [
    block for page in PAGES for block in blocks_in(page.read_text(encoding="utf-8"), str(page.relative_to(REPOSITORY)))
]
