"""One page and metrics for all journals in the same place, those with problems first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from upsun_agent import __version__
from upsun_agent.engine.bounds import TICK_GAP
from upsun_agent.journal import Identity
from upsun_agent.journal.member import Member
from upsun_agent.limits import REPORT_FLEET
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.html import Child, Html, document, el, foreign
from upsun_agent.report.html_head import head_of, tile
from upsun_agent.report.metrics import PREFIX, Family, Measures, Sample
from upsun_agent.report.timeline import badge, moment
from upsun_agent.text.humanize import ago

TROUBLES = (RunOutcome.FAILED, RunOutcome.MISSED)
#: What the metric says of the last outcome that tells whether a job works.
_WELL: dict[str, int] = {RunOutcome.SUCCEEDED: 1, RunOutcome.FAILED: 0, RunOutcome.MISSED: 0}
HEADS = ("Project", "Environment", "App", "Last tick", "Last run", "Outcome", "Proved backup")


def is_overdue(member: Member, now: datetime) -> bool:
    """Return whether the ticks of an environment have stopped.

    Crons start one every five minutes, up to twenty late.
    """
    return member.last_tick is None or now - member.last_tick > TICK_GAP


def by_concern(members: Sequence[Member], now: datetime) -> list[Member]:
    """Return environments whose ticks have stopped, then those whose last run failed, then the others, by name."""

    def rank(member: Member) -> tuple[bool, bool, Identity]:
        return not is_overdue(member, now), member.last_outcome not in TROUBLES, member.identity

    return sorted(members, key=rank)


# --- the page --------------------------------------------------------------------------------------------------


def fleet_page(members: Sequence[Member], place: str, now: datetime) -> str:
    """Return the whole page.

    Args:
        members: the journals.
        place: where the journals are, as text.
        now: when they were read.
    """
    title = "All environments"
    ordered = by_concern(members, now)
    shown, hidden = ordered[:REPORT_FLEET], len(ordered) - REPORT_FLEET
    body = el(
        "body",
        el("a", "Skip to the environments", href="#environments", class_="skip"),
        el(
            "header",
            el("h1", title),
            el("p", "State in ", el("code", foreign(place)), ". As of ", moment(now), " UTC."),
        ),
        el("main", _now(members, now), _table(shown, max(hidden, 0), now)),
        el("footer", el("p", f"Written by upsun-agent {__version__}. Ages are as of the time of writing.")),
    )
    return document(head_of(title), body)


def _now(members: Sequence[Member], now: datetime) -> Html:
    overdue = sum(is_overdue(each, now) for each in members)
    failed = sum(each.last_outcome in TROUBLES for each in members)
    proofs = [each.proved_at for each in members if each.proved_at]
    projects = len({each.identity[0] for each in members})
    tiles = [
        tile("Environments", str(len(members)), f"of {projects} projects", "plain"),
        tile("Without ticks", str(overdue), "for more than half an hour", "bad" if overdue else "good"),
        tile("Last run failed or missed", str(failed), "of the environments", "bad" if failed else "good"),
        tile("In flight", str(sum(each.in_flight for each in members)), "runs", "plain"),
        tile(
            "Oldest proved backup",
            ago(min(proofs), now) if proofs else "none",
            f"{len(members) - len(proofs)} environments have none",
            "plain" if len(proofs) == len(members) else "odd",
        ),
    ]
    return el(
        "section",
        el("h2", "Now", id="now-title"),
        el("ul", tiles, class_="tiles"),
        id="now",
        aria_labelledby="now-title",
    )


def _table(members: Sequence[Member], hidden: int, now: datetime) -> Html:
    heading = el("h2", "Environments", id="environments-title")
    if not members:
        inside = el("p", "There is no journal yet.", class_="dim")
    else:
        inside = el(
            "div",
            el(
                "table",
                el("caption", "Environments with problems come first. Times are ages."),
                el("thead", el("tr", [el("th", word, scope="col") for word in HEADS])),
                el("tbody", [_row(member, now) for member in members]),
                class_="plain fleet",
            ),
            role="region",
            aria_label="Every environment, in a table",
            tabindex="0",
            class_="wide",
        )
    note = f"{hidden} more are not shown; for all: upsun-agent status --all" if hidden else None
    return el(
        "section",
        heading,
        inside,
        el("p", note, class_="dim") if note else None,
        id="environments",
        aria_labelledby="environments-title",
    )


def _row(member: Member, now: datetime) -> Html:
    project, environment, app = member.identity
    ticked: Html | str = ago(member.last_tick, now)
    if is_overdue(member, now):
        ticked = el("span", ticked, class_="badge bad")
    last: Child = [foreign(member.last_job), f" {ago(member.last_opened, now)}"] if member.last_job else "never"
    outcome = badge(member.last_outcome) if member.last_job else "-"
    return el(
        "tr",
        el("th", foreign(project or "-"), scope="row"),
        el("td", foreign(environment or "-")),
        el("td", foreign(app or "-")),
        el("td", ticked),
        el("td", last),
        el("td", outcome),
        el("td", ago(member.proved_at, now) if member.proved_at else "none"),
    )


# --- metrics ---------------------------------------------------------------------------------------------------


def fleet_measures(members: Sequence[Member], now: datetime) -> Measures:
    """Return the metrics; every sample has labels for its project, environment and app."""

    def family(name: str, unit: str, doc: str, value: Callable[[Member], float | None]) -> Family:
        samples = []
        for member in members:
            found = value(member)
            if found is not None:
                labels = tuple(zip(("project", "environment", "app"), member.identity, strict=True))
                samples.append(Sample(found, labels))
        return Family(f"{PREFIX}fleet_{name}", "gauge", "s" if unit == "s" else "1", doc, tuple(samples))

    families = [
        family(
            "overdue", "1", "Whether the environment's ticks have stopped.", lambda each: int(is_overdue(each, now))
        ),
        family(
            "last_tick_timestamp_seconds",
            "s",
            "When the environment's last tick was, in seconds since 1970.",
            lambda each: _seconds(each.last_tick),
        ),
        family("runs_in_flight", "1", "The environment's runs in flight.", lambda each: each.in_flight),
        family(
            "last_run_timestamp_seconds",
            "s",
            "When the environment's newest run was opened, in seconds since 1970.",
            lambda each: _seconds(each.last_opened),
        ),
        family(
            "last_run_success",
            "1",
            "Whether the environment's newest run succeeded; absent if it is in flight, skipped or cancelled.",
            lambda each: _WELL.get(each.last_outcome or ""),
        ),
        family(
            "last_proved_backup_timestamp_seconds",
            "s",
            "When the environment last proved a backup, in seconds since 1970.",
            lambda each: _seconds(each.proved_at),
        ),
    ]
    since = min((each.last_opened for each in members if each.last_opened), default=now)
    return Measures(now, since, (), tuple(each for each in families if each.samples))


def _seconds(when: datetime | None) -> float | None:
    return when.timestamp() if when is not None else None
