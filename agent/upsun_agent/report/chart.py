"""The chart of durations: bars in an inline SVG, with a text alternative and the figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from upsun_agent.journal import RunRow
from upsun_agent.limits import REPORT_BARS
from upsun_agent.model.durations import span
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.calendar import SIGNS, outcome_word
from upsun_agent.report.html import Html, el
from upsun_agent.text.durations import took

BAR, GAP, HIGH = 8, 2, 100  # units of the drawing, which is stretched to its place
LEAST = 20  # the least number of bars that fill the width: fewer are not made wider


def chart(rows: Sequence[RunRow], number: int) -> Html:
    """Return the chart of a job's runs (newest first), or a sentence if no run has a duration.

    Args:
        rows: the runs.
        number: makes the ids of the chart unique on the page.
    """
    timed = [(row, length) for row in rows if (length := took(row)) is not None]
    shown = list(reversed(timed[:REPORT_BARS]))
    if not shown:
        return el("p", "No run has a duration yet.", class_="dim")
    lengths = [length for _, length in shown]
    longest, usual = max(lengths), timedelta(seconds=median(length.total_seconds() for length in lengths))
    said = f"{len(shown)} runs, half of them shorter than {span(usual)}, the longest {span(longest)}"
    drawing = el(
        "svg",
        el("title", "How long runs took", id=f"chart-{number}"),
        el("desc", f"{said}. The figures are in the table below.", id=f"chart-{number}-text"),
        _bars(shown, longest),
        role="img",
        aria_labelledby=f"chart-{number} chart-{number}-text",
        viewBox=f"0 0 {max(len(shown), LEAST) * (BAR + GAP)} {HIGH + 2}",
        preserveAspectRatio="none",
        focusable="false",
    )
    left_out = f"; {len(timed) - len(shown)} older ones are not shown" if len(timed) > len(shown) else ""
    return el(
        "div",
        el("p", el("span", span(longest), class_="top"), class_="axis", aria_hidden="true"),
        drawing,
        el(
            "p",
            el("span", f"{shown[0][0].opened_at:%d %b}"),
            el("span", f"{shown[-1][0].opened_at:%d %b}"),
            class_="axis",
            aria_hidden="true",
        ),
        el("p", f"{said}{left_out}.", class_="dim"),
        el("details", el("summary", "Durations as a table"), _figures(shown)),
        class_="chart",
    )


def _bars(shown: Sequence[tuple[RunRow, timedelta]], longest: timedelta) -> Html:
    """Return one bar for each run. A run that did not succeed has a column behind it, to stand out without colours."""
    bars = [el("line", x1=0, x2=max(len(shown), LEAST) * (BAR + GAP), y1=HIGH + 1, y2=HIGH + 1, class_="base")]
    for place, (row, length) in enumerate(shown):
        height = max(round(HIGH * (length / longest), 1), 1.5) if longest else 1.5
        x, y = place * (BAR + GAP), round(HIGH - height, 1)
        failed = outcome_word(row.outcome) != RunOutcome.SUCCEEDED
        if failed:
            bars.append(el("rect", x=x, y=0, width=BAR, height=HIGH, class_="column"))
        bars.append(el("rect", x=x, y=y, width=BAR, height=height, class_="bar bad" if failed else "bar"))
    return el("g", bars)


def _figures(shown: Sequence[tuple[RunRow, timedelta]]) -> Html:
    rows = [
        el(
            "tr",
            el("td", f"{row.opened_at:%Y-%m-%d %H:%M}"),
            el("td", span(length)),
            el("td", f"{SIGNS[outcome_word(row.outcome)]} {outcome_word(row.outcome)}"),
        )
        for row, length in reversed(shown)
    ]
    heads = [el("th", word, scope="col") for word in ("Opened (UTC)", "Took", "Outcome")]
    return el("table", el("thead", el("tr", heads)), el("tbody", rows), class_="plain")
