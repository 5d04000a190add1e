"""The step ``backup``: take a backup and prove it, or reuse a proved one that is recent enough.

Proof (promise P2): the activity ended in success and names a backup; that backup exists, has status CREATED, is
restorable, belongs to this environment and was created after the request (after the slot, where it was adopted).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from upsun_agent.engine.bounds import BACKUP_APPEAR, CLOCKS_APART
from upsun_agent.engine.evidence import unusable
from upsun_agent.engine.step import Done, Failed, Need, Pending, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Absent, Activity, ActivityList, Backup, BackupList, Environment
from upsun_agent.model.durations import span
from upsun_agent.model.events import IntentRecorded, StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import StepDocs, on
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Boolean, Duration, Field, Retries


class BackupSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a backup."""

    live: Annotated[bool, Field(Boolean(), "Back up without holding requests; parts may not fit together.")] = False
    reuse_within: Annotated[int, Field(Duration(), "Take a proved backup that is younger than this instead.")] = 0
    retries: Retries = 1


class BackupStep(RequestStep[BackupSettings]):
    """Take a backup and prove it."""

    name = "backup"
    settings_type = BackupSettings
    proves_backup = True
    docs = StepDocs(
        about="Take a backup and prove it restorable.",
        notes="Takes a backup and proves it. By default it is a safe one, for which the platform holds requests for 15 "
        "to 30 seconds; `live` does not, and its parts may not fit together. A backup that is running already, began "
        "after the slot and is as safe as wanted is taken as this step's own. `reuse-within` takes a proved backup "
        "that is young enough instead.\n\n"
        "**Each backup is a manual one, and the platform keeps only so many of them** for each type of environment. "
        "Where that many are there, a new one replaces the oldest, whoever took it: a job that backs up every night "
        "pushes out within days what your people took by hand. `upsun-agent check` warns where that is about to "
        "happen. Take fewer with `reuse-within`, or let the project keep more (project settings, backup retention); "
        "automated backups do not count.",
        example=('backup = { reuse-within = "1h" }',),
        done="Its activity succeeded and names a backup; that backup exists, is restorable, has the status `CREATED`, "
        "belongs to the environment, and is newer than the request.",
        failures={
            FailureKind.PROOF_FAILED: "The backup is not restorable, of another environment, or too old.",
            FailureKind.BACKUP_UNNAMED: "The activity succeeded but names no backup.",
            FailureKind.WOULD_EVICT: "Another backup would take the place of the only good manual one.",
        },
    )
    activity_type = "environment.backup"
    link = permission_link = "#backup"
    waits_for: frozenset[str] = frozenset()
    #: not "backup-unnamed": that backup may be good, and a second one beside it would break promise P1
    retryable = frozenset({FailureKind.ACTIVITY_FAILED, FailureKind.PROOF_FAILED})
    commands_decide = False  # the proof does

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return whether the platform holds requests (15 to 30 s) so that the backup is consistent.

        https://developer.upsun.com/docs/environments/backup
        """
        return {"safe": not self.settings(plan).live}

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return ("live backup" if self.settings(plan).live else "backup") + on(plan)

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Return None: a backup changes nothing."""
        return None

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Return the newest good backup if the job allows reuse and it is recent enough."""
        settings = self.settings(case.step.plan)
        if settings.reuse_within <= 0:
            return None
        listed = case.seen.get(case.look_at_backups())
        if not isinstance(listed, BackupList):
            return Need(case.look_at_backups())
        oldest = environment.server_at - timedelta(seconds=settings.reuse_within)
        good = [
            backup
            for backup in listed.items
            if not _problems(backup, environment.id, oldest) and (backup.safe or settings.live)
        ]
        if not good:
            return None
        newest = max(good, key=lambda backup: (backup.created_at or oldest, backup.id))
        text = f"backup {newest.id} is proved and younger than {span(settings.reuse_within)}: reused"
        return _proved(newest, text, reused=True)

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Return "no" for an activity whose ``safe`` parameter differs, else "maybe".

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        safe = activity.parameters.get("safe")
        return Recognition.NO if isinstance(safe, bool) and safe != self.body(plan, run)["safe"] else Recognition.MAYBE

    def trace(self, case: StepContext, intent: IntentRecorded, listed: ActivityList, looked: int) -> Need | str | None:
        """Return in words a newer manual backup that no listed activity explains.

        Args:
            case: the step, with its run, the present, and what this pass has seen.
            intent: the event that was recorded before the request.
            listed: the activities that were listed since.
            looked: the place of that list among this pass's answers; an answer ahead of it is too old.
        """
        earliest = intent.server_at - CLOCKS_APART
        question, place = case.look_at_backups(), case.look_at_environment()
        backups, environment = case.seen.get(question), case.seen.get(place)
        if not isinstance(backups, BackupList) or case.seen.number(question) < looked:
            return Need(question)
        if not isinstance(environment, Environment) or case.seen.number(place) < looked:
            return Need(place)
        newer = [each for each in backups.items if each.created_at is not None and each.created_at >= earliest]
        explained = {each.payload.get("backup_name") for each in listed.items}
        strange = [each.id for each in newer if not each.automated and each.id not in explained]
        if strange:
            return f"backup {strange[0]} was made since"
        at = environment.last_backup_at
        if at is not None and at >= earliest and not newer:
            return f"the environment says that it was backed up at {at:%H:%M:%S} UTC"
        return None

    def adopts(self, case: StepContext, activity: Activity) -> bool:
        """Return whether a running backup began after the slot and has the ``safe`` setting that the job wants."""
        young = activity.created_at is not None and activity.created_at >= case.run.due_at
        wants_safe = self.body(case.step.plan, case.run.id)["safe"]
        return young and (not wants_safe or activity.parameters.get("safe") is True)

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the proof, read from the backup itself."""
        name = activity.payload.get("backup_name") or case.step.backup
        if not isinstance(name, str) or not name:
            text = f"activity {activity.id} succeeded but names no backup, so there is none to prove"
            return Failed(FailureKind.BACKUP_UNNAMED, text)
        backup = case.seen.get(case.look_at_backup(name))
        if isinstance(backup, Absent):
            if case.step.ended_at is None or case.now < case.step.ended_at + BACKUP_APPEAR:
                return Pending("settling", f"backup {name} is not listed yet")
            text = f"activity {activity.id} succeeded but backup {name} does not exist"
            return Failed(FailureKind.PROOF_FAILED, text, doubtful=True)
        if not isinstance(backup, Backup):
            return Need(case.look_at_backup(name))
        problems = _problems(backup, case.environment, self._newer_than(case))
        if problems:
            text = f"backup {name} is not proved: {'; '.join(problems)}"
            return Failed(FailureKind.PROOF_FAILED, text, doubtful=True)  # a new one may not be restorable at once
        return _proved(backup, f"backup {name} proved restorable", reused=False)

    @staticmethod
    def _newer_than(case: StepContext) -> datetime:
        """Return the time that the backup must be newer than: the intent (server's clock), or the slot if adopted."""
        intent = case.step.intent
        return case.run.due_at if intent is None else intent.server_at - CLOCKS_APART


def _problems(backup: Backup, environment: str, newer_than: datetime) -> list[str]:
    """Return what is wrong with the backup; empty means proved."""
    problems = unusable(backup, environment)
    if backup.created_at is None:
        problems.append("it has no creation date")
    elif backup.created_at < newer_than:
        problems.append(f"it was created {backup.created_at:%Y-%m-%d %H:%M:%S} UTC, before the request")
    return problems


def _proved(backup: Backup, message: str, *, reused: bool) -> Done:
    created = backup.created_at.isoformat() if backup.created_at else None
    detail = {"backup": backup.id, "environment": backup.environment, "created_at": created, "safe": backup.safe}
    return Done(StepOutcome.DONE, message, {**detail, "reused": reused})


KIND = BackupStep()
