"""The calendar of a job's slots: weeks as rows, a sign and a word for each outcome, never only a colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from upsun_agent.model.events import RunOutcome
from upsun_agent.report.history import Past
from upsun_agent.report.html import Html, el

#: What stands in place of an outcome while the run has none.
IN_FLIGHT = "in flight"
#: The worst first: a day shows its worst outcome.
OUTCOMES = (
    RunOutcome.FAILED,
    RunOutcome.MISSED,
    RunOutcome.CANCELLED,
    IN_FLIGHT,
    RunOutcome.SKIPPED,
    RunOutcome.SUCCEEDED,
)
SIGNS: dict[str, str] = {
    RunOutcome.SUCCEEDED: "✓",
    RunOutcome.FAILED: "✗",
    RunOutcome.MISSED: "○",
    RunOutcome.SKIPPED: "»",
    RunOutcome.CANCELLED: "⊘",
    IN_FLIGHT: "▸",
}
TONES: dict[str, str] = {
    RunOutcome.SUCCEEDED: "good",
    RunOutcome.FAILED: "bad",
    RunOutcome.MISSED: "odd",
    RunOutcome.SKIPPED: "dim",
    RunOutcome.CANCELLED: "odd",
    IN_FLIGHT: "live",
}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Days = Mapping[date, Counter[str]]


def outcome_word(outcome: str | None) -> str:
    """Return the outcome of a run, "in flight" without one; an unknown word counts as failed."""
    if outcome is None:
        return IN_FLIGHT
    return outcome if outcome in SIGNS else RunOutcome.FAILED


def days_of(past: Past, job: str) -> Days:
    """Return the number of slots of each day by outcome.

    A slot counts on the day of its name, a manual run when it began.
    """
    zone = ZoneInfo(past.zones.get(job, "UTC"))
    found: dict[date, Counter[str]] = {}
    for row in past.of(job):
        word = outcome_word(row.outcome)
        names = past.missed.get(row.run) or ((row.slot,) if row.slot else ())
        days = [day for name in names if (day := _day(name)) is not None] or [row.opened_at.astimezone(zone).date()]
        for day in days:
            found.setdefault(day, Counter())[word] += 1
    return found


def _day(name: str) -> date | None:
    try:
        return datetime.fromisoformat(name).date()
    except ValueError:
        return None


def calendar(past: Past, job: str) -> Html:
    """Return the calendar as a table with a row for each week and a column for each weekday."""
    zone = ZoneInfo(past.zones.get(job, "UTC"))
    first, last = past.since.astimezone(zone).date(), past.seen.now.astimezone(zone).date()
    days = days_of(past, job)
    monday = first - timedelta(days=first.weekday())
    weeks = []
    while monday <= last:
        cells = [_cell(monday + timedelta(days=n), first, last, days) for n in range(7)]
        weeks.append(el("tr", el("th", f"{monday:%d %b}", scope="row"), cells))
        monday += timedelta(days=7)
    heads = [el("th", "Week", scope="col"), *(el("th", word, scope="col") for word in WEEKDAYS)]
    caption = el("caption", f"Slots by day, in the zone {past.zones.get(job, 'UTC')}")
    return el("table", caption, el("thead", el("tr", heads)), el("tbody", weeks), class_="calendar")


def _cell(day: date, first: date, last: date, days: Days) -> Html:
    if not first <= day <= last:
        return el("td", class_="out")
    counts = days.get(day, Counter())
    if not counts:
        return el("td", el("span", str(day.day), class_="day"), el("span", "none", class_="unseen"))
    worst = next(word for word in OUTCOMES if counts[word])
    many, seen = sum(counts.values()), counts[worst]
    number = "" if many == 1 else str(seen) if seen == many else f"{seen}/{many}"
    said = ", ".join(f"{counts[word]} {word}" for word in OUTCOMES if counts[word])
    return el(
        "td",
        el("span", str(day.day), class_="day"),
        el("span", f"{SIGNS[worst]}{number}", class_="sign", aria_hidden="true"),
        el("span", said, class_="unseen"),
        class_=TONES[worst],
    )


def legend() -> Html:
    """Return the legend of the signs."""
    entries = [
        el("li", el("span", SIGNS[word], class_=f"chip {TONES[word]}", aria_hidden="true"), f" {word}")
        for word in reversed(OUTCOMES)
    ]
    return el("ul", entries, class_="legend", aria_label="Signs of the calendars")
