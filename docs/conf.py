# ruff: noqa: INP001  Sphinx runs this file, it is in no package
"""How Sphinx makes the site of these pages: ``make site``. They stay plain Markdown that a code forge shows as well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util import logging
from upsun_agent import __version__
from upsun_setup.published import repository

DOCS = Path(__file__).resolve().parent
#: What is no page of the site is linked to where it is: on the code forge, if there is one.
REPOSITORY = repository()

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
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options: dict[str, Any] = {"footer_icons": []}

_LINK = re.compile(r"\[([^\[\]]+)\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")
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
    """A table of contents of all other pages in a folder, for the page that lists them."""
    pages = sorted(page for page in (DOCS / folder).glob("*.md") if page.stem != "index")
    names = "\n".join(f"/{folder}/{page.stem}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


#: Pages that list the pages of a folder.
LISTS = {"reference/steps": "reference/steps", "adr/index": "adr"}


def linked(text: str, folder: Path) -> str:
    """A page of that folder with links that lead somewhere: to a page of the site, else to the code forge, if known."""

    def lead(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(DOCS):
            return f"[{link[1]}](/{target.relative_to(DOCS)}{link[3]})"
        if not REPOSITORY:
            return link[1]
        return f"[{link[1]}]({REPOSITORY}/blob/main/{target.relative_to(DOCS.parent)}{link[3]})"

    return _LINK.sub(lead, text)


def _read(_: Any, name: str, source: list[str]) -> None:
    """Prepare the text of a page before it is parsed."""
    if name == "index":
        source[0] = contents(source[0])
    if name in LISTS:
        source[0] += nested(LISTS[name])
    source[0] = linked(source[0], (DOCS / name).parent)


def rows_as_text(document: nodes.document) -> list[str]:
    """Return the lines of paragraphs that a reader takes for the row of a table: they begin and end with a bar."""
    found = []
    for paragraph in document.findall(nodes.paragraph):
        lines = [line.strip() for line in paragraph.astext().splitlines()]
        found += [line for line in lines if len(line) > 1 and line.startswith("|") and line.endswith("|")]
    return found


def _check(_: Any, document: nodes.document) -> None:
    """Warn of each row that is no part of a table; `make site` makes an error of it."""
    for row in rows_as_text(document):
        logging.getLogger(__name__).warning("a table row is rendered as text: %s", row, location=document)


def setup(app: Any) -> None:
    """Connect the steps of this file to those of Sphinx."""
    app.connect("source-read", _read)
    app.connect("doctree-read", _check)
