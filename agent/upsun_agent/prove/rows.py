"""The rows of a proof: what the agent assumes of the platform, what was seen, and what follows if both differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Outcome = Literal["as assumed", "differs", "not tried"]
#: What a fact may be: no text of the platform, of people or of the project.
Fact = bool | int | float | str | None


class Assumption(Struct, frozen=True):
    """Something that the agent assumes of the platform."""

    #: The number of the open question in the list of the documentation; None if it is an assumption only.
    question: int | None
    #: What it is about.
    about: str
    #: What the agent, and the simulator, assume.
    assumed: str
    #: What the agent does if that is wrong.
    then: str


#: Every assumption by the name of its row, in the order of the table.
ASSUMPTIONS: Mapping[str, Assumption] = {
    "page-size": Assumption(
        None,
        "the size of a page of activities",
        "10 without a count, and as many as the count says",
        "nothing: it names the count, reads on by date, and accepts a list only if no item is missing",
    ),
    "rate-limit": Assumption(
        7,
        "the rate limit of the API, and Retry-After",
        "20 reads in a row are answered; a refusal says in Retry-After when to ask again",
        "it waits as Retry-After says, and at least a minute before it sends a request again",
    ),
    "operation-role": Assumption(
        5,
        "the least role for backups and source operations",
        "the links #backup and #source-operation are offered to admins of the environment type, and to nobody else",
        "it reads the links of the environment; a job whose link is missing fails and names the role",
    ),
    "cron-overlap": Assumption(
        3,
        "two runs of one cron at the same time (several instances, deployments)",
        "the next run of a cron waits until the one before it has ended",
        "the second tick finds the lock, or the lease in the journal, and ends; nothing is requested twice",
    ),
    "python": Assumption(
        4,
        "python3 on the PATH of the app's container",
        "as the table of images says",
        "the build hook looks at the image itself, and brings an interpreter if that one is too old",
    ),
    "locks": Assumption(
        8,
        "locks of files on the mount of the state",
        "a lock that one process or instance holds keeps out all others",
        "the lease in the journal takes the place of the lock",
    ),
    "backup-activity": Assumption(
        None,
        "the answer to a request for a backup",
        "it embeds an activity environment.backup that names the backup",
        "the request counts as unanswered, and its activity is searched for before anything is sent again",
    ),
    "second-backup": Assumption(
        None,
        "a second backup while one runs",
        "it is queued",
        "a refusal is recorded as platform-busy and asked again after a pause; each backup is verified by itself",
    ),
    "cron-backup": Assumption(
        1,
        "a backup that is requested while a cron runs",
        "it begins once the cron has ended",
        "nothing: a tick never waits for its backup, a later one looks at it",
    ),
    "backup-proof": Assumption(
        None,
        "the backup of a successful activity",
        "it is listed by its name, CREATED, restorable, of this environment and not automated",
        "the step fails as proof-failed, and no update runs",
    ),
    "failed-backup": Assumption(
        6,
        "a backup that was cancelled or failed, in the list of backups",
        "it leaves no trace there",
        "nothing: a backup counts as verified only if it is CREATED and restorable",
    ),
    "cron-deploy": Assumption(
        2,
        "a deployment that is requested while a cron runs",
        "it begins once the cron has ended, which succeeds",
        "the journal is synced before each request: a tick that is killed loses nothing, the next one looks",
    ),
    "source-operation": Assumption(
        None,
        "the activity of a source operation, and the head",
        "it ends as success or failure, and a new head has the old one as its parent",
        "an activity without a result is read again, then the step ends as unknown; nothing is sent again",
    ),
    "commit-author": Assumption(
        5,
        "the author of the commit of a source operation",
        "the user whose token requested it",
        "nothing: it knows the commit by the activity and the head, not by its author",
    ),
}


class Row(Struct, frozen=True):
    """One assumption, and what was seen."""

    #: The name of the assumption.
    name: str
    #: Whether what was seen is as assumed, differs, or was not tried.
    outcome: Outcome
    #: What was seen, in words; why not, if it was not tried.
    seen: str
    #: The same for programs: numbers, truth values and words of the agent only.
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def assumption(self) -> Assumption:
        """Return what is assumed."""
        return ASSUMPTIONS[self.name]


def row(name: str, seen: str, *, same: bool, **facts: Fact) -> Row:
    """Return the row of something that was tried.

    Args:
        name: the name of the assumption.
        seen: what was seen, in words.
        same: whether it is as assumed.
        facts: the same for programs.
    """
    return Row(name, "as assumed" if same else "differs", seen, facts)


def not_tried(name: str, why: str) -> Row:
    """Return the row of something that was not tried."""
    return Row(name, "not tried", why)


def in_order(rows: Mapping[str, Row]) -> list[Row]:
    """Return one row for each assumption; those that are missing were not tried."""
    return [rows.get(name) or not_tried(name, "the command ended before") for name in ASSUMPTIONS]
