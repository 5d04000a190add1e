"""The page of ``report --html``: an overview, then the jobs, then the runs, in one file that fetches nothing.

It has no scripts, and its Content-Security-Policy forbids them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from upsun_agent import __version__
from upsun_agent.journal import RunRow
from upsun_agent.limits import REPORT_JOBS
from upsun_agent.model.durations import span
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.calendar import OUTCOMES, calendar, legend, outcome_word
from upsun_agent.report.chart import chart
from upsun_agent.report.history import Past
from upsun_agent.report.html import Child, Html, document, el, foreign
from upsun_agent.report.html_head import head_of, tile
from upsun_agent.report.snapshot import JobStanding
from upsun_agent.report.status_text import flight_words, next_words
from upsun_agent.report.timeline import badge, moment, timelines
from upsun_agent.runtime.suspension import state_word
from upsun_agent.text.durations import took
from upsun_agent.text.humanize import ago

OPENED_JOBS = 6  # calendars that are open at first; the others are collapsed
SECTIONS = (("now", "Now"), ("jobs", "Jobs"), ("calendars", "Calendars"), ("runs", "Runs"))


def page(past: Past) -> str:
    """Return the whole page."""
    seen = past.seen
    title = f"Jobs of {seen.environment}"
    body = el(
        "body",
        el("a", "Skip to the overview", href="#now", class_="skip"),
        _header(past, title),
        el("main", _now(past), _jobs(past), _calendars(past), _runs(past)),
        _footer(past),
    )
    return document(head_of(title), body)


def _header(past: Past, title: str) -> Html:
    seen, container = past.seen, past.seen.container
    kind = f", {container.environment_type}" if container.environment_type else ""
    links = [el("li", el("a", word, href=f"#{name}")) for name, word in SECTIONS]
    return el(
        "header",
        el("h1", foreign(title)),
        el("p", f"Project {container.project or 'unknown'}{kind}. As of ", moment(seen.now), " UTC."),
        el("nav", el("ul", links), aria_label="Sections"),
    )


def _counts(past: Past, rows: Iterable[RunRow]) -> Counter[str]:
    """Return the number of slots by outcome; a batch counts each of its slots."""
    counts: Counter[str] = Counter()
    for word, count in past.counts(rows).items():
        counts[outcome_word(None if word == "in flight" else word)] += count
    return counts


# --- now -------------------------------------------------------------------------------------------------------


def _now(past: Past) -> Html:
    seen = past.seen
    counts = _counts(past, past.rows)
    told = ", ".join(f"{counts[word]} {word}" for word in reversed(OUTCOMES) if counts[word]) or "none"
    proof = seen.proofs.get(seen.environment)
    job, slot = past.coming[0] if past.coming else (None, None)
    tiles = [
        tile(
            "Last proved backup",
            ago(proof.created_at, seen.now) if proof else "never",
            el("span", el("code", proof.backup), f", made {proof.created_at:%Y-%m-%d %H:%M} UTC") if proof else "",
            "good" if proof else "odd",
        ),
        tile(
            "Next slot",
            ago(slot.due_at, seen.now) if slot else "none",
            f"{job.name}, {slot.name.replace('T', ' ')}" if job and slot else "no job has a next slot",
            "plain" if slot else "odd",
        ),
        tile(
            f"Runs of {past.days} days",
            str(sum(counts.values())),
            told,
            "bad" if counts[RunOutcome.FAILED] else "plain",
        ),
        tile(
            "Last tick",
            ago(seen.ticked, seen.now),
            _ticks(seen.ticks),
            "plain" if seen.ticked else "odd",
        ),
    ]
    return el(
        "section",
        el("h2", "Now", id="now-title"),
        el("ul", tiles, class_="tiles"),
        _waiting(past),
        _others(past),
        _coming(past),
        id="now",
        aria_labelledby="now-title",
    )


def _ticks(count: int) -> str:
    if not count:
        return "is the cron set up?"
    return "1 tick so far" if count == 1 else f"{count} ticks so far"


def _waiting(past: Past) -> Html:
    seen = past.seen
    in_flight = [
        el("li", badge(None), " ", el("strong", each.run.job.name), ": ", foreign(flight_words(each, seen)))
        for each in seen.flights
    ]
    suspended = [
        el(
            "li",
            el("span", state_word(each.suspension), class_="badge odd"),
            " ",
            el("strong", each.job.name),
            ": ",
            foreign(each.suspension),
        )
        for each in seen.jobs
        if each.suspension
    ]
    heading = el("h3", "Waiting")
    if not in_flight and not suspended:
        return el("div", heading, el("p", "No run is in flight, and no job is paused or suspended.", class_="dim"))
    return el("div", heading, el("ul", in_flight, suspended, class_="waits"))


def _others(past: Past) -> Html | None:
    """Return the proved backups of other environments, or None without any."""
    seen = past.seen
    found = [
        el("li", el("strong", foreign(name)), f": {ago(proof.created_at, seen.now)}, ", el("code", proof.backup))
        for name, proof in seen.proofs.items()
        if name != seen.environment
    ]
    return el("div", el("h3", "Proved backups elsewhere"), el("ul", found)) if found else None


def _coming(past: Past) -> Html:
    heading = el("h3", "Next slots")
    if not past.coming:
        return el("div", heading, el("p", "There is no next slot.", class_="dim"))
    rows = [
        el(
            "li",
            el("span", f"in {span(slot.due_at - past.seen.now)}", class_="when"),
            el(
                "span",
                el("strong", job.name),
                f" {slot.name.replace('T', ' ')} ",
                el("span", job.timezone, class_="dim"),
            ),
        )
        for job, slot in past.coming
    ]
    return el("div", heading, el("ol", rows, class_="coming"))


# --- jobs ------------------------------------------------------------------------------------------------------


def _jobs(past: Past) -> Html:
    shown = past.seen.jobs[:REPORT_JOBS]
    hidden = len(past.seen.jobs) - len(shown)
    note = el("p", f"{hidden} more jobs are not shown; choose one with --job.", class_="dim") if hidden else None
    return el(
        "section",
        el("h2", "Jobs", id="jobs-title"),
        el("ul", [_job(past, standing) for standing in shown], class_="cards"),
        note,
        id="jobs",
        aria_labelledby="jobs-title",
    )


def _job(past: Past, standing: JobStanding) -> Html:
    seen, last, proof = past.seen, standing.last, standing.proof
    length = took(last) if last else None
    when = "never" if last is None else f"{span(seen.now - (last.closed_at or last.opened_at))} ago"
    facts: list[tuple[str, Child]] = [
        ("Last run", [badge(last.outcome), " ", when] if last else when),
        ("Took", span(length) if length is not None else "not over" if last else "has not run"),
        ("Proved backup", f"{span(proof.age(seen.now))} ago" if proof else "none"),
        ("Next slot", next_words(seen, standing)),
        (
            "Schedule",
            [el("code", standing.job.schedule), f" {standing.job.timezone}"] if standing.job.schedule else "none",
        ),
    ]
    rows = [el("div", el("dt", name), el("dd", value)) for name, value in facts]
    return el("li", el("h3", standing.job.name), el("dl", rows), class_="card")


# --- calendars and runs ----------------------------------------------------------------------------------------


def _calendars(past: Past) -> Html:
    names = past.jobs
    boxes = [
        el(
            "details",
            el("summary", el("strong", name), " ", el("span", _tally(past, name), class_="dim")),
            el("div", calendar(past, name), chart(past.of(name), number), class_="pair"),
            class_="job",
            open=number < OPENED_JOBS,
        )
        for number, name in enumerate(names[:REPORT_JOBS])
    ]
    hidden = len(names) - len(boxes)
    note = el("p", f"{hidden} more jobs are not shown; choose one with --job.", class_="dim") if hidden else None
    return el(
        "section",
        el("h2", "Calendars and durations", id="calendars-title"),
        legend(),
        boxes,
        note,
        id="calendars",
        aria_labelledby="calendars-title",
    )


def _tally(past: Past, job: str) -> str:
    counts = _counts(past, past.of(job))
    return ", ".join(f"{counts[word]} {word}" for word in reversed(OUTCOMES) if counts[word]) or "no runs"


def _runs(past: Past) -> Html:
    told = timelines(past)
    hidden = len(past.rows) - len(told)
    parts = [f"The newest {len(told)} of {len(past.rows)} runs. " if hidden else ""]
    parts.append("Times are UTC." if told else f"No run was opened in the last {past.days} days.")
    return el(
        "section",
        el("h2", "Runs", id="runs-title"),
        el("p", *parts, class_="dim"),
        told,
        id="runs",
        aria_labelledby="runs-title",
    )


def _footer(past: Past) -> Html:
    bounds = [f"The page shows {past.days} days and {len(past.rows)} runs"]
    bounds.append(f"; {past.older} older runs are in the journal: upsun-agent history." if past.older else ".")
    return el(
        "footer",
        el("p", *bounds),
        el(
            "p",
            f"Written by upsun-agent {__version__}. Ages are as of the time of writing.",
        ),
    )
