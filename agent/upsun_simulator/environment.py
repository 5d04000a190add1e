"""One environment of the project: its code, its deployments, its state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.scenario import Status
    from upsun_simulator.variable import Variable

CronStatus = Literal["running", "paused", "sleeping"]
EnvironmentType = Literal["production", "staging", "development"]
# The app that every environment has.
APP = "app"
FAILED_COMMAND = 1


@dataclass(frozen=True)
class Commit:
    """A commit that became the head at a moment."""

    #: The hash.
    sha: str
    #: When it became the head.
    at: datetime
    #: The id of the activity that moved the head, or how else it came.
    by: str


@dataclass(frozen=True)
class Deployment:
    """One attempt to bring the head live."""

    #: When it ended.
    at: datetime
    #: The hash of the commit that was deployed.
    commit: str
    #: The id of the activity that deployed.
    activity: str
    #: Whether it worked.
    successful: bool
    #: The commands of the activity, each with its app and exit code.
    commands: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class DataNote:
    """The source of an environment's data: the id of an environment or backup, and when."""

    #: The id of an environment or of a backup.
    source: str
    #: When the data came.
    at: datetime


@dataclass(frozen=True)
class HttpAccess:
    """Access to the site: `addresses` are rules of `permission` and `address`, `basic_auth` passwords by name."""

    #: Whether the rules hold.
    is_enabled: bool = True
    #: Rules of `permission` and `address`, in order.
    addresses: list[dict[str, str]] = field(default_factory=list)
    #: Passwords by user name.
    basic_auth: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Environment:
    """A branch and its containers."""

    #: The id, which is the name of the branch.
    id: str
    #: The title.
    title: str
    #: The type.
    type: EnvironmentType
    #: The name in host names of its sites.
    machine_name: str
    #: The id of its parent; None for the main environment.
    parent: str | None
    #: When it was created.
    created_at: datetime
    #: When it was changed last.
    updated_at: datetime
    #: The status.
    status: Status = "active"
    #: What the platform does with its crons.
    crons: CronStatus = "running"
    #: Its heads, in the order in which they became the head.
    commits: list[Commit] = field(default_factory=list)
    #: Its deployments, in order.
    deployments: list[Deployment] = field(default_factory=list)
    #: When its backups were taken, in order.
    backup_moments: list[datetime] = field(default_factory=list)
    #: Where its data came from when it was created or synchronized; None if from nowhere.
    data_from: DataNote | None = None
    #: The backup that was restored last; None if none was.
    data_restored_from: DataNote | None = None
    #: Whether it is that of a pull request.
    is_pr: bool = False
    #: Whether it may send mail; None: the type of environment decides.
    enable_smtp: bool | None = None
    #: Whether search engines are kept away; None: the type of environment decides.
    restrict_robots: bool | None = None
    #: Whether changes wait until somebody deploys them; None: the project decides.
    manual_deployment: bool | None = None
    #: Who may open the site, after the next deployment.
    http_access: HttpAccess = field(default_factory=HttpAccess)
    #: Who may open the site, as the last deployment that worked put it there.
    guarded: HttpAccess = field(default_factory=HttpAccess)
    #: Attributes that somebody set, by name.
    attributes: dict[str, str] = field(default_factory=dict)
    #: Whether it began with its parent's data.
    clone_parent_on_create: bool = True
    #: What was set for each container, by its name: `profile_size`, `instance_count`, `disk`.
    sizes: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What of `sizes` is deployed.
    sized: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The variables that the last deployment that worked put into the containers.
    live: list[Variable] = field(default_factory=list)

    @property
    def last_backup_at(self) -> datetime | None:
        """Return when the newest backup was made."""
        return max(self.backup_moments, default=None)

    @property
    def head(self) -> str:
        """Return the commit that the branch points to."""
        return self.commits[-1].sha

    @property
    def deployed(self) -> str | None:
        """Return the commit that is live: the one of the last deployment that worked."""
        return next((one.commit for one in reversed(self.deployments) if one.successful), None)

    def summary(self) -> dict[str, Any]:
        """Return the few fields that the payload of an activity carries."""
        return {
            "id": self.id,
            "name": self.id,
            "title": self.title,
            "machine_name": self.machine_name,
            "type": self.type,
        }

    def seen_at(self, at: datetime) -> Environment:
        """Return the environment as it was at a moment: its commits, its deployments and its last backup."""
        commits = [one for one in self.commits if one.at <= at] or self.commits[:1]
        deployments = [one for one in self.deployments if one.at <= at] or self.deployments[:1]
        updated_at = max([one.at for one in commits] + [one.at for one in deployments], default=self.created_at)
        backup_at = max((moment for moment in self.backup_moments if moment <= at), default=None)
        return replace(
            self,
            commits=commits,
            deployments=deployments,
            updated_at=min(self.updated_at, updated_at),
            backup_moments=[backup_at] if backup_at is not None else [],
        )

    def move_head(self, commit: Commit) -> None:
        """Make `commit` the head."""
        self.commits.append(commit)
        self.updated_at = commit.at

    def record(self, deployment: Deployment) -> None:
        """Add a deployment, successful or failed."""
        self.deployments.append(deployment)
        self.updated_at = deployment.at
