"""Channels, who is notified of which events, and the heartbeat, as the job file says them. Imported only then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from msgspec import Struct, field

from upsun_agent.model.events import EventType
from upsun_agent.validators import Path, Problem

Kind = Literal["healthchecks", "webhook", "slack", "email"]

#: What messages are about where the job file says nothing: what an operator has to know, and not every success.
DEFAULT_ON = (EventType.FAILED, EventType.MISSED, EventType.RECOVERED, EventType.SUSPENDED)
#: The name under which `notify test` knows the dead-man's switch.
HEARTBEAT = "heartbeat"

#: `user:password@` in any URL, and a token alone before the @ in one of the web; `ssh://git@` is no secret.
_CREDENTIALS = re.compile(r"://[^/\s?#:@]{0,300}:[^/\s?#@]{1,300}@|https?://[^/\s?#@]{1,300}@")


class Channel(Struct, frozen=True):
    """A channel for notifications. It has the names of variables only; their values are read when they are used."""

    #: The name of the channel.
    name: str
    #: The kind of channel.
    kind: Kind
    #: The name of the variable that holds the address; None if the kind has none.
    url_variable: str | None = None
    #: The name of the variable that holds the signing secret; None if it is not signed.
    secret_variable: str | None = None
    #: Whether the address holds the job's name, so that each job has a check of its own.
    per_job: bool = False
    #: The recipients of e-mails.
    to: tuple[str, ...] = ()
    #: The sender of e-mails; empty for other kinds.
    sender: str = ""


class Notices(Struct, frozen=True):
    """The events of a job that people are notified of, and the names of the channels."""

    #: The kinds of events that are told.
    on: frozenset[str]
    #: The names of the channels.
    to: frozenset[str]


class Heartbeat(Struct, frozen=True):
    """The dead-man's switch: a URL that a tick pings every so many seconds."""

    #: The name of the variable that holds the address.
    url_variable: str
    #: How often it is pinged, in seconds.
    every: int


class Notify(Struct, frozen=True):
    """Everything that the job file says about notifications. An unknown job has the defaults."""

    #: The channels, by name.
    channels: Mapping[str, Channel]
    #: What is told of a job that says nothing else.
    default: Notices
    #: What is told of other jobs, by their name.
    jobs: Mapping[str, Notices] = field(default_factory=dict)
    #: The heartbeat; None if there is none.
    heartbeat: Heartbeat | None = None

    def notices(self, job: str) -> Notices:
        """Return which events of the job people are notified of."""
        return self.jobs.get(job, self.default)

    def variables(self) -> list[str]:
        """Return the names of all variables that hold something secret."""
        named = [name for each in self.channels.values() for name in (each.url_variable, each.secret_variable) if name]
        return [*named, *([self.heartbeat.url_variable] if self.heartbeat else [])]


def read_notify(data: Mapping[str, Any]) -> Notify:
    """Return the part of a job file that is about notifications; ``data`` is the file as its definitions read it."""
    channels = {name: _channel(name, entry) for name, entry in data["notify"].items()}
    agent = data["agent"]
    default = _notices(agent.get("notify"), Notices(frozenset(DEFAULT_ON), frozenset(channels)))
    jobs = {name: _notices(job["notify"], default) for name, job in data["jobs"].items()}
    beat = agent.get("heartbeat")
    heartbeat = Heartbeat(beat["url-variable"], beat["every"]) if beat else None
    return Notify(channels, default, jobs, heartbeat)


def _channel(name: str, entry: Mapping[str, Any]) -> Channel:
    kind, settings = next(iter(entry.items()))
    return Channel(
        name,
        cast("Kind", kind),  # the definitions know these kinds only
        url_variable=settings.get("url-variable"),
        secret_variable=settings.get("secret-variable"),
        per_job=settings.get("per-job", False),
        to=settings.get("to", ()),
        sender=settings.get("from", ""),
    )


def _notices(said: Mapping[str, Any] | None, default: Notices) -> Notices:
    if said is None:
        return default
    on, to = said["on"], said["to"]
    return Notices(
        default.on if on is None else frozenset(on),
        default.to if to is None else frozenset(to),
    )


def notice_problems(data: Mapping[str, Any]) -> list[Problem]:
    """Return the problems between channels and the settings that name them, once every part is valid by itself."""
    channels, agent = data.get("notify", {}), data.get("agent", {})
    problems = [
        Problem(("notify", HEARTBEAT), f"'{HEARTBEAT}' is the name of the dead-man's switch", "choose another name")
        for name in channels
        if name == HEARTBEAT
    ]
    said: list[tuple[Path, Mapping[str, Any]]] = [(("agent",), agent)]
    said += [(("jobs", name), job) for name, job in data["jobs"].items()]
    known = ", ".join(channels) or "none"
    for path, table in said:
        for index, name in enumerate(table.get("notify", {}).get("to", ())):
            if name not in channels:
                remedy = f"the channels are: {known}; each is a table [notify.NAME]"
                problems.append(Problem((*path, "notify", "to", index), f"there is no channel '{name}'", remedy))
    return problems or list(_shared_checks(data))


def _shared_checks(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a check that two jobs ping never tells when one of them stops."""
    channels = data.get("notify", {})
    default = data.get("agent", {}).get("notify", {}).get("to", list(channels))
    for name, entry in channels.items():
        if "healthchecks" not in entry or entry["healthchecks"].get("per-job"):
            continue
        pinging = [
            (job, set(table.get("environment-types", ("production",))))
            for job, table in data["jobs"].items()
            if name in table.get("notify", {}).get("to", default)
        ]
        for place, (job, kinds) in enumerate(pinging):
            other = next((earlier for earlier, types in pinging[:place] if kinds & types), None)
            if other is not None:
                text = (
                    f"jobs '{other}' and '{job}' would ping one check, which could not notice that one of them stopped"
                )
                yield Problem(("notify", name), text, "set per-job = true with a ping key's URL, or name it in `to`")
                break


def credential_problems(data: Mapping[str, Any]) -> list[Problem]:
    """Return every text that holds a URL with a user or password: the job file is in Git, where everybody reads it."""
    remedy = "store the URL as a variable of the environment (upsun variable:create) and read it from there"
    return [
        Problem(path, "holds a URL with a user or password", remedy)
        for path, text in _texts(data, ())
        if _CREDENTIALS.search(text)
    ]


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
