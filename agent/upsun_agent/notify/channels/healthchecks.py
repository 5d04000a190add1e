"""Pings as healthchecks.io takes them: the start of a run, its success, its failure with what happened."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from upsun_agent.config.notifications import Channel
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.messages import EventType, run_uuid
from upsun_agent.notify.outcome import Outcome
from upsun_agent.notify.render import Notification, text

#: What is put behind the check's URL (healthchecks.io/docs/http_api). `/log` changes nothing about the check: only a
#: success or a failure ends a run whose start was told, or else the check alerts when its grace is over.
ENDS: dict[EventType, str] = {
    "started": "/start",
    "succeeded": "",
    "recovered": "",
    "failed": "/fail",
    "missed": "/fail",
    "suspended": "/fail",
    "state-lost": "/fail",
    "cancelled": "/fail",
    "skipped": "/log",
    "test": "/log",
}


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Ping the check; raises Unusable where its URL is not there."""
    message = notification.message
    url = sender.url(channel.url_variable or "")
    query: dict[str, str] = {}
    if channel.per_job and message.job:
        url, query = below(url, f"/{message.job}"), {"create": "1"}
    if message.run and message.moment != "missed":
        query["rid"] = run_uuid((notification.project, notification.environment, notification.app), message.run)
    body = "" if message.moment == "started" else sender.clean(text(notification))
    headers = {"Content-Type": "text/plain; charset=utf-8", "Upsun-Agent-Id": message.id}
    return sender.post(below(url, ENDS[message.moment], query), body.encode(), headers, seconds)


def beat(variable: str, said: str, sender: HttpSender, seconds: float, *, failed: bool = False) -> Outcome:
    """Ping the dead-man's switch, or say that a tick could not work; raises Unusable where its URL is not there."""
    url = sender.url(variable)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return sender.post(below(url, ENDS["failed"]) if failed else url, sender.clean(said).encode(), headers, seconds)


def below(url: str, end: str, query: dict[str, str] | None = None) -> str:
    """The URL with something behind its path, and more parameters behind those that it has."""
    parts = urlsplit(url)
    asked = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *(query or {}).items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + end, asked, ""))
