"""One operation of the platform, from the request to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.history import Breaks
    from upsun_simulator.scenario import BackupOutcome, DeployMode, DeployOutcome, Ending
    from upsun_simulator.updates import UpdatePlan
    from upsun_simulator.user import User

State = Literal["pending", "in_progress", "complete", "cancelled", "staged", "scheduled"]
Result = Literal["success", "failure"]

BACKUP = "environment.backup"
BACKUP_DELETE = "environment.backup.delete"
SOURCE_OPERATION = "environment.source-operation"
PUSH = "environment.push"
REDEPLOY = "environment.redeploy"
DEPLOY = "environment.deploy"
SYNCHRONIZE = "environment.synchronize"
MERGE = "environment.merge"
RESTORE = "environment.restore"
BRANCH = "environment.branch"
ACTIVATE = "environment.activate"
PAUSE = "environment.pause"
RESUME = "environment.resume"
DEACTIVATE = "environment.deactivate"
DELETE = "environment.delete"
UPDATE_HTTP_ACCESS = "environment.update.http_access"
UPDATE_SMTP = "environment.update.smtp"
UPDATE_ROBOTS = "environment.update.restrict_robots"
UPDATE_RESOURCES = "environment.resources.update"
DOMAIN_CREATE = "environment.domain.create"
DOMAIN_UPDATE = "environment.domain.update"
DOMAIN_DELETE = "environment.domain.delete"
# Changes of settings that a deployment brings live.
SETTING_CHANGES = (
    UPDATE_HTTP_ACCESS,
    UPDATE_SMTP,
    UPDATE_ROBOTS,
    UPDATE_RESOURCES,
    DOMAIN_CREATE,
    DOMAIN_UPDATE,
    DOMAIN_DELETE,
)
OPERATION = "environment.operation"
TASK = "environment.task"
CRON = "environment.cron"
VARIABLE_CREATE = "environment.variable.create"
VARIABLE_UPDATE = "environment.variable.update"
VARIABLE_DELETE = "environment.variable.delete"
VARIABLE_CHANGES = (VARIABLE_CREATE, VARIABLE_UPDATE, VARIABLE_DELETE)
UNFINISHED: tuple[State, ...] = ("pending", "in_progress", "scheduled")
ALMOST_DONE = 99
DONE = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The planned course of an activity; fixed when it is requested.

    `seconds` is None for one that lasts until somebody ends it. One that `commits` (a source operation, a merge,
    a synchronization) does so at its end, or `commits_after` its start when its own activity goes on with the
    deployment. `breaks` is what the commit of a source operation carries. What is `staged` waits for somebody to
    deploy it: the activity itself where it `stages_itself`, else a push behind it. `reschedule` are the seconds for
    which it is put off when its turn comes, `exit_code` is that of its command if it succeeds.
    """

    #: How long it runs; None until somebody ends it.
    seconds: float | None
    #: How it ends.
    ending: Ending = "success"
    #: Whether it makes or moves commits.
    commits: bool = False
    #: Seconds from its start to its commit, where its own activity then deploys; None: at its end.
    commits_after: float | None = None
    #: On which environment types its commit breaks the site.
    breaks: Breaks = "never"
    #: What its commit changes in lock files; None for the operation that takes the last commit back.
    update: UpdatePlan | None = None
    #: What becomes of the backup, for a backup.
    backup: BackupOutcome = "success"
    #: How the deployment that follows ends.
    deploy: DeployOutcome = "success"
    #: Seconds of the deployment that follows.
    deploy_seconds: float = 0
    #: Whether the deployment is part of this activity or follows it.
    deploy_mode: DeployMode = "follows"
    #: Whether the change waits until somebody deploys it.
    staged: bool = False
    #: Whether this activity waits itself, instead of a push behind it.
    stages_itself: bool = False
    #: Seconds for which it is put off once when its turn comes.
    reschedule: float = 0
    #: The exit code of its command, if it succeeds.
    exit_code: int = 0
    #: Whether its commit goes through a source integration.
    outside: bool = False
    #: Seconds until that commit comes back.
    outside_seconds: float = 0


@dataclass(frozen=True)
class Arrival:
    """A commit that was sent through a source integration and has not come back yet."""

    #: When it comes back.
    at: datetime
    #: The id of the environment.
    environment: str
    #: The hash of the commit.
    commit: str
    #: The plan of the activity that made the commit.
    plan: Plan


@dataclass(frozen=True)
class LogLine:
    """A line that the activity wrote, with its moment."""

    #: When it was written.
    at: datetime
    #: The text, with its line end.
    message: str


@dataclass(kw_only=True, eq=False)
class Activity:
    """What the platform records of one operation.

    It stands in the queue of its `environment`, and is listed for those that it `concerns` too. `worked` says
    that what it commits is done, `deploys` that the rest of it is a deployment, `deployed` that this came to its end.
    `payload` is what only this activity knows; `documents.payload` adds who, where and what.
    """

    #: Its place in the order in which activities were asked for, from 1.
    number: int
    #: The id.
    id: str
    #: The type, such as `environment.backup`.
    type: str
    #: The id of the project.
    project: str
    #: The id of the environment in whose queue it stands.
    environment: str
    #: Ids of other environments that list it too.
    concerns: tuple[str, ...] = ()
    #: Who asked for it.
    user: User
    #: When it was asked for.
    created_at: datetime
    #: From when on lists of activities show it.
    visible_from: datetime
    #: From when on it can be read by itself.
    readable_from: datetime
    #: From when on it may begin.
    ready_at: datetime
    #: What will become of it.
    plan: Plan
    #: The parameters of the request.
    parameters: dict[str, Any]
    #: What only this activity knows; `documents.payload` adds who, where and what.
    payload: dict[str, Any]
    #: What is done, as a plain sentence.
    text: str
    #: The same sentence in HTML, as the Console shows it.
    description: str
    #: The state.
    state: State = "pending"
    #: How it ended; None until then, or if it never began.
    result: Result | None = None
    #: Why it failed; None unless it did.
    failure_reason: str | None = None
    #: When it began; None until then.
    started_at: datetime | None = None
    #: When its commit is made, if it goes on with the deployment; None otherwise, and once that is done.
    commits_at: datetime | None = None
    #: When it ends; None until it begins, or if somebody has to end it.
    ends_at: datetime | None = None
    #: When it ended; None until then.
    completed_at: datetime | None = None
    #: When somebody cancelled it; None if nobody did.
    cancelled_at: datetime | None = None
    #: The hash of the commit that it made; None if it made none.
    commit: str | None = None
    #: Whether what it commits is done.
    worked: bool = False
    #: Whether the rest of it is a deployment.
    deploys: bool = False
    #: Whether that deployment came to its end.
    deployed: bool = False
    #: The commands that it ran, each with its app and exit code.
    commands: list[dict[str, Any]] = field(default_factory=list)
    #: The lines that it wrote, in order.
    log: list[LogLine] = field(default_factory=list)

    @property
    def unfinished(self) -> bool:
        """Return whether it is pending, scheduled or running; a staged activity is not."""
        return self.state in UNFINISHED

    def listed_for(self, environment: str) -> bool:
        """Return whether the environment's list of activities shows it."""
        return environment == self.environment or environment in self.concerns

    def percent(self, now: datetime) -> int:
        """Return the progress in whole percent; 100 only when it is complete.

        A cancelled or a staged activity stays below that: the official client asks for these states beside the
        percentage (ActivityMonitor).
        """
        if self.state == "complete":
            return DONE
        if self.state == "staged":
            return ALMOST_DONE
        if self.cancelled_at is not None:
            now = self.cancelled_at
        if self.started_at is None or self.ends_at is None or self.state in ("pending", "scheduled"):
            return 0
        whole = (self.ends_at - self.started_at).total_seconds()
        gone = (now - self.started_at).total_seconds()
        return min(ALMOST_DONE, int(DONE * gone / whole)) if whole > 0 else ALMOST_DONE

    def write(self, at: datetime, message: str) -> None:
        """Add a line to the activity's log."""
        self.log.append(LogLine(at, message))
