"""Builders for the engine's tests: jobs, runs from events, and what the platform shows, all at fixed moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from upsun_agent.engine.decide import Background, Decision, Look, Record, decide
from upsun_agent.engine.fold import apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.engine.step import RequestKind, StepContext
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Backup,
    BackupList,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtRetention,
    Observation,
    Question,
    Retention,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

SLOT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
RUN = "nightly@2026-03-10T03:00"
BACKUP = StepPlan("backup", {"live": False, "reuse-within": 0})
LIVE_BACKUP = StepPlan("backup", {"live": True, "reuse-within": 0})
REUSING_BACKUP = StepPlan("backup", {"live": False, "reuse-within": 3600})
UPDATE = StepPlan("source-operation", {"name": "update", "variables": {"env": {"CHANNEL": "stable"}}})
UNPROVED_UPDATE = StepPlan("source-operation", {"name": "update", "backup": "not-needed"})
BACKUP_LINK = "/projects/p/environments/main/backup"
UPDATE_LINK = "/projects/p/environments/main/source-operation"
LINKS = {"#backup": BACKUP_LINK, "#source-operation": UPDATE_LINK}
BACKUP_TYPE, UPDATE_TYPE = "environment.backup", "environment.source-operation"
RUNNING = LookAtActivities(incomplete=True)
TROUBLES = (
    FailureKind.UNREACHABLE,
    FailureKind.BAD_REPLY,
    FailureKind.TOKEN,
    FailureKind.PERMISSION,
    FailureKind.NOT_FOUND,
    FailureKind.BUDGET,
)


def at(minutes: float = 0, seconds: float = 0) -> datetime:
    """A moment that long after the slot."""
    return SLOT + timedelta(minutes=minutes, seconds=seconds)


def message_of(event: ev.Event) -> str:
    """Return the message of an event that has one."""
    return str(getattr(event, "message", ""))


def request_kind(name: str) -> RequestKind:
    """Return the kind of step with this name, which is one that makes a request."""
    return KINDS[name]  # type: ignore[return-value]  # the tests name only such kinds


def job(*steps: StepPlan, **changes: Any) -> Job:
    return Job(**{"name": "nightly", "steps": steps or (BACKUP, UPDATE), "schedule": "0 3 * * *", **changes})


# --- events ----------------------------------------------------------------------------------------------------


def opened(of: Job | None = None, when: datetime = SLOT, due_at: datetime = SLOT, **changes: Any) -> ev.RunOpened:
    values: dict[str, Any] = {
        "at": when,
        "run": RUN,
        "environment": "main",
        "slot": "2026-03-10T03:00",
        "due_at": due_at,
        "trigger": "schedule",
        "job": (of or job()).to_json(),
    }
    return ev.RunOpened(**{**values, **changes})


def intended(
    step: int = 0, when: datetime = SLOT, attempt: int = 1, head: str | None = "aaaaaaaa1"
) -> ev.IntentRecorded:
    return ev.IntentRecorded(at=when, step=step, attempt=attempt, server_at=when, head=head)


def accepted(step: int = 0, activity: str = "act1", backup: str | None = None) -> ev.RequestAccepted:
    return ev.RequestAccepted(at=SLOT, step=step, activity=activity, backup=backup)


def refused(
    step: int = 0,
    failure: str = "platform-busy",
    again_at: datetime | None = None,
    message: str = "the platform answered 409",
) -> ev.RequestRefused:
    return ev.RequestRefused(at=SLOT, step=step, failure=failure, message=message, again_at=again_at)


def unanswered(step: int = 0) -> ev.RequestUnanswered:
    return ev.RequestUnanswered(at=SLOT, step=step, message="no answer within 25 s")


def adopted(step: int = 0, activity: str = "act1", **changes: Any) -> ev.ActivityAdopted:
    return ev.ActivityAdopted(**{"at": SLOT, "step": step, "activity": activity, "how": "it was running", **changes})


def void(step: int = 0) -> ev.IntentVoid:
    return ev.IntentVoid(at=SLOT, step=step, message="no trace of it")


def ended(step: int = 0, activity: str = "act1", state: str = "complete", result: str | None = "success") -> ev.Event:
    return ev.ActivityEnded(at=SLOT, step=step, activity=activity, state=state, result=result)


def command_ended(step: int = 0, exit_code: int | None = 0, output: str = "") -> ev.CommandEnded:
    return ev.CommandEnded(at=SLOT, step=step, exit_code=exit_code, seconds=1, output=output)


def approval(step: int = 0, *, granted: bool = True) -> ev.ApprovalGiven:
    return ev.ApprovalGiven(at=SLOT, step=step, granted="yes" if granted else "no", by="ada")


def done(step: int = 0, backup: str | None = "bak1", message: str = "backup bak1 proved restorable") -> ev.StepDone:
    detail = {"backup": backup} if backup else {}
    return ev.StepDone(at=SLOT, step=step, outcome=ev.StepOutcome.DONE, message=message, detail=detail)


def failed(step: int = 0, failure: str = "activity-failed", message: str = "it failed", remedy: str = "") -> ev.Event:
    return ev.StepFailed(at=SLOT, step=step, failure=failure, message=message, remedy=remedy)


def retry(step: int = 0, again_at: datetime | None = None, failure: str = "activity-failed") -> ev.RetryPlanned:
    return ev.RetryPlanned(at=SLOT, step=step, failure=failure, message="it failed", again_at=again_at or at(15))


def recheck(step: int = 0, failure: str = "unknown", again_at: datetime | None = None) -> ev.RecheckPlanned:
    return ev.RecheckPlanned(at=SLOT, step=step, failure=failure, message="odd", again_at=again_at or at(15))


def closed() -> ev.RunClosed:
    return ev.RunClosed(at=SLOT, outcome=ev.RunOutcome.SUCCEEDED, message="all done")


def waiting(on: str = "environment-busy", message: str = "main is being changed") -> ev.WaitBegun:
    return ev.WaitBegun(at=SLOT, on=on, message=message)


def run(*events: ev.Event, of: Job | None = None) -> Run:
    """The run of the job (backup, then update) after these events."""
    return fold([opened(of), *events])


#: What leads to the second step with the first one's backup proved.
PROVED = (intended(0), accepted(0, "act0"), ended(0, "act0"), done(0))

# --- what the platform shows -----------------------------------------------------------------------------------


def environment(when: datetime = SLOT, **changes: Any) -> Environment:
    values: dict[str, Any] = {
        "id": "main",
        "type": "production",
        "status": "active",
        "is_dirty": False,
        "head_commit": "aaaaaaaa1",
        "links": LINKS,
        "server_at": when,
    }
    return Environment(**{**values, **changes})


def activity(of: str = BACKUP_TYPE, name: str = "act1", **changes: Any) -> Activity:
    """An activity that succeeded; ``state`` and the rest by name."""
    values: dict[str, Any] = {
        "id": name,
        "type": of,
        "state": "complete",
        "result": "success",
        "created_at": SLOT,
        "completed_at": at(1),
    }
    if of == BACKUP_TYPE:
        values["payload"] = {"backup_name": "bak1"}
        values["parameters"] = {"safe": True}
    elif of == UPDATE_TYPE:
        values["parameters"] = {"operation": "update", "variables": {"env": {"UPSUN_AGENT_RUN": RUN}}}
    return Activity(**{**values, **changes})


def running(of: str = BACKUP_TYPE, name: str = "act1", state: str = "in_progress", **changes: Any) -> Activity:
    return activity(of, name, **{"state": state, "result": None, "completed_at": None, **changes})


def listed(*items: Activity, when: datetime = SLOT, complete: bool = True) -> ActivityList:
    return ActivityList(tuple(items), when, complete)


def backup(name: str = "bak1", **changes: Any) -> Backup:
    values = {"id": name, "status": "CREATED", "restorable": True, "environment": "main", "created_at": at(0, 20)}
    return Backup(**{**values, "safe": True, **changes})


def seen(*answers: tuple[Question, Answer]) -> Observation:
    """All these were looked at, in this order."""
    observation = Observation()
    for question, answer in answers:
        observation = observation.plus(question, answer)
    return observation


def sees(*things: Answer) -> Observation:
    """All these were looked at, in this order; the question of each is clear from its type."""
    return seen(*((_question(thing), thing) for thing in things))


def _question(thing: Answer) -> Question:
    match thing:
        case Environment():
            return LookAtEnvironment()
        case ActivityList():
            return RUNNING
        case Activity():
            return LookAtActivity(thing.id)
        case Backup():
            return LookAtBackup(thing.id)
        case BackupList():
            return LookAtBackups()
        case Retention():
            return LookAtRetention()
    raise AssertionError(f"say which question {thing} answers")


def next_for(
    of: Run, *things: Answer, now: datetime = SLOT, claimed: tuple[str, ...] = (), manual_limit: int | None = None
) -> Decision:
    """What the agent does next for the run where it saw these things."""
    return decide(of, now, sees(*things), KINDS, Background(frozenset(claimed), manual_limit))


def settle(
    of: Run, observation: Observation, now: datetime = SLOT, background: Background | None = None
) -> tuple[Decision, datetime]:
    """The decision, and its moment, once every answer was read again and stayed as it was.

    An activity that was looked at stands in the activity list with the same words. Nothing is read of what commits
    changed.
    """
    background = background or Background(may_read=False)
    for _ in range(9):
        decision = decide(of, now, observation, KINDS, background)
        if isinstance(decision, Record) and isinstance(decision.event, ev.RecheckPlanned):
            of, now = apply(of, decision.event), decision.event.again_at
        elif isinstance(decision, Look) and isinstance(decision.question, LookAtActivities) and decision.question.types:
            items = [each for _, each in observation.answers.values() if isinstance(each, Activity)]
            fitting = [each for each in items if each.type in decision.question.types]
            if not fitting and not any(isinstance(each, Absent) for _, each in observation.answers.values()):
                return decision, now
            observation = observation.plus(decision.question, listed(*fitting, when=now))
        else:
            return decision, now
    raise AssertionError("it never settles")


def concluded(of: Run, *things: Answer, now: datetime = SLOT, **background: Any) -> Decision:
    """What the agent does in the end for the run where it sees these things, however often it looks."""
    return settle(of, sees(*things), now, Background(**background))[0]


def case_of(of: Run, observation: Observation, now: datetime = SLOT, claimed: tuple[str, ...] = ()) -> StepContext:
    """The run's current step with what was seen."""
    assert of.current is not None
    return StepContext(of, of.current, observation, now, frozenset(claimed))
