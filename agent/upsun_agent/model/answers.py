"""What the platform says of itself, as values: environment, activity, backup, and what one tick has seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from upsun_agent.model.failures import FailureKind
from upsun_agent.model.packages import LookAtChanges, PackageChanges


class CommandResult(Struct, frozen=True):
    """One command that the platform ran in an activity or a deployment: a hook, an operation.

    ``app`` and ``type`` are the platform's names (``deploy``, ``post_deploy``, ...), ``exit_code`` is 0 for success.
    """

    #: The app that the command belongs to.
    app: str
    #: The platform's name for the kind of command, such as ``deploy`` or ``post_deploy``.
    type: str
    #: The exit code; 0 is success.
    exit_code: int

    @property
    def words(self) -> str:
        """Return the command as a message names it."""
        return f"{self.type} of app {self.app} (exit code {self.exit_code})"


class Deployment(Struct, frozen=True):
    """The environment's word on its last deployment; ``commands`` are the hooks that ran in it."""

    #: Whether the last deployment succeeded.
    successful: bool
    #: When it ended (the platform's clock); None if the platform does not say.
    at: datetime | None
    #: The hooks that ran in it.
    commands: tuple[CommandResult, ...] = ()


class Rights(Struct, frozen=True):
    """Why an environment may not offer an operation, as far as the API says it; None where it does not.

    ``admin``: the token's user may act on environments of the type. ``source_operations``: the project has them.
    """

    #: Whether the token's user may act on environments of this type; None if the API does not say.
    admin: bool | None = None
    #: Whether the project has source operations; None if the API does not say.
    source_operations: bool | None = None


class Environment(Struct, frozen=True):
    """An environment as the API showed it at ``server_at`` (the server's own clock); ``path`` is its own in the API.

    ``is_pr``: it belongs to a pull request. ``rights`` are read where a link is missing that an admin would see.
    """

    #: The id in API paths, such as ``main``.
    id: str
    #: The type of the environment, such as ``production``.
    type: str
    #: The status as the platform names it, such as ``active`` or ``paused``.
    status: str
    #: Whether an activity is running on it.
    is_dirty: bool
    #: The commit that is checked out; None if the environment has no code.
    head_commit: str | None
    #: The path of each operation that the API offers, by its name, such as ``#backup``.
    links: Mapping[str, str]
    #: The server's clock when it answered.
    server_at: datetime
    #: The last deployment; None if the platform does not say.
    deployment: Deployment | None = None
    #: Whether activities wait for a deployment by hand.
    has_staged_activities: bool = False
    #: The id of its parent environment; None if it has none.
    parent: str | None = None
    #: Its own path in the API; empty if the API did not give it.
    path: str = ""
    #: When its last backup was made; None if there is none.
    last_backup_at: datetime | None = None
    #: Whether it belongs to a pull request.
    is_pr: bool = False
    #: Why a link may be missing; None if that was not read.
    rights: Rights | None = None


class Fate(StrEnum):
    """What an activity says of its operation. ``ODD``: it is over, and does not say how it ended."""

    RUNNING = "running"
    STAGED = "staged"  # it waits for a deployment that a person starts
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # or cancelled
    ODD = "odd"


#: The states of an activity that has not ended (https://developer.upsun.com/api/rest/activities).
RUNNING = frozenset({"pending", "in_progress", "scheduled"})


class Activity(Struct, frozen=True):
    """The platform's record of an operation. ``complete`` is not success: read ``fate``.

    ``completion_percent`` is None where the platform does not say it.
    """

    #: The id of the activity.
    id: str
    #: The kind of operation, such as ``environment.backup``.
    type: str
    #: The state as the platform names it, such as ``in_progress``; ``fate`` reads it.
    state: str
    #: ``success`` or ``failure``; None if the platform does not say.
    result: str | None
    #: When it was created (the platform's clock); None if the platform does not say.
    created_at: datetime | None
    #: When it ended (the platform's clock); None if the platform does not say.
    completed_at: datetime | None = None
    #: The id of the user who asked for it; None if the platform does not say.
    user: str | None = None
    #: What the request asked for, as the platform repeats it.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: What the platform says of the things it concerns, such as the backup's name.
    payload: Mapping[str, Any] = field(default_factory=dict)
    #: Why it failed, in the platform's words; None if it does not say.
    failure_reason: str | None = None
    #: What it does, in the platform's words.
    text: str = ""
    #: How far it is, 0 to 100; None if the platform does not say.
    completion_percent: int | None = None
    #: The commands that ran in it.
    commands: tuple[CommandResult, ...] = ()

    @property
    def fate(self) -> Fate:
        """Return what became of the operation, read as the official client reads it.

        An activity is over when it is cancelled, complete, at 100 percent or has a completion date, whatever the name
        of its state. A state that nobody knows, without any of these, is one that has not ended.
        """
        if self.state == "staged":
            return Fate.STAGED
        if self.state == "cancelled":
            return Fate.FAILED
        ended = self.completed_at is not None or (self.completion_percent or 0) >= 100  # noqa: PLR2004  percent
        if self.state != "complete" and not ended:
            return Fate.RUNNING
        if self.result in {"success", "failure"}:
            return Fate.SUCCEEDED if self.result == "success" else Fate.FAILED
        return Fate.RUNNING if self.state in RUNNING else Fate.ODD

    @property
    def finished(self) -> bool:
        """Return whether no further change is to come. One that is staged waits for a deployment."""
        return self.fate in {Fate.SUCCEEDED, Fate.FAILED, Fate.ODD}

    @property
    def succeeded(self) -> bool:
        """Return whether the operation ended with the result ``success``; a missing result is none."""
        return self.fate == Fate.SUCCEEDED

    @property
    def failing_commands(self) -> tuple[CommandResult, ...]:
        """Return the commands of the activity that ended with another exit code than 0."""
        return tuple(each for each in self.commands if each.exit_code)


class Backup(Struct, frozen=True):
    """A backup as listed. ``CREATED`` and ``DELETING`` are the only states there are."""

    #: The name of the backup.
    id: str
    #: ``CREATED`` or ``DELETING``; there are no other states.
    status: str
    #: Whether the platform says that it can be restored.
    restorable: bool
    #: The id of the environment that it is a backup of.
    environment: str
    #: When it was made (the platform's clock); None if the platform does not say.
    created_at: datetime | None
    #: Whether the environment was stopped for it, so that its data agree.
    safe: bool = True
    #: Whether the platform made it on its own schedule.
    automated: bool = False


class Trouble(Struct, frozen=True):
    """A look or a request that could not be made: what kind of trouble, in words, and the remedy."""

    #: What kind of trouble it is.
    kind: FailureKind
    #: What happened, in words.
    message: str
    #: What helps; empty if there is nothing to do.
    remedy: str = ""


# --- questions -------------------------------------------------------------------------------------------------

# ``environment`` is the id of the environment a question is about; empty means the run's own.

PROJECT = "*"  # no environment has this id: the activities of the whole project


class LookAtEnvironment(Struct, frozen=True):
    """Read an environment."""

    #: The id of the environment; empty for the run's own.
    environment: str = ""


class LookAtActivity(Struct, frozen=True):
    """Read one activity."""

    #: The id of the activity.
    id: str


class LookAtActivities(Struct, frozen=True):
    """List activities of an environment, newest first.

    ``types`` empty means all; ``since`` ends the listing at older ones; ``incomplete`` asks for running ones only.
    """

    #: The kinds of activities to list; empty for all.
    types: tuple[str, ...] = ()
    #: Activities that are older are not listed; None for no limit.
    since: datetime | None = None
    #: Whether to list only those that have not ended.
    incomplete: bool = False
    #: The id of the environment; empty for the run's own, ``PROJECT`` for all.
    environment: str = ""


class LookAtBackup(Struct, frozen=True):
    """Read one backup by its name."""

    #: The name of the backup.
    id: str
    #: The id of the environment; empty for the run's own.
    environment: str = ""


class LookAtBackups(Struct, frozen=True):
    """List the backups of an environment."""

    #: The id of the environment; empty for the run's own.
    environment: str = ""


class LookAtRoutes(Struct, frozen=True):
    """Find out at which addresses an environment is served."""

    #: The id of the environment; empty for the run's own.
    environment: str = ""


class LookAtPage(Struct, frozen=True):
    """Ask for a page of a site: within so many seconds, and whether its body holds a text.

    ``number`` tells one attempt of a step from the next.
    """

    #: The address of the page.
    url: str
    #: How long to wait for it, in seconds.
    within: int
    #: The text that its body must hold; empty if any body will do.
    contains: str = ""
    #: The number of the attempt, so that each attempt is a question of its own.
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
    | LookAtChanges
)

# --- answers ---------------------------------------------------------------------------------------------------


class ActivityList(Struct, frozen=True):
    """Activities as listed at ``server_at``; ``complete`` is false where the listing was cut at its bound."""

    #: The activities, newest first.
    items: tuple[Activity, ...]
    #: The server's clock when it answered.
    server_at: datetime
    #: Whether these are all; False if the list was cut at its limit.
    complete: bool = True


class Absent(Struct, frozen=True):
    """The thing asked for does not exist."""


class Owner(Struct, frozen=True):
    """The user that the token belongs to; None where the API does not say."""

    #: The id of the user; None if the API does not say.
    id: str | None


class Retention(Struct, frozen=True):
    """How many manual backups the project keeps, by environment type; types it does not say are left out."""

    #: How many manual backups are kept, by environment type.
    manual_limits: Mapping[str, int]


class BackupList(Struct, frozen=True):
    """The backups of the environment as listed."""

    #: The backups, as they are listed.
    items: tuple[Backup, ...]


class Routes(Struct, frozen=True):
    """The addresses at which an environment is served, its primary one first."""

    #: The addresses, the primary one first.
    urls: tuple[str, ...]


class Page(Struct, frozen=True):
    """The answer to a request for a page: its status, and whether the text was in it.

    ``status`` is None where no answer came; ``fault`` says why, or why its text could not be read.
    """

    #: The HTTP status; None if no answer came.
    status: int | None
    #: How long the answer took, in seconds.
    seconds: float
    #: Whether the text that was asked for is in the body.
    found: bool = True
    #: Why no answer came, or why the body could not be read; empty if all went well.
    fault: str = ""


_Seen = Environment | Activity | ActivityList | Backup | BackupList | Absent | Owner | Retention | Routes | Page
Answer = _Seen | PackageChanges | Trouble


class Observation(Struct, frozen=True):
    """All that one pass over a run has seen, in the order it was seen.

    ``answers`` maps each question to its answer and the number of that look, so that a decision can ask for
    something seen *after* something else.
    """

    #: The last answer to each question, with the number of that look.
    answers: Mapping[Question, tuple[int, Answer]] = field(default_factory=dict)
    #: How many looks were made.
    looks: int = 0

    def plus(self, question: Question, answer: Answer) -> Observation:
        """Return the same with one more answer; a later answer to the same question replaces the earlier."""
        number = self.looks + 1
        return replace(self, answers={**self.answers, question: (number, answer)}, looks=number)

    def environments(self) -> Observation:
        """Return the same with nothing but what was seen of environments."""
        kept: dict[Question, tuple[int, Answer]] = {
            each: answer for each, answer in self.answers.items() if isinstance(each, LookAtEnvironment)
        }
        return replace(self, answers=kept)

    def number(self, question: Question) -> int:
        """Return when the question was last answered; 0 where it never was."""
        return self.answers[question][0] if question in self.answers else 0

    def get(self, question: Question) -> Answer | None:
        """Return the latest answer to the question."""
        return self.answers[question][1] if question in self.answers else None
