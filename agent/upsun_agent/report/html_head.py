"""The head of every page, with a policy that allows its own style sheet and nothing else."""

from __future__ import annotations

from upsun_agent.report.html import Html, el, style, style_hash
from upsun_agent.report.html_style import SHEET

POLICY = f"default-src 'none'; style-src '{style_hash(SHEET)}'; img-src data:; base-uri 'none'; form-action 'none'"


def head_of(title: str) -> Html:
    """Return the head of a page with this title."""
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="robots", content="noindex, nofollow, noarchive"),
        el("title", f"{title} - upsun-agent"),
        el("link", rel="icon", href="data:,"),
        style(SHEET),
    )


def tile(name: str, value: str, more: Html | str, tone: str) -> Html:
    """Return a tile with a figure.

    Args:
        name: the heading.
        value: the figure.
        more: a remark below it.
        tone: the class of its colour.
    """
    return el(
        "li",
        el("p", name, class_="name"),
        el("p", value, class_="value"),
        el("p", more, class_="dim"),
        class_=f"tile {tone}",
    )
