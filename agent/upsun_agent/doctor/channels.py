"""Findings about notifications: the variables of the channels, mail, and what waits in the outbox."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from upsun_agent.config.notifications import HEARTBEAT, Channel, Notify
from upsun_agent.doctor import Finding, Level
from upsun_agent.model.durations import span
from upsun_agent.notify import outbox
from upsun_agent.notify.channels.http import Unusable
from upsun_agent.notify.channels.mail import HOST, relay
from upsun_agent.platform.paths import not_ours

STORE = "upsun variable:create --level environment --prefix env --sensitive true --inheritable false --name {name}"
#: Hosts to which plain http does not leave the project.
INSIDE = (".internal", "localhost", "127.0.0.1", "[::1]")


def channels(notify: Notify, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield one finding for each channel and the heartbeat, from the variables."""
    for channel in notify.channels.values():
        yield _channel(channel, environ)
    if notify.heartbeat is not None:
        flaw = _url_flaw(notify.heartbeat.url_variable, environ)
        every = span(notify.heartbeat.every)
        yield flaw or Finding(HEARTBEAT, Level.OK, f"ticks ping it every {every}, sometimes a few minutes late")


def _channel(channel: Channel, environ: Mapping[str, str]) -> Finding:
    name = f"notify {channel.name}"
    if channel.kind == "email":
        try:
            place = relay(environ)
        except Unusable as error:
            return Finding(name, Level.FAIL, str(error), f"the platform sets {HOST}; do not override it")
        if place is None:
            remedy = "mail is enabled in production; elsewhere: upsun environment:info enable_smtp true"
            return Finding(name, Level.WARN, f"mail is disabled here: {HOST} is empty", remedy)
        return Finding(name, Level.OK, f"mail to {', '.join(channel.to)} through {place[0]}:{place[1]}")
    for variable in filter(None, (channel.secret_variable,)):
        if not (environ.get(variable) or "").strip():
            return Finding(name, Level.FAIL, f"the variable {variable} is not set here", STORE.format(name=variable))
    flaw = _url_flaw(channel.url_variable or "", environ, name)
    return flaw or Finding(name, Level.OK, f"{channel.kind}, by the URL in {channel.url_variable}")


def _url_flaw(variable: str, environ: Mapping[str, str], name: str = HEARTBEAT) -> Finding | None:
    value = (environ.get(variable) or "").strip()
    if not value:
        return Finding(name, Level.FAIL, f"the variable {variable} is not set here", STORE.format(name=variable))
    host, scheme = "", ""
    with suppress(ValueError):
        parts = urlsplit(value)
        host, scheme = parts.hostname or "", parts.scheme
    if scheme not in {"http", "https"} or not host:
        return Finding(name, Level.FAIL, f"the variable {variable} is not an http or https URL", "store it again")
    if scheme == "http" and not host.endswith(INSIDE):
        text = f"the URL in {variable} is plain http: anyone on the network path can read and use it"
        return Finding(name, Level.WARN, text, "store its https form")
    return None


def waiting(facts: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about messages that wait in the outbox or were given up since the last delivery."""
    found, lost = outbox.waiting(facts), outbox.lost(facts)
    for loss in lost.values():
        text = f"{loss.count} messages for {loss.channel} were given up; last error: {loss.reason}"
        yield Finding("outbox", Level.WARN, text, f"try: upsun-agent notify test {loss.channel}")
    tried = [each for each in found if each.attempts]
    if tried:
        oldest = tried[0]
        text = f"{len(found)} messages wait, the oldest for {oldest.channel}: {oldest.reason}"
        yield Finding("outbox", Level.WARN, text, "ticks retry; see: upsun-agent notify list")
    elif not lost:
        yield Finding(
            "outbox", Level.OK, f"{len(found)} messages wait for the next tick" if found else "no message waits"
        )


def log_file(path: str) -> Finding:
    """Return the finding about the log file; ticks continue without it."""
    with suppress(OSError):
        why = not_ours(path, os.lstat(path))
        if why is not None:
            text = f"{path} cannot be used: {why}; log lines are not kept"
            return Finding("log file", Level.WARN, text, "find out who created it, then move it away")
    place = path if os.path.lexists(path) else os.path.dirname(path)
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        return Finding(
            "log file", Level.WARN, f"{path} cannot be written", "name a file on a mount: 'log-file' in [agent]"
        )
    return Finding("log file", Level.OK, path)
