"""Runs on the HTML page: each a collapsible box with the durations of steps, their activities and all events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from upsun_agent.engine.run import Phase, Run
from upsun_agent.limits import REPORT_EVENTS
from upsun_agent.model import events as ev
from upsun_agent.model.durations import span
from upsun_agent.report.calendar import SIGNS, TONES, outcome_word
from upsun_agent.report.history import Past, Story
from upsun_agent.report.html import Html, el, foreign
from upsun_agent.report.html_packages import packages
from upsun_agent.text.durations import StepSpan, step_spans, took
from upsun_agent.text.event_text import step_words, tell

WIDE = 100  # units of the drawing


def timelines(past: Past) -> list[Html]:
    """Return the newest runs as boxes, the newest of all open."""
    return [_box(story, number, past.seen.now) for number, story in enumerate(past.stories)]


def badge(outcome: str | None) -> Html:
    """Return a badge with the sign and the word of an outcome."""
    word = outcome_word(outcome)
    return el("span", el("span", SIGNS[word], aria_hidden="true"), f" {word}", class_=f"badge {TONES[word]}")


def moment(when: datetime, form: str = "%Y-%m-%d %H:%M") -> Html:
    """Return a time as a ``time`` element."""
    return el("time", f"{when:{form}}", datetime=when.isoformat(timespec="seconds"))


def _box(story: Story, number: int, now: datetime) -> Html:
    row, length = story.row, took(story.row)
    if row.closed_at is None:
        length = max(now - row.opened_at, timedelta())
    head = el(
        "summary",
        badge(row.outcome),
        " ",
        el("strong", row.job),
        " ",
        el("span", row.slot.replace("T", " ") if row.slot else "manual", class_="slot"),
        el("span", f" {span(length)}" if length is not None else "", class_="took"),
    )
    inside = el("p", foreign(story.wrong)) if story.run is None else _told(story.run, story.events, now)
    return el("details", head, inside, id=f"run-{number}", class_="run", open=number == 0)


def _told(run: Run, events: Sequence[ev.Event], now: datetime) -> list[Html]:
    parts = [
        el(
            "p",
            el("code", run.id),
            " on ",
            foreign(run.environment),
            ", opened ",
            moment(run.opened_at),
            f" UTC, {'on schedule' if run.trigger == ev.Trigger.SCHEDULE else 'manually'}.",
        )
    ]
    if run.closed is None:
        parts.append(el("p", "Waiting: ", foreign(run.wait_message or "the next tick continues it"), class_="live"))
    elif run.closed.remedy:
        parts.append(el("p", "Remedy: ", foreign(run.closed.remedy), class_="remedy"))
    if spans := step_spans(events):
        parts.append(_steps(run, spans, now))
    parts += packages(run)
    parts.append(_events(run, events))
    return parts


def _steps(run: Run, spans: dict[int, StepSpan], now: datetime) -> Html:
    """Return the steps as bars on the time axis of the run, one below the other; a step in flight lasts until now."""
    end = max(now if run.closed is None else each.ended_at or each.began_at for each in spans.values())
    whole = max((end - run.opened_at).total_seconds(), 1.0)
    rows = []
    for index, each in sorted(spans.items()):
        if index >= len(run.steps):
            continue
        step = run.steps[index]
        left = min(max((each.began_at - run.opened_at).total_seconds() / whole * WIDE, 0.0), WIDE)
        wide = max(((each.ended_at or end) - each.began_at).total_seconds() / whole * WIDE, 1.0)
        tone = "bad" if step.phase == Phase.FAILED else "live" if not step.over else "good"
        bar = el(
            "svg",
            el("rect", x=0, y=0, width=WIDE, height=6, class_="track"),
            el("rect", x=round(min(left, WIDE - 1), 2), y=0, width=round(wide, 2), height=6, class_=f"lane {tone}"),
            viewBox=f"0 0 {WIDE} 6",
            preserveAspectRatio="none",
            aria_hidden="true",
            focusable="false",
        )
        length = each.length
        word = step.outcome or step.phase
        rows.append(
            el(
                "li",
                el("p", el("strong", foreign(step_words(run.job, index))), f" {word}", class_="step"),
                bar,
                el(
                    "p",
                    f"began {each.began_at:%H:%M:%S}, {f'took {span(length)}' if length is not None else 'not over'}",
                    [", activity ", el("code", step.activity)] if step.activity else None,
                    class_="dim",
                ),
            )
        )
    return el("ol", rows, class_="steps", aria_label="Steps")


def _events(run: Run, events: Sequence[ev.Event]) -> Html:
    kept = events if len(events) <= REPORT_EVENTS else [*events[: REPORT_EVENTS // 2], *events[-REPORT_EVENTS // 2 :]]
    rows = []
    for event in kept:
        line = tell(event, run.job)
        if line is not None:
            remedy = el("span", "Remedy: ", foreign(line.remedy), class_="remedy") if line.remedy else None
            said = el("span", foreign(line.text), class_=f"text {line.tone}")
            rows.append(el("li", moment(event.at, "%H:%M:%S"), el("span", said, remedy, class_="told")))
    hidden = len(events) - len(kept)
    note = el("p", f"{hidden} events in the middle are not shown.", class_="dim") if hidden else None
    return el("div", el("ol", rows, class_="events", aria_label="Events, times in UTC"), note)
