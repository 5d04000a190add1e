# ruff: noqa: INP001  Sphinx runs this file, it is in no package
"""How Sphinx makes the site of these pages: ``make site``. They stay plain Markdown that a code forge shows as well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from upsun_agent import __version__

DOCS = Path(__file__).resolve().parent
#: What is no page of the site is linked to where it is: on the code forge.
SOURCE = "https://github.com/upsun-agent/upsun-agent/blob/main"

project = "upsun-agent"
version = release = __version__
copyright = "the upsun-agent maintainers, MIT licence"  # noqa: A001  Sphinx calls it that

extensions = ["myst_parser"]
root_doc = "index"
source_suffix = {".md": "markdown"}
nitpicky = True
myst_heading_anchors = 3  # a link to a heading works as it does on a code forge

html_theme = "furo"
html_title = f"upsun-agent {__version__}"
html_copy_source = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {"footer_icons": []}

_LINK = re.compile(r"\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")
_SECTION = re.compile(r"^## .*?$", re.MULTILINE)
_PAGE = re.compile(r"^- \[([^\]]+)\]\(([^)\s]+)\.md\)", re.MULTILINE)


def contents(text: str) -> str:
    """The index with a table of contents for each section, made of the pages that its list links to."""
    parts = _SECTION.split(text)
    heads = _SECTION.findall(text)
    made = [parts[0]]
    for head, body in zip(heads, parts[1:], strict=True):
        pages = "\n".join(f"{title.replace('`', '')} <{page}>" for title, page in _PAGE.findall(body))
        made += [head, body, f"```{{toctree}}\n:hidden:\n:caption: {head.removeprefix('## ')}\n\n{pages}\n```\n\n"]
    return "".join(made)


def nested(folder: str) -> str:
    """A table of contents of all pages in a folder, for the page that lists them."""
    pages = "\n".join(f"{folder}/{page.stem}" for page in sorted((DOCS / folder).glob("*.md")))
    return f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def linked(text: str, folder: Path) -> str:
    """A page of that folder with links that lead somewhere on the site: to a page, else to the code forge."""

    def lead(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        if target == DOCS.parent / "README.md":
            return f"](/start.md{link[2]})"
        if target.is_relative_to(DOCS):
            return f"](/{target.relative_to(DOCS)}{link[2]})"
        return f"]({SOURCE}/{target.relative_to(DOCS.parent)}{link[2]})"

    return _LINK.sub(lead, text)


def _read(_: Any, name: str, source: list[str]) -> None:
    """The text of a page before it is parsed: the quick start is the README's, so that there is one."""
    folder = (DOCS / name).parent
    if name == "start":
        source[0], folder = (DOCS.parent / "README.md").read_text(encoding="utf-8"), DOCS.parent
    if name == "index":
        source[0] = contents(source[0])
    if name == "steps":
        source[0] += nested("steps")
    source[0] = linked(source[0], folder)


def setup(app: Any) -> None:
    """What Sphinx calls first."""
    app.connect("source-read", _read)
