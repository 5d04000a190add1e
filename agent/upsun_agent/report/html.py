"""The one door to HTML: elements from a closed list, every text and every value escaped. Nothing else writes markup.

What stands in the journal is hostile: messages quote commit messages, activity texts and replies. A text can become
an element only as ``Html``, and only this module makes that.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from msgspec import Struct

from upsun_agent.log.foreign_text import safe

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
LOCAL = ("#", "data:,")  # where links lead: into the page, or nowhere


class Html(Struct, frozen=True):
    """Markup of ours, ready to stand on the page."""

    #: The markup.
    text: str


Child = Html | str | Sequence["Html | str"] | None


def el(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element. Texts become text; ``class_`` and ``aria_label`` mean ``class`` and ``aria-label``.

    An attribute that is None or False is left out, one that is True has no value.

    Raises:
        ValueError: an element, attribute or link that no page of ours has.
    """
    if name not in ELEMENTS:
        raise ValueError(f"no element {name!r} on our pages")
    words = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if attribute not in ATTRIBUTES:
            raise ValueError(f"no attribute {attribute!r} on our pages")
        if attribute == "href" and not str(value).startswith(LOCAL):
            raise ValueError("no link leads out of our pages")
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
    """Return the text without secrets and what cannot be seen, such as controls and marks that turn writing round."""
    text = safe(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in JOINERS else " " if char.isspace() else ODD for char in text)


def foreign(text: str) -> Html:
    """Text from outside, whose direction of writing does not reach beyond it."""
    return el("bdi", text)


def style(css: str) -> Html:
    """A style sheet of ours."""
    if "<" in css:
        raise ValueError("a style sheet that could end its element")
    return Html(f"<style>{css}</style>")


def style_hash(css: str) -> str:
    """What a Content-Security-Policy says of that style sheet."""
    return f"sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode('ascii')}"


def document(*children: Html) -> str:
    """The whole page."""
    return "<!DOCTYPE html>\n" + el("html", *children, lang="en").text + "\n"
