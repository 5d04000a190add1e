"""The environment on which a proof is played: reads, single requests, and waiting, through the API client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from upsun_agent.api.client import Client
from upsun_agent.api.http import Reply
from upsun_agent.api.models import read_activity, read_list
from upsun_agent.api.replies import Fields, document
from upsun_agent.clock import Clock
from upsun_agent.errors import BadReply, ConfigInvalid
from upsun_agent.limits import TICK_BUDGET
from upsun_agent.model.answers import Activity, Environment, Fate
from upsun_agent.model.links import is_within
from upsun_agent.model.resource_paths import environment_path, project_path, segment

POLL = 5.0  # seconds between two looks at an activity
CRON_PATIENCE = 390.0  # seconds: a cron that is started every five minutes, and its delay
ACTIVITY_PATIENCE = 1800.0  # seconds until an activity is given up
PAGE_MOST = 100  # items: what one page of activities has at most


class Timed(Struct, frozen=True):
    """An activity with the moments between which it ran."""

    #: The activity.
    activity: Activity
    #: When it began; None if it has not.
    started_at: datetime | None

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None if it has not."""
        return self.activity.completed_at

    @property
    def cron(self) -> tuple[str, str]:
        """Return the app and the name of the cron whose activity this is; empty texts if it does not say."""
        given = self.activity.parameters
        return str(given.get("application") or ""), str(given.get("cron") or "")


def timed(value: Any) -> Timed:
    """Return an activity of the API; raise BadReply if it cannot be read."""
    return Timed(read_activity(value), Fields.of(value, "activity").moment("started_at"))


class Place:
    """One environment that is not production, as one token sees it."""

    def __init__(self, client: Client, project: str, environment: str, clock: Clock) -> None:
        self.client = client
        self.project = project
        self.environment = environment
        self.clock = clock

    def look(self) -> Environment:
        """Return the environment; raise ConfigInvalid if it is production or its type is not a known one."""
        self.client.begin(TICK_BUDGET)
        seen = self.client.environment(self.project, self.environment)
        if seen.type not in {"development", "staging"}:
            text = f"{seen.id} is of the type {seen.type}: nothing is tried there"
            raise ConfigInvalid(text, remedy="name a development environment: check --prove ENVIRONMENT")
        return seen

    def path(self, end: str) -> str:
        """Return a path below the environment."""
        return environment_path(self.project, self.environment, end)

    def read(self, path: str, what: str) -> Any:
        """Return the document at a path of the API."""
        self.client.begin(TICK_BUDGET)
        return self.client.read(path, what)

    def once(self, path: str) -> Reply:
        """Return the answer to one read, whatever it is; nothing is repeated."""
        self.client.begin(TICK_BUDGET)
        return self.client.once(path)

    def request(self, link: str, body: Mapping[str, Any]) -> Reply | None:
        """Make one request at a link of the environment; None if the environment does not offer the link.

        Raises:
            ConfigInvalid: the environment is production.
            BadReply: the link leads elsewhere.
            NoAnswer: it may or may not have been acted on.
        """
        offered = self.look().links.get(link)
        if offered is not None and not is_within(offered, self.path("")):
            raise BadReply(f"the link {link} in the answer about the environment does not lead to it")
        return None if offered is None else self.client.post(offered, body)

    def activities(self, *, count: int | None = None, **query: str) -> list[Timed]:
        """Return one page of the environment's activities, newest first."""
        asked = urlencode({**query, **({"count": str(count)} if count is not None else {})})
        found = self.read(self.path(f"/activities?{asked}"), "activities")
        return [timed(each) for each in read_list(found, "activities")]

    def activity(self, name: str) -> Timed:
        """Return an activity by its id."""
        return timed(self.read(project_path(self.project, f"/activities/{segment(name)}"), "activity"))

    def running_cron(self) -> Timed | None:
        """Return a cron's activity that runs now, waiting for one for some minutes; None if there is none."""

        def look() -> Timed | None:
            found = self.activities(count=PAGE_MOST, type="environment.cron", state="in_progress")
            return next((each for each in found if each.started_at is not None and each.ended_at is None), None)

        return self._wait(look, CRON_PATIENCE)

    def ended(self, name: str) -> Timed | None:
        """Return an activity once it has ended; None if it has not after half an hour."""

        def look() -> Timed | None:
            found = self.activity(name)
            return None if found.activity.fate == Fate.RUNNING else found

        return self._wait(look, ACTIVITY_PATIENCE)

    def _wait(self, look: Callable[[], Timed | None], patience: float) -> Timed | None:
        until = self.clock.monotonic() + patience
        while (found := look()) is None and self.clock.monotonic() + POLL < until:
            self.clock.sleep(POLL)
        return found

    def pause(self) -> None:
        """Wait until the next look."""
        self.clock.sleep(POLL)


def embedded(reply: Reply, kind: str) -> Timed | None:
    """Return the activity of this type that an answer embeds; None if it has none."""
    with contextlib.suppress(Exception):
        listed = Fields.of(document(reply, "answer"), "answer").object("_embedded").get("activities")
        found = [timed(each) for each in listed] if isinstance(listed, list) else []
        return next((each for each in found if each.activity.type == kind), None)
    return None
