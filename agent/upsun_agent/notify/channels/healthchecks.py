"""Pings for healthchecks.io: the start of a run, its success, its failure with the run's events."""

from __future__ import annotations

from typing import assert_never
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from upsun_agent.config.notifications import Channel
from upsun_agent.model.events import EventType
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.messages import run_uuid
from upsun_agent.notify.outcome import Outcome
from upsun_agent.notify.render import Notification, text

FAIL = "/fail"


def suffix(event_type: EventType) -> str:
    """Return the suffix of the check's URL (https://healthchecks.io/docs/http_api).

    `/log` does not change the check: only a success or a failure ends a run whose start was pinged; else the check
    alerts after its grace period.
    """
    match event_type:
        case EventType.STARTED:
            return "/start"
        case EventType.SUCCEEDED | EventType.RECOVERED:
            return ""
        case EventType.FAILED | EventType.MISSED | EventType.SUSPENDED | EventType.STATE_LOST | EventType.CANCELLED:
            return FAIL
        case EventType.SKIPPED | EventType.TEST:
            return "/log"
        case _:
            assert_never(event_type)


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Ping the check.

    Args:
        notification: the message and the run's events.
        channel: the channel in the job file.
        sender: sends the request.
        seconds: the time limit.

    Raises:
        Unusable: the variable with the URL is missing or not valid.
    """
    message = notification.message
    url = sender.url(channel.url_variable or "")
    query: dict[str, str] = {}
    if channel.per_job and message.job:
        url, query = below(url, f"/{message.job}"), {"create": "1"}
    if message.run and message.event_type != EventType.MISSED:
        query["rid"] = run_uuid((notification.project, notification.environment, notification.app), message.run)
    body = "" if message.event_type == EventType.STARTED else sender.clean(text(notification))
    headers = {"Content-Type": "text/plain; charset=utf-8", "Upsun-Agent-Id": message.id}
    return sender.post(below(url, suffix(message.event_type), query), body.encode(), headers, seconds)


def beat(variable: str, said: str, sender: HttpSender, seconds: float, *, failed: bool = False) -> Outcome:
    """Ping the heartbeat.

    Args:
        variable: the variable that holds the URL.
        said: the text of the ping.
        sender: sends the request.
        seconds: the time limit.
        failed: report that a tick could not work.

    Raises:
        Unusable: the variable with the URL is missing or not valid.
    """
    url = sender.url(variable)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return sender.post(below(url, FAIL) if failed else url, sender.clean(said).encode(), headers, seconds)


def below(url: str, end: str, query: dict[str, str] | None = None) -> str:
    """Return the URL with something appended.

    Args:
        url: the check's URL.
        end: what its path gets.
        query: what its parameters get.
    """
    parts = urlsplit(url)
    asked = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *(query or {}).items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + end, asked, ""))
