"""The platform's state, which changes as time passes."""

from __future__ import annotations

import dataclasses
import re
from bisect import insort
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upsun_simulator.activity import Activity, Arrival, Plan
from upsun_simulator.activity_text import sentence
from upsun_simulator.backup import Backup
from upsun_simulator.domain import Domains
from upsun_simulator.environment import FAILED_COMMAND, Commit, Deployment, Environment
from upsun_simulator.history import Content, History, Origin
from upsun_simulator.ids import identifier
from upsun_simulator.integration import Integrations
from upsun_simulator.invitation import Invitations
from upsun_simulator.members import Members
from upsun_simulator.updates import first_locked
from upsun_simulator.user import OWNER
from upsun_simulator.variable import Variables

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.environment import EnvironmentType
    from upsun_simulator.scenario import Scenario, Status
    from upsun_simulator.ssh_key import SshKey
    from upsun_simulator.user import User

# A staging environment, and one whose id has to be percent-encoded.
OTHERS = ("staging", "feature/login")
AGE_OF_THE_PROJECT = timedelta(days=90)
TITLE = "Simulated project"


class PlatformState:
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
        self.history = History()
        self.history.lock_file_bytes = scenario.lock_file_bytes
        self.variables = Variables()
        self.invitations = Invitations()
        self.domains = Domains()
        self.ssh_keys: list[SshKey] = []
        self.integrations = Integrations(scenario, now - AGE_OF_THE_PROJECT)
        self._staged: list[Activity] = []
        self._count = 0
        self.organization = {"name": "simulated", "label": "Simulated organization", "country": "FR"}
        self.title, self.description, self.timezone = TITLE, "", "UTC"
        self.born = now - AGE_OF_THE_PROJECT
        self.members = Members(scenario, self.born)
        self.add_environment(scenario.environment, "production", title="Main")
        if scenario.environment not in OTHERS:
            self.add_environment(OTHERS[0], "staging", title="Staging", parent=scenario.environment)
            self.add_environment(OTHERS[1], "development", title="Login", parent=OTHERS[0])

    def count(self) -> int:
        """Return the next number; ids derive from it, so that two runs give the same ids."""
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
        """Create an active, deployed environment, with the code of its parent.

        Args:
            name: the name of the branch, which is the id.
            kind: the type.
            title: the title; None: the name.
            parent: the id of the parent; None: it has none.
            is_pr: whether it is that of a pull request.
        """
        environment = self._new(name, kind, title or name, parent, self.born, is_pr=is_pr)
        environment.record(Deployment(self.born, environment.head, "initial", successful=True))
        environment.live = self.variables.deployed(self.lineage(name))
        return environment

    def branch_off(self, parent: Environment, name: str, kind: EnvironmentType, *, title: str) -> Environment:
        """Create an environment that has a branch, and nothing that runs yet.

        Args:
            parent: the environment that it branches off.
            name: the name of the branch.
            kind: the type.
            title: the title.
        """
        environment = self._new(name, kind, title, parent.id, self.now)
        environment.status = "dirty"
        return environment

    def _new(
        self, name: str, kind: EnvironmentType, title: str, parent: str | None, at: datetime, *, is_pr: bool = False
    ) -> Environment:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
        environment = Environment(
            id=name,
            title=title,
            type=kind,
            machine_name=f"{slug}-{identifier(self.scenario.project, name)[:7]}",
            parent=parent,
            created_at=at,
            updated_at=at,
            is_pr=is_pr,
        )
        if parent is None:
            first = self.history.commit((), self._first_content(), Origin(at, OWNER, "Initial commit\n"))
        else:
            first = self.environments[parent].head
        environment.move_head(Commit(first, at, "initial"))
        self.environments[name] = environment
        return environment

    def _first_content(self) -> Content:
        """Return the content of the project's first commit."""
        one = self.scenario
        return Content("never", first_locked(one.lock_files, one.package_changes, one.raised_packages))

    def status_of(self, environment: Environment) -> Status:
        """Return the environment's status; production's is the scenario's."""
        if environment.id == self.scenario.environment:
            return self.scenario.status
        return environment.status

    def set_status(self, environment: Environment, status: Status, at: datetime) -> None:
        """Change the environment's status.

        Args:
            environment: the environment that is meant.
            status: the new status.
            at: when it happens, by the platform's clock.
        """
        if environment.id == self.scenario.environment:
            self.scenario = self.scenario.changed(status=status)
        else:
            environment.status = status
        environment.updated_at = at

    def deploys_manually(self, environment: Environment) -> bool:
        """Return whether changes wait to be deployed by hand: by the environment's setting, else the scenario's."""
        if environment.manual_deployment is None:
            return self.scenario.manual_deployment
        return environment.manual_deployment

    def remove_environment(self, name: str, at: datetime) -> None:
        """Remove an environment with all that belongs to it; its children become those of its parent."""
        gone = self.environments.pop(name)
        for one in self.environments.values():
            if one.parent == name:
                one.parent = gone.parent
        for backup in [one for one in self.backups if one.environment == name]:
            self.drop_backup(backup, at)
        self.variables.forget(name)
        self.domains.forget(name)
        self.open = [one for one in self.open if one.environment != name]
        self._staged = [one for one in self._staged if one.environment != name]

    def drop_backup(self, backup: Backup, at: datetime) -> None:
        """Remove a backup, and remember that it was there."""
        backup.evicted_at = at
        self.backups.remove(backup)
        self.evicted.append(backup)

    def lineage(self, environment: str) -> list[str]:
        """Return the ids of an environment and its ancestors, the nearest first; empty if it does not exist."""
        found: list[str] = []
        place = self.environments.get(environment)
        while place is not None:
            found.append(place.id)
            place = self.parent_of(place)
        return found

    def parent_of(self, environment: Environment) -> Environment | None:
        """Return the environment's parent."""
        return None if environment.parent is None else self.environments[environment.parent]

    def unfinished(self, environment: str) -> list[Activity]:
        """Return the environment's activities that are pending or in progress."""
        return [one for one in self.open if one.environment == environment and one.unfinished]

    def staged(self, environment: str) -> list[Activity]:
        """Return the environment's staged activities, which wait for a deployment."""
        return [one for one in self._staged if one.environment == environment and one.state == "staged"]

    def stage(self, activity: Activity) -> None:
        """Stage an activity until somebody deploys it; what it did so far counts as a success."""
        activity.state, activity.result = "staged", "success"
        self.open = [one for one in self.open if one is not activity]
        self._staged.append(activity)

    def add_activity(
        self,
        kind: str,
        environment: str,
        *,
        user: User,
        plan: Plan,
        parameters: dict[str, Any] | None = None,
        payload: dict[str, Any] | None = None,
        concerns: tuple[str, ...] = (),
        source: str | None = None,
        at: datetime | None = None,
    ) -> Activity:
        """Queue an activity behind the others of its environment; `source` is the environment that it takes from.

        Args:
            kind: the type.
            environment: the id of the environment in whose queue it stands.
            user: who asks for it.
            plan: what will become of it.
            parameters: the parameters of the request; None: none.
            payload: what only this activity knows; None: nothing.
            concerns: ids of other environments that list it too.
            source: the id of the environment that it takes from; None if there is none.
            at: when it was asked for; None: now.
        """
        at = self.now if at is None else at
        number = self.count()
        here = self.environments[environment]
        other = None if source is None else self.environments[source]
        what = (parameters or {}).get("cron")
        activity = Activity(
            number=number,
            id=identifier(self.scenario.project, "activity", number),
            type=kind,
            project=self.scenario.project,
            environment=environment,
            concerns=concerns,
            user=user,
            created_at=at,
            visible_from=at + timedelta(seconds=self.scenario.list_lag_seconds),
            readable_from=at + timedelta(seconds=self.scenario.activity_lag_seconds),
            ready_at=at + timedelta(seconds=self.scenario.queue_seconds),
            plan=self._with_oddities(kind, plan),
            parameters={"user": user.id, "environment": environment, **(parameters or {})},
            payload={"user": user.summary(), **(payload or {})},
            text=sentence(kind, user, here, other, what, html=False),
            description=sentence(kind, user, here, other, what, html=True),
        )
        insort(self.activities, activity, key=lambda one: one.created_at)
        self.open.append(activity)
        self.by_id[activity.id] = activity
        return activity

    def _with_oddities(self, kind: str, plan: Plan) -> Plan:
        """Return the plan with the scenario's effects on activities of any kind."""
        code = 0
        for text in self.scenario.failing_commands:
            name, _, wanted = text.partition("=")
            if kind.removeprefix("environment.") == name:
                code = int(wanted or FAILED_COMMAND)
        return dataclasses.replace(plan, exit_code=code, reschedule=self.scenario.reschedule_seconds)

    def move(self, activity: Activity, at: datetime) -> None:
        """Change the time at which an activity was requested."""
        self.activities.remove(activity)
        activity.created_at = activity.visible_from = activity.readable_from = activity.ready_at = at
        insort(self.activities, activity, key=lambda one: one.created_at)

    def release(self, activity: Activity) -> None:
        """Put a staged activity into the queue."""
        activity.state, activity.result, activity.completed_at = "pending", None, None
        activity.ready_at = self.now
        self.open.append(activity)
