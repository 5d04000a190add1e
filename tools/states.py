"""The state machine as a table: every phase of a step met with everything that may be seen, worked out by ``decide``.

``make docs`` writes state-machine.md from it; a test holds that every pair is defined and that the page is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from upsun_agent.engine.decide import Background, Decision, Execute, Look, Record, Rest, Send, Wait, decide
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Backup,
    BackupList,
    Deployment,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    LookAtRetention,
    Observation,
    Owner,
    Question,
    Retention,
    Trouble,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RUN = "nightly-update@2026-03-02T12:00"
JOB = Job(
    "nightly-update",
    (StepPlan("backup", {}), StepPlan("source-operation", {"name": "update"})),
    schedule="0 12 * * *",
)
LINKS = {"#backup": "/api/backup", "#source-operation": "/api/source-operation"}
LOOKS_MOST = 12

#: Answers by the kind of question; a callable may look at the question.
World = dict[type, Answer | Callable[[Question], Answer]]


def at(seconds: float) -> datetime:
    """Return a moment after the run was opened."""
    return NOON + timedelta(seconds=seconds)


# --- phases ----------------------------------------------------------------------------------------------------

OPENED = ev.RunOpened(
    at=NOON,
    run=RUN,
    environment="main",
    slot="2026-03-02T12:00",
    due_at=NOON,
    trigger=ev.Trigger.SCHEDULE,
    job=JOB.to_json(),
)


def intent(step: int) -> ev.IntentRecorded:
    """Return the intent of a step, at once after the run was opened."""
    return ev.IntentRecorded(at=at(1), step=step, attempt=1, server_at=at(1), head="aaaa")


def proved() -> list[ev.Event]:
    """Return the events of a first step that is done, its backup proved."""
    accepted = ev.RequestAccepted(at=at(1), step=0, activity="act-backup", backup="backup-1")
    done = ev.StepDone(at=at(1), step=0, outcome=ev.StepOutcome.DONE, message="proved", detail={"backup": "backup-1"})
    return [intent(0), accepted, done]


def phases(step: int) -> dict[str, Run]:
    """Return a run with its step in each phase."""
    before = [OPENED, *(proved() if step else [])]
    activity = "act-update" if step else "act-backup"
    accepted = ev.RequestAccepted(at=at(2), step=step, activity=activity, backup=None if step else "backup-1")
    unanswered = ev.RequestUnanswered(at=at(2), step=step, message="cut")
    busy = ev.RequestRefused(at=at(2), step=step, failure="platform-busy", message="423", again_at=at(90))
    never = ev.RequestRefused(at=at(2), step=step, failure="permission", message="403", again_at=None)
    ended = ev.ActivityEnded(at=at(3), step=step, activity=activity, state="complete", result="success")
    failed = ev.StepFailed(at=at(3), step=step, failure="activity-failed", message="failed")
    histories: dict[str, list[ev.Event]] = {
        "ready": [],
        "ready, asked to come back later": [intent(step), busy],
        "intended": [intent(step)],
        "intended, no answer": [intent(step), unanswered],
        "refused": [intent(step), never],
        "accepted": [intent(step), accepted],
        "accepted, ended": [intent(step), accepted, ended],
        "failed": [intent(step), accepted, ended, failed],
    }
    return {name: fold([*before, *history]) for name, history in histories.items()}


# --- what may be seen ---------------------------------------------------------------------------------------


def environment(**changes: object) -> Environment:
    """Return the environment as it usually is, with changes."""
    usual = Environment(
        id="main",
        type="production",
        status="active",
        is_dirty=False,
        head_commit="bbbb",
        links=LINKS,
        server_at=at(200),
        deployment=Deployment(successful=True, at=at(150)),
    )
    return replace(usual, **changes)


def activity(kind: str, **changes: object) -> Activity:
    """Return the step's activity as it usually ends, with changes."""
    name = "act-backup" if kind == "backup" else "act-update"
    usual = Activity(
        id=name,
        type=f"environment.{kind}",
        state="complete",
        result="success",
        created_at=at(2),
        completed_at=at(20),
        parameters={"operation": "update"} if kind == "source-operation" else {"safe": True},
        payload={"backup_name": "backup-1"} if kind == "backup" else {},
    )
    return replace(usual, **changes)


def backup(**changes: object) -> Backup:
    """Return the backup as it should be, with changes."""
    usual = Backup(id="backup-1", status="CREATED", restorable=True, environment="main", created_at=at(15))
    return replace(usual, **changes)


def usual_world(kind: str) -> World:
    """Return a platform on which all is well."""
    mine = activity(kind)
    push = Activity("act-push", "environment.push", "complete", "success", at(21), at(60))

    def listed(question: Question) -> Answer:
        wanted = question.types if isinstance(question, LookAtActivities) else ()
        running = question.incomplete if isinstance(question, LookAtActivities) else False
        items = tuple(each for each in (mine, push) if (not wanted or each.type in wanted) and not running)
        return ActivityList(items, at(200))

    return {
        LookAtEnvironment: environment(),
        LookAtActivity: mine,
        LookAtActivities: listed,
        LookAtBackup: backup(),
        LookAtBackups: BackupList((backup(),)),
        LookAtOwner: Owner("user-1"),
        LookAtRetention: Retention({"production": 4}),
    }


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that may be seen: its name, and what it changes about the usual world."""

    name: str
    changes: Callable[[str], World]


def _running(kind: str, **changes: object) -> World:
    other = activity(kind, id="act-other", state="in_progress", result=None, completed_at=None, **changes)
    return {LookAtEnvironment: environment(is_dirty=True), LookAtActivities: ActivityList((other,), at(200))}


def _troubled(kind: FailureKind) -> Callable[[str], World]:
    questions = (
        LookAtEnvironment, LookAtActivity, LookAtActivities, LookAtBackup, LookAtBackups, LookAtOwner, LookAtRetention,
    )  # fmt: skip
    return lambda _: {question: Trouble(kind, f"trouble: {kind}") for question in questions}


UNDEPLOYED = Deployment(successful=False, at=at(150))


def _no_pushes() -> World:
    return {LookAtActivities: ActivityList((), at(200))}


def _linkless(running: str) -> World:
    other = Activity("act-other", running, "in_progress", None, at(100))
    return {
        LookAtEnvironment: environment(links={}, is_dirty=True),
        LookAtActivities: ActivityList((other,), at(200)),
    }


SIGHTS = (
    Sight("all is well", lambda _: {}),
    Sight("environment of another type", lambda _: {LookAtEnvironment: environment(type="staging")}),
    Sight("environment inactive", lambda _: {LookAtEnvironment: environment(status="inactive")}),
    Sight("environment paused", lambda _: {LookAtEnvironment: environment(status="paused")}),
    Sight("environment dirty", lambda _: {LookAtEnvironment: environment(status="dirty")}),
    Sight("link absent, nothing running", lambda _: {LookAtEnvironment: environment(links={})}),
    Sight("link absent, a push running", lambda _: _linkless("environment.push")),
    Sight("link absent, only a cron running", lambda _: _linkless("environment.cron")),
    Sight("the same operation runs already", _running),
    Sight("a restore runs", lambda kind: _running(kind, type="environment.restore")),
    Sight("the activity is pending", lambda kind: {LookAtActivity: activity(kind, state="pending", result=None)}),
    Sight("the activity failed", lambda kind: {LookAtActivity: activity(kind, result="failure")}),
    Sight("the activity was cancelled", lambda kind: {LookAtActivity: activity(kind, state="cancelled", result=None)}),
    Sight("the activity has no result", lambda kind: {LookAtActivity: activity(kind, result=None)}),
    Sight("the activity is gone", lambda _: {LookAtActivity: Absent()}),
    Sight("no activity in a settled list", lambda _: {LookAtActivities: ActivityList((), at(200))}),
    Sight("no activity in a list not settled", lambda _: {LookAtActivities: ActivityList((), at(30))}),
    Sight("the backup is missing", lambda _: {LookAtBackup: Absent()}),
    Sight("the backup is not restorable", lambda _: {LookAtBackup: backup(restorable=False)}),
    Sight("the backup is another environment's", lambda _: {LookAtBackup: backup(environment="staging")}),
    Sight("the backup is older than the request", lambda _: {LookAtBackup: backup(created_at=at(-60))}),
    Sight("the head did not move", lambda _: {LookAtEnvironment: environment(head_commit="aaaa"), **_no_pushes()}),
    Sight("staged", lambda _: {LookAtEnvironment: environment(has_staged_activities=True)}),
    Sight(
        "the deployment failed",
        lambda _: {LookAtEnvironment: environment(deployment=Deployment(successful=False, at=at(150)))},
    ),
    Sight("the API cannot be reached", _troubled(FailureKind.UNREACHABLE)),
    Sight("the API answers nonsense", _troubled(FailureKind.BAD_REPLY)),
    Sight("the token is refused", _troubled(FailureKind.TOKEN)),
    Sight("no permission to read", _troubled(FailureKind.PERMISSION)),
    Sight("the environment is not found", _troubled(FailureKind.NOT_FOUND)),
    Sight("the tick's time is used up", _troubled(FailureKind.BUDGET)),
)


# --- the table -----------------------------------------------------------------------------------------------


def outcome(run: Run, kind: str, sight: Sight, now: datetime = NOON + timedelta(seconds=200)) -> Decision:
    """Return what is decided in the end: questions are answered by the world of the sight."""
    world: World = {**usual_world(kind), **sight.changes(kind)}
    seen = Observation()
    for _ in range(LOOKS_MOST):
        decision = decide(run, now, seen, KINDS, Background())
        if not isinstance(decision, Look):
            return decision
        answer = world[type(decision.question)]
        seen = seen.plus(decision.question, answer(decision.question) if callable(answer) else answer)
    raise AssertionError(f"{kind}: {sight.name} leads to no decision")


def words(decision: Decision) -> str:
    """Return the decision in a few words."""
    match decision:
        case Send() | Execute():
            return "**request**"
        case Wait():
            return f"wait: {decision.on}"
        case Rest():
            return "rest"
        case Record():
            event = decision.event
            failure = getattr(event, "failure", None)
            result = getattr(event, "outcome", None)
            detail = failure if failure and result != "skipped" else result
            return f"{event.kind}{f': {detail}' if detail else ''}"
        case Look():
            return "look"


def rows(kind: str) -> Iterator[tuple[str, list[str]]]:
    """Yield one row a sight: what is decided in each phase."""
    index = 0 if kind == "backup" else 1
    for sight in SIGHTS:
        yield sight.name, [words(outcome(run, kind, sight)) for run in phases(index).values()]


def page() -> str:
    """Return the whole page."""
    parts = [
        "# State machine",
        "",
        "What a tick does next, for every phase of a step and everything that it may see. Worked out by the code",
        "itself; after an event is recorded, the tick decides again.",
        "",
    ]
    for kind in ("backup", "source-operation"):
        heads = list(phases(0 if kind == "backup" else 1))
        parts += [f"## {kind}", "", f"| seen | {' | '.join(heads)} |", f"| --- |{' --- |' * len(heads)}"]
        parts += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows(kind)]
        parts.append("")
    return "\n".join(parts)
