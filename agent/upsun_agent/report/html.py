"""Build HTML from a closed list of elements, with every text and value escaped. No other module writes markup.

Texts in the journal are hostile: messages quote commit messages, activity texts and replies. Only ``Html`` is written
unescaped, and only this module creates it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from msgspec import Struct

from upsun_agent.log.escapes import printable
from upsun_agent.log.foreign_text import safe
from upsun_agent.text.package_text import PAGES

ODD = "\N{REPLACEMENT CHARACTER}"
JOINERS = "\u200c\u200d"  # part of emoji and of some scripts

VOID = frozenset({"meta", "link"})
DRAWN = frozenset({"rect", "line"})  # shapes of SVG: they end where they begin
ELEMENTS = (
    VOID
    | DRAWN
    | {
        *("html", "head", "title", "style", "body", "header", "main", "footer", "nav", "section", "article"),
        *(
            "h1",
            "h2",
            "h3",
            "p",
            "ul",
            "ol",
            "li",
            "dl",
            "dt",
            "dd",
            "div",
            "span",
            "bdi",
            "a",
            "strong",
            "time",
            "code",
        ),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"),
        *("svg", "desc", "g"),
    }
)
ATTRIBUTES = frozenset(
    {
        *("lang", "charset", "name", "content", "http-equiv", "rel", "href", "class", "id", "scope", "colspan", "open"),
        *("role", "tabindex", "aria-label", "aria-labelledby", "aria-hidden", "datetime"),
        *("viewBox", "preserveAspectRatio", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "focusable"),
    }
)
#: The allowed targets of links: in the page, empty, or the page of a package.
TARGETS = ("#", "data:,", *(page.partition("{}")[0] for page in PAGES.values()))


class Html(Struct, frozen=True):
    """Escaped markup."""

    #: The markup.
    text: str


Child = Html | str | Sequence["Html | str"] | None


def el(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return an element.

    Args:
        name: the element.
        children: its content; texts are escaped.
        attributes: its attributes; ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``. None and False
            omit the attribute, True gives it no value.

    Raises:
        ValueError: the element, attribute or link is not allowed.
    """
    if name not in ELEMENTS:
        raise ValueError(f"element {name!r} is not allowed")
    words = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if attribute not in ATTRIBUTES:
            raise ValueError(f"attribute {attribute!r} is not allowed")
        if attribute == "href" and not str(value).startswith(TARGETS):
            raise ValueError("links to other pages than those of packages are not allowed")
        if value is None or value is False:
            continue
        words.append(attribute if value is True else f'{attribute}="{escape(shown(str(value)))}"')
    head = " ".join(words)
    if name in VOID | DRAWN:
        return Html(f"<{head}/>")
    return Html(f"<{head}>{''.join(_inside(children))}</{name}>")


def _inside(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child.text
        elif isinstance(child, str):
            yield escape(shown(child))
        elif child is not None:
            yield from _inside(child)


def shown(text: str) -> str:
    """Return the text without secrets, control characters and direction marks."""
    return printable(safe(text), keep=JOINERS, odd=ODD)


def foreign(text: str) -> Html:
    """Return text from outside, isolated so that its writing direction does not affect the text around it."""
    return el("bdi", text)


def style(css: str) -> Html:
    """Return an element with the style sheet."""
    if "<" in css:
        raise ValueError("the style sheet could end its element")
    return Html(f"<style>{css}</style>")


def style_hash(css: str) -> str:
    """Return the hash of the style sheet for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode('ascii')}"


def document(*children: Html) -> str:
    """Return the whole page."""
    return "<!DOCTYPE html>\n" + el("html", *children, lang="en").text + "\n"
