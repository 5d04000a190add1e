"""Every kind of failure: the stable word in the journal, the logs and JSON, what it means, and who must act.

``docs/reference/failure-kinds.md`` is generated from this module. An event keeps the word as text, so that a journal
with a word of another version can be read; everything that decides on a kind or names one uses ``FailureKind``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

#: Exit codes, as errors.py has them: the engine, which uses this module, imports no errors.
NONE, FAILED, NO_REPLY, AWAY, NOT_ALLOWED, MISTAKEN = 0, 1, 65, 69, 77, 78

YOU, NOBODY = "you", "no one"
#: What helps where it is not known what became of a request or a command.
LOOK = "look at the environment and its activities before you do anything else"
#: What helps after a failed activity.
READ = "read its log: upsun-agent logs JOB --platform"
#: What helps where the backup to restore cannot be used.
USE_ANOTHER = "name another backup (upsun backup:list shows them)"
#: What helps where a person ended something.
AGAIN = "run the job again if that was a mistake"
#: What helps where the run goes on by itself.
LATER = "the next tick tries again"


class FailureKind(StrEnum):
    """Why a step or a run failed, a slot was not run, or a request could not be made.

    A member is written as word, meaning, who must act, remedy, and the exit code of a tick in which a run fails with
    it, or waits for it. Without a code it is 1; 0 means that no run fails with it.
    """

    #: What happened, as a sentence.
    meaning: str
    #: Who must act.
    who: str
    #: What to do, or what the agent does.
    remedy: str
    #: The exit code of a tick in which a run fails with it, or waits for it; 0 where no run does.
    exit_code: int

    def __new__(cls, word: str, meaning: str, who: str, remedy: str, exit_code: int = FAILED) -> Self:
        """Return the member whose value is the word."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning, member.who, member.remedy, member.exit_code = meaning, who, remedy, exit_code
        return member

    # --- the platform and its API -----------------------------------------------------------------------------

    UNREACHABLE = (
        "unreachable",
        "The API cannot be reached, or does not answer in time.",
        NOBODY,
        LATER,
        AWAY,
    )
    BAD_REPLY = (
        "bad-reply",
        "The answer is not one that the API documents.",
        NOBODY,
        f"{LATER}; if it stays, look for a proxy or firewall that answers in place of the API",
        NO_REPLY,
    )
    TOKEN = (
        "token",
        "There is no API token, or it is refused.",
        YOU,
        "store a valid token as a variable that is visible at runtime (upsun-agent setup token)",
        NOT_ALLOWED,
    )
    SECOND_FACTOR = (
        "second-factor",
        "The API asks for a second factor.",
        YOU,
        "enable two-factor authentication for the token's user, then create a new API token",
        NOT_ALLOWED,
    )
    PERMISSION = (
        "permission",
        "The token's user lacks a role.",
        YOU,
        "grant the role that the message names; a backup needs the role admin on the type of the environment",
        NOT_ALLOWED,
    )
    NOT_FOUND = (
        "not-found",
        "The project or an environment does not exist, or the token's user cannot see it.",
        YOU,
        "correct the id in the job file, or give the user access",
        MISTAKEN,
    )
    NOT_OFFERED = (
        "not-offered",
        "The environment does not offer the operation, and no role would change that.",
        YOU,
        "do what the message names; the plan or the state of the environment does not allow it",
        MISTAKEN,
    )
    SETTINGS = (
        "settings",
        "A variable about the network is not valid.",
        YOU,
        "fix the variable that the message names",
        MISTAKEN,
    )
    BUDGET = ("budget", "The time of the tick is used up.", NOBODY, "the next tick continues", NONE)
    REFUSED = (
        "refused",
        "The platform refused the request for a reason of its own.",
        YOU,
        "read what the platform said: the message quotes it",
    )
    PLATFORM_BUSY = (
        "platform-busy",
        "The platform refused the request for now: too many requests, or other work on the same thing.",
        NOBODY,
        "the request is made again later, until the run's time limit",
        NONE,
    )

    # --- before a step begins ---------------------------------------------------------------------------------

    ENVIRONMENT_TYPE = (
        "environment-type",
        "The environment is not of a type on which the job runs.",
        YOU,
        "add the type to 'environment-types', or do nothing if the job is meant for another environment",
    )
    ENVIRONMENT_INACTIVE = (
        "environment-inactive",
        "The environment is paused, inactive or being deleted.",
        YOU,
        "activate or resume the environment, or run the job on another one",
    )
    NO_PROVED_BACKUP = (
        "no-proved-backup",
        "No backup was proved in this run, or the proved one was lost since.",
        YOU,
        "see which backups there are (upsun backup:list); keep more manual backups, or run the job again",
    )
    WOULD_EVICT = (
        "would-evict",
        "Another backup would take the place of the only good manual backup.",
        YOU,
        "keep at least two manual backups (project settings, backup retention), or delete a bad one",
    )
    NO_PARENT = ("no-parent", "The environment has no parent.", YOU, "name an environment that has one")
    WRONG_PARENT = (
        "wrong-parent",
        "The environment's parent is not the one that the job names.",
        YOU,
        "fix 'into', or the environment's parent",
    )
    BACKUP_GONE = ("backup-gone", "The backup to restore does not exist any more.", YOU, USE_ANOTHER)
    BACKUP_UNFIT = (
        "backup-unfit",
        "The backup is not restorable, or belongs to another environment.",
        YOU,
        USE_ANOTHER,
    )
    UNKNOWN_STEP = (
        "unknown-step",
        "This version of the agent does not know the kind of step.",
        YOU,
        "run the job again with the version that opened the run, or with the job file of today",
    )

    # --- the activity of a step -------------------------------------------------------------------------------

    ACTIVITY_FAILED = (
        "activity-failed",
        "The activity of the step failed.",
        YOU,
        READ,
    )
    ACTIVITY_CANCELLED = (
        "activity-cancelled",
        "Somebody cancelled the activity of the step.",
        YOU,
        AGAIN,
    )
    COMMANDS_FAILED = (
        "commands-failed",
        "The activity succeeded, but a command in it failed.",
        YOU,
        READ,
    )
    DEPLOYMENT_FAILED = (
        "deployment-failed",
        "The deployment failed; a commit that the step made stays.",
        YOU,
        "read the deployment's log; fix it with a push, or restore the proved backup (upsun backup:restore)",
    )
    DEPLOYMENT_MISSING = (
        "deployment-missing",
        "A commit was made, but no deployment followed.",
        YOU,
        "push or redeploy by hand, and look at the activities",
    )
    STILL_STAGED = (
        "still-staged",
        "The activity succeeded, but something is still staged.",
        YOU,
        "look at the environment in the Console",
    )
    WRONG_STATUS = (
        "wrong-status",
        "The activity succeeded, but the environment is in another state.",
        YOU,
        "look at the environment in the Console",
    )
    BACKUP_UNNAMED = (
        "backup-unnamed",
        "The activity succeeded, but does not name the backup.",
        YOU,
        "look at the backups (upsun backup:list): there may be a good one",
    )
    PROOF_FAILED = (
        "proof-failed",
        "The backup is not restorable, of another environment, or too old.",
        YOU,
        "look at the backup in the Console (or: upsun backup:list), and run the job again",
    )
    ATTEMPTS = (
        "attempts",
        "The request was made several times, and never had an effect.",
        YOU,
        "see status.upsun.com and the agent's log",
    )
    NO_ACTIVITY = (
        "no-activity",
        "The list of activities shows no trace of the request yet; it is read again before the request is repeated.",
        NOBODY,
        "the next ticks read the list again",
        NONE,
    )
    UNKNOWN = ("unknown", "It is not known what became of a request.", YOU, LOOK)

    # --- steps that only look, wait or run a command ----------------------------------------------------------

    CHECK_FAILED = (
        "check-failed",
        "The page has another status, gave no answer in time, or lacks the text.",
        YOU,
        "open the page, and look at the app's log",
    )
    NO_ROUTE = (
        "no-route",
        "The environment has no route that leads to an app.",
        YOU,
        "name the page with 'url'",
    )
    NO_DEPLOYMENT = (
        "no-deployment",
        "The environment has no current deployment, so that its routes are not known.",
        YOU,
        "deploy the environment, or name the page with 'url'",
    )
    COMMAND_FAILED = (
        "command-failed",
        "The command ended with an exit code that does not count as success.",
        YOU,
        "run it by hand in an SSH session",
    )
    COMMAND_TIMEOUT = (
        "command-timeout",
        "The command was killed at its time limit.",
        YOU,
        "give it more time with 'within', or make it a runtime operation",
    )
    INTERRUPTED = (
        "interrupted",
        "The tick was killed while the command ran: it is not known how far it came.",
        YOU,
        "look at what the command did; set repeatable = true if it may be run twice",
    )
    DENIED = ("denied", "Somebody denied the approval.", NOBODY, AGAIN)
    NOT_APPROVED = (
        "not-approved",
        "Nobody approved the step in time.",
        YOU,
        "run the job again, and approve it: upsun-agent approve JOB",
    )

    # --- time -------------------------------------------------------------------------------------------------

    TIMEOUT = (
        "timeout",
        "The run's time limit passed.",
        YOU,
        "look at the environment's activities; 'timeout' in the job file sets the limit",
    )
    STEP_TIMEOUT = (
        "step-timeout",
        "The step's time limit passed; its activity may still be running.",
        YOU,
        "look at the environment's activities",
    )
    TOO_LATE = (
        "too-late",
        "The run could not begin within the grace period of the slot.",
        YOU,
        "see what the run waited for; 'misfire-grace' in the job file says how late a run may begin",
    )

    # --- slots that did not run, and runs that a person ended -------------------------------------------------

    MISSED = (
        "missed",
        "Slots passed without a run: no tick ran in time, or only the latest slot is caught up.",
        YOU,
        "see why: upsun-agent why JOB; check the cron if no tick ran",
        NONE,
    )
    OVERLAP = (
        "overlap",
        "The job's previous run was still in flight when the slot fell due.",
        NOBODY,
        'the next slot runs as usual; overlap = "wait" lets the slot wait',
        NONE,
    )
    PAUSED = (
        "paused",
        "A person had paused the job when the slot fell due.",
        YOU,
        "let it run again: upsun-agent resume JOB",
        NONE,
    )
    SUSPENDED = (
        "suspended",
        "Failed runs had suspended the job when the slot fell due.",
        YOU,
        "let it run again: upsun-agent resume JOB",
        NONE,
    )
    CONDITION = (
        "condition",
        "A condition of the job excluded the slot.",
        NOBODY,
        "no action is needed; 'when' in the job file holds the conditions",
        NONE,
    )
    CANCELLED = ("cancelled", "A person cancelled the run.", NOBODY, AGAIN, NONE)

    # --- rollback and the journal -----------------------------------------------------------------------------

    ROLLBACK_FAILED = (
        "rollback-failed",
        "A step failed, and so did the rollback.",
        YOU,
        "look at the environment now: it may be half changed",
    )
    JOURNAL = (
        "journal",
        "The events of the run do not fit together.",
        YOU,
        "look at the environment's activities; report it if nothing else writes to the state",
    )
    FOREIGN = (
        "foreign",
        "The agent did not write the run's events itself: somebody else can write to its state.",
        YOU,
        "find out who can write to the state (docs/concepts/security.md), replace the token, then run the job again",
    )
    LOST = (
        "lost",
        "The journal was lost while the run was in flight.",
        YOU,
        "look at the environment's activities; the next slot runs as usual",
    )
    REWOUND = (
        "rewound",
        "A restore put the journal back to a time at which the run was in flight.",
        YOU,
        "look at the environment's activities; the backup steps of the run are in the journal that was set aside",
    )


_KNOWN = {kind.value: kind for kind in FailureKind}


def kind_named(word: str | None) -> FailureKind | None:
    """Return the kind with this word; None for a word that this version does not know."""
    return _KNOWN.get(word or "")


def exit_code_of(word: str | None) -> int:
    """Return the exit code of a run that failed so; 1 for a word that this version does not know."""
    kind = kind_named(word)
    return FAILED if kind is None else kind.exit_code
