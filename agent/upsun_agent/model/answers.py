"""What the platform says of itself, as values: environment, activity, backup, and what one tick has seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

TroubleKind = Literal[
    "unreachable", "bad-reply", "token", "second-factor", "permission", "not-found", "settings", "budget"
]


class CommandResult(Struct, frozen=True):
    """One command that the platform ran in an activity or a deployment: a hook, an operation.

    ``app`` and ``type`` are the platform's names (``deploy``, ``post_deploy``, ...), ``exit_code`` is 0 for success.
    """

    app: str
    type: str
    exit_code: int

    @property
    def words(self) -> str:
        """Return the command as a message names it."""
        return f"{self.type} of app {self.app} (exit code {self.exit_code})"


class Deployment(Struct, frozen=True):
    """The environment's word on its last deployment; ``commands`` are the hooks that ran in it."""

    successful: bool
    at: datetime | None
    commands: tuple[CommandResult, ...] = ()


class Rights(Struct, frozen=True):
    """Why an environment may not offer an operation, as far as the API says it; None where it does not.

    ``admin``: the token's user may act on environments of the type. ``source_operations``: the project has them.
    """

    admin: bool | None = None
    source_operations: bool | None = None


class Environment(Struct, frozen=True):
    """An environment as the API showed it at ``server_at`` (the server's own clock); ``path`` is its own in the API.

    ``is_pr``: it belongs to a pull request. ``rights`` are read where a link is missing that an admin would see.
    """

    id: str
    type: str
    status: str
    is_dirty: bool
    head_commit: str | None
    links: Mapping[str, str]
    server_at: datetime
    deployment: Deployment | None = None
    has_staged_activities: bool = False
    parent: str | None = None
    path: str = ""
    last_backup_at: datetime | None = None
    is_pr: bool = False
    rights: Rights | None = None


#: What an activity says of its operation. ``odd``: it is over, and does not say how it ended.
Fate = Literal["running", "staged", "succeeded", "failed", "odd"]

#: The states of an activity that has not ended (https://developer.upsun.com/api/rest/activities).
RUNNING = frozenset({"pending", "in_progress", "scheduled"})


class Activity(Struct, frozen=True):
    """The platform's record of an operation. ``complete`` is not success: read ``fate``.

    ``completion_percent`` is None where the platform does not say it.
    """

    id: str
    type: str
    state: str
    result: str | None
    created_at: datetime | None
    completed_at: datetime | None = None
    user: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)
    failure_reason: str | None = None
    text: str = ""
    completion_percent: int | None = None
    commands: tuple[CommandResult, ...] = ()

    @property
    def fate(self) -> Fate:
        """Return what became of the operation, read as the official client reads it.

        An activity is over when it is cancelled, complete, at 100 percent or has a completion date, whatever the name
        of its state. A state that nobody knows, without any of these, is one that has not ended.
        """
        if self.state == "staged":
            return "staged"
        if self.state == "cancelled":
            return "failed"
        ended = self.completed_at is not None or (self.completion_percent or 0) >= 100  # noqa: PLR2004  percent
        if self.state != "complete" and not ended:
            return "running"
        if self.result in {"success", "failure"}:
            return "succeeded" if self.result == "success" else "failed"
        return "running" if self.state in RUNNING else "odd"

    @property
    def finished(self) -> bool:
        """Return whether no further change is to come. One that is staged waits for a deployment."""
        return self.fate in {"succeeded", "failed", "odd"}

    @property
    def succeeded(self) -> bool:
        """Return whether the operation ended with the result ``success``; a missing result is none."""
        return self.fate == "succeeded"

    @property
    def failing_commands(self) -> tuple[CommandResult, ...]:
        """Return the commands of the activity that ended with another exit code than 0."""
        return tuple(each for each in self.commands if each.exit_code)


class Backup(Struct, frozen=True):
    """A backup as listed. ``CREATED`` and ``DELETING`` are the only states there are."""

    id: str
    status: str
    restorable: bool
    environment: str
    created_at: datetime | None
    safe: bool = True
    automated: bool = False


class Trouble(Struct, frozen=True):
    """A look or a request that could not be made: what kind of trouble, in words, and the remedy."""

    kind: TroubleKind
    message: str
    remedy: str = ""


# --- questions -------------------------------------------------------------------------------------------------

# ``environment`` is the id of the environment a question is about; empty means the run's own.

PROJECT = "*"  # no environment has this id: the activities of the whole project


class LookAtEnvironment(Struct, frozen=True):
    """Read an environment."""

    environment: str = ""


class LookAtActivity(Struct, frozen=True):
    """Read one activity."""

    id: str


class LookAtActivities(Struct, frozen=True):
    """List activities of an environment, newest first.

    ``types`` empty means all; ``since`` ends the listing at older ones; ``incomplete`` asks for running ones only.
    """

    types: tuple[str, ...] = ()
    since: datetime | None = None
    incomplete: bool = False
    environment: str = ""


class LookAtBackup(Struct, frozen=True):
    """Read one backup by its name."""

    id: str
    environment: str = ""


class LookAtBackups(Struct, frozen=True):
    """List the backups of an environment."""

    environment: str = ""


class LookAtRoutes(Struct, frozen=True):
    """Find out at which addresses an environment is served."""

    environment: str = ""


class LookAtPage(Struct, frozen=True):
    """Ask for a page of a site: within so many seconds, and whether its body holds a text.

    ``number`` tells one attempt of a step from the next.
    """

    url: str
    within: int
    contains: str = ""
    number: int = 0


class LookAtOwner(Struct, frozen=True):
    """Find out which user the token belongs to."""


class LookAtRetention(Struct, frozen=True):
    """Find out how many manual backups the project keeps."""


Question = (
    LookAtEnvironment
    | LookAtActivity
    | LookAtActivities
    | LookAtBackup
    | LookAtBackups
    | LookAtOwner
    | LookAtRetention
    | LookAtRoutes
    | LookAtPage
)

# --- answers ---------------------------------------------------------------------------------------------------


class ActivityList(Struct, frozen=True):
    """Activities as listed at ``server_at``; ``complete`` is false where the listing was cut at its bound."""

    items: tuple[Activity, ...]
    server_at: datetime
    complete: bool = True


class Absent(Struct, frozen=True):
    """The thing asked for does not exist."""


class Owner(Struct, frozen=True):
    """The user that the token belongs to; None where the API does not say."""

    id: str | None


class Retention(Struct, frozen=True):
    """How many manual backups the project keeps, by environment type; types it does not say are left out."""

    manual_limits: Mapping[str, int]


class BackupList(Struct, frozen=True):
    """The backups of the environment as listed."""

    items: tuple[Backup, ...]


class Routes(Struct, frozen=True):
    """The addresses at which an environment is served, its primary one first."""

    urls: tuple[str, ...]


class Page(Struct, frozen=True):
    """What came of asking for a page: its status, and whether the text was there.

    ``status`` is None where no answer came; ``fault`` says why, or why its text could not be read.
    """

    status: int | None
    seconds: float
    found: bool = True
    fault: str = ""


Answer = (
    Environment | Activity | ActivityList | Backup | BackupList | Absent | Owner | Retention | Routes | Page | Trouble
)


class Observation(Struct, frozen=True):
    """All that one pass over a run has seen, in the order it was seen.

    ``answers`` maps each question to its answer and the number of that look, so that a decision can ask for
    something seen *after* something else.
    """

    answers: Mapping[Question, tuple[int, Answer]] = field(default_factory=dict)
    looks: int = 0

    def plus(self, question: Question, answer: Answer) -> Observation:
        """The same with one more answer; a later answer to the same question replaces the earlier."""
        number = self.looks + 1
        return replace(self, answers={**self.answers, question: (number, answer)}, looks=number)

    def environments(self) -> Observation:
        """The same with nothing but what was seen of environments."""
        kept: dict[Question, tuple[int, Answer]] = {
            each: answer for each, answer in self.answers.items() if isinstance(each, LookAtEnvironment)
        }
        return replace(self, answers=kept)

    def number(self, question: Question) -> int:
        """When the question was last answered; 0 where it never was."""
        return self.answers[question][0] if question in self.answers else 0

    def get(self, question: Question) -> Answer | None:
        """The latest answer to the question."""
        return self.answers[question][1] if question in self.answers else None
