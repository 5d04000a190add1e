"""The platform's state, and the passage of time over it."""

from __future__ import annotations

import re
from bisect import insort
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.simulator import effects
from agent.simulator.activity import Activity, Plan
from agent.simulator.backup import Backup
from agent.simulator.environment import Commit, Deployment, Environment
from agent.simulator.identifier import commit_hash, identifier
from agent.simulator.invitation import Invitations
from agent.simulator.members import Members
from agent.simulator.variable import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from agent.simulator.environment import EnvironmentType
    from agent.simulator.scenario import Scenario, Status
    from agent.simulator.user import User

PARALLEL_ACTIVITIES = 2
# A staging environment, and one whose id has to be percent-encoded.
OTHERS = ("staging", "feature/login")
AGE_OF_THE_PROJECT = timedelta(days=90)
SHORTEST = timedelta(microseconds=1)


@dataclass(frozen=True)
class Arrival:
    """A commit that left through a source integration and is on its way back."""

    at: datetime
    environment: str
    commit: str
    plan: Plan


class World:
    """Environments, activities and backups of one project; deterministic for a given sequence of calls.

    Nothing happens between two calls of `settle`: each plays what should have happened meanwhile, in the
    order of time. `activities` is in the order of creation, `open` holds those that are not over.
    """

    def __init__(self, scenario: Scenario, now: datetime) -> None:
        self.scenario = scenario
        self.now = now
        self.activities: list[Activity] = []
        self.open: list[Activity] = []
        self.by_id: dict[str, Activity] = {}
        self.backups: list[Backup] = []
        self.evicted: list[Backup] = []
        self.arrivals: list[Arrival] = []
        self.environments: dict[str, Environment] = {}
        self.variables = Variables()
        self.invitations = Invitations()
        self._count = 0
        self._creation_times: set[datetime] = set()
        self.born = now - AGE_OF_THE_PROJECT
        self.members = Members(scenario, self.born)
        self.add_environment(scenario.environment, "production", title="Main")
        if scenario.environment not in OTHERS:
            self.add_environment(OTHERS[0], "staging", title="Staging", parent=scenario.environment)
            self.add_environment(OTHERS[1], "development", title="Login", parent=OTHERS[0])

    def count(self) -> int:
        """The next number; ids derive from it, so that two runs give the same ids."""
        self._count += 1
        return self._count

    def add_environment(
        self,
        name: str,
        kind: EnvironmentType,
        *,
        title: str | None = None,
        parent: str | None = None,
        is_pr: bool = False,
    ) -> Environment:
        """Create an active, deployed environment."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
        environment = Environment(
            id=name,
            title=title or name,
            type=kind,
            machine_name=f"{slug}-{identifier(self.scenario.project, name)[:7]}",
            parent=parent,
            created_at=self.born,
            updated_at=self.born,
            is_pr=is_pr,
        )
        first = commit_hash(self.scenario.project, name, "first")
        environment.move_head(Commit(first, self.born, "initial"))
        environment.record(Deployment(self.born, first, "initial", successful=True))
        self.environments[name] = environment
        environment.live = self.variables.deployed(self.environments, name)
        return environment

    def status_of(self, environment: Environment) -> Status:
        """The environment's status; production's is the scenario's."""
        if environment.id == self.scenario.environment:
            return self.scenario.status
        return environment.status

    def unfinished(self, environment: str) -> list[Activity]:
        """Activities of the environment that are pending or in progress."""
        return [one for one in self.open if one.environment == environment and one.unfinished]

    def staged(self, environment: str) -> list[Activity]:
        """Activities of the environment that wait for somebody to deploy."""
        return [one for one in self.activities if one.environment == environment and one.state == "staged"]

    def add_activity(
        self,
        kind: str,
        environment: str,
        *,
        user: User,
        plan: Plan,
        parameters: dict[str, Any] | None = None,
        payload: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Activity:
        """Queue an activity behind the others of its environment."""
        at = self.now if at is None else at
        number = self.count()
        title = self.environments[environment].title
        activity = Activity(
            number=number,
            id=identifier(self.scenario.project, "activity", number),
            type=kind,
            project=self.scenario.project,
            environment=environment,
            user=user,
            created_at=self._unused_moment(at),
            visible_from=at + timedelta(seconds=self.scenario.list_lag_seconds),
            ready_at=at + timedelta(seconds=self.scenario.queue_seconds),
            plan=plan,
            parameters={"environment": environment, **(parameters or {})},
            payload={"user": user.brief(), **(payload or {})},
            text=effects.sentence(kind, user, title, html=False),
            description=effects.sentence(kind, user, title, html=True),
            updated_at=at,
        )
        insort(self.activities, activity, key=lambda one: one.created_at)
        self.open.append(activity)
        self.by_id[activity.id] = activity
        return activity

    def _unused_moment(self, at: datetime) -> datetime:
        """A creation time that no other activity has, so that paging by creation time loses none."""
        while at in self._creation_times:
            at += SHORTEST
        self._creation_times.add(at)
        return at

    def move(self, activity: Activity, at: datetime) -> None:
        """Let an activity have been asked for at another moment."""
        self.activities.remove(activity)
        self._creation_times.discard(activity.created_at)
        activity.created_at = self._unused_moment(at)
        activity.visible_from = activity.ready_at = at
        insort(self.activities, activity, key=lambda one: one.created_at)

    def release(self, activity: Activity) -> None:
        """Let a staged activity take its place in the queue."""
        activity.state = "pending"
        activity.ready_at = activity.updated_at = self.now
        self.open.append(activity)

    def settle(self, now: datetime) -> None:
        """Play everything that should have happened up to `now`."""
        while True:
            self._start_what_may_start()
            moment = min(self._moments_ahead(), default=None)
            if moment is None or moment > now:
                break
            self.now = max(self.now, moment)
            self._play_the_moment()
            self.open = [one for one in self.open if one.unfinished]
        self.now = max(self.now, now)

    def _moments_ahead(self) -> Iterator[datetime]:
        for arrival in self.arrivals:
            yield arrival.at
        for one in self.open:
            if one.state == "pending" and one.ready_at > self.now:
                yield one.ready_at
            if one.state == "in_progress":
                yield from (moment for moment in (one.commits_at, one.ends_at) if moment is not None)

    def _play_the_moment(self) -> None:
        for arrival in [one for one in self.arrivals if one.at <= self.now]:
            self.arrivals.remove(arrival)
            effects.arrive(self, arrival)
        running = [one for one in self.open if one.state == "in_progress"]
        for one in running:
            if one.commits_at is not None and one.commits_at <= self.now:
                moment, one.commits_at = one.commits_at, None
                effects.commit(self, one, moment)
            if one.ends_at is not None and one.ends_at <= self.now:
                effects.end(self, one, one.ends_at)

    def _start_what_may_start(self) -> None:
        """One activity at a time per environment, two per project, production first, then by age."""
        running = [one for one in self.open if one.state == "in_progress"]
        busy = {one.environment for one in running}
        heads: dict[str, Activity] = {}
        for one in self.open:
            if one.state == "pending" and one.environment not in busy:
                heads.setdefault(one.environment, one)
        ready = [one for one in heads.values() if one.ready_at <= self.now]
        ready.sort(key=lambda one: (self.environments[one.environment].type != "production", one.number))
        for one in ready[: max(0, PARALLEL_ACTIVITIES - len(running))]:
            effects.begin(self, one, self.now)
