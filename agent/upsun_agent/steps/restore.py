"""The step ``restore``: restore a backup that this run proved, or a named one, to an environment.

A restore puts back data, the built app and its variables, but not Git
(https://developer.upsun.com/docs/environments/restore): what was written
since the backup is lost. So a job file has to say ``allow-restore = true``, and the window that is lost is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from upsun_agent.engine.evidence import unusable
from upsun_agent.engine.step import Done, Failed, Need, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Absent, Activity, Backup, Environment
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.model.resource_paths import segment
from upsun_agent.steps.common.kind import StepDocs, StepProblem, on
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.model.ids import name_fault
    from upsun_agent.steps.common.keys import ID_MOST, Boolean, Field, Text


class RestoreSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a restore."""

    allow_restore: Annotated[
        bool, Field(Boolean(), "Must be true: what was written since the backup is lost.", required=True)
    ] = False
    backup: Annotated[
        str | None,
        Field(Text(most=ID_MOST, rule=name_fault), "The backup's id; without one it is the one that this run proved."),
    ] = None
    code: Annotated[bool, Field(Boolean(), "Restore the built app and its variables too, not only the data.")] = True
    resources: Annotated[bool, Field(Boolean(), "Restore the resources too.")] = False


class RestoreStep(RequestStep[RestoreSettings]):
    """Restore a backup to the environment that it was taken from."""

    name = "restore"
    settings_type = RestoreSettings
    docs = StepDocs(
        about="Restore an environment from a backup.",
        notes="Restores an environment from the backup that this run proved, or from the one that `backup` names. **"
        "What was written since is lost**, so it must say `allow-restore = true`; the run's message, the log and the "
        "notifications say which period is lost. A restore puts back data, the built app and its variables, "
        "but not Git: a source operation that reverts the commit belongs before it. It is meant for `on-failure`.",
        example=("backup = {}", 'source-operation = { name = "update" }', "http-check = {}"),
        rollback=("restore = { allow-restore = true }",),
        done="The backup exists and is restorable, and the activity succeeded. A restore of the environment that the "
        "agent runs on puts its state back too: the run is then closed as `rewound` in a new journal.",
        failures={
            FailureKind.NO_PROVED_BACKUP: "No backup of the environment was proved in this run, and none is named.",
            FailureKind.BACKUP_GONE: "The backup does not exist any more.",
            FailureKind.BACKUP_UNFIT: "The backup is not restorable, or of another environment.",
        },
    )
    activity_type = "environment.restore"
    #: Who may back up may restore
    #: (https://developer.upsun.com/docs/environments/restore); the link itself is the backup's.
    link = "#backup"
    permission_link = "#backup"
    retryable: frozenset[FailureKind] = frozenset()
    destroys = True

    def problems(self, settings: RestoreSettings) -> Iterator[StepProblem]:
        """Yield a problem if it does not allow data loss."""
        yield from super().problems(settings)
        if not settings.allow_restore:
            text = "may lose data: what was written since the backup is gone"
            yield StepProblem(text, "allow-restore = true says that this is meant", "allow-restore")

    def unproved(self, settings: RestoreSettings, where: str) -> StepProblem | None:  # noqa: ARG002  the same anywhere
        """Return the problem that there is no backup to restore."""
        if settings.backup is not None:
            return None
        text = "restores the backup that this run proved, but no step takes one"
        return StepProblem(text, "take one, or name it")

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        what = "backup" if self.settings(plan).code else "data of the backup"
        return f"restore of the {what}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:
        """Return the path below the backup."""
        return f"{environment.path}/backups/{segment(self._backup(case) or '')}/restore"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return whether code and resources are restored; without a name the target is the backup's own environment."""
        settings = self.settings(plan)
        return {"restore_code": settings.code, "restore_resources": settings.resources}

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Return a failure if the backup no longer exists or cannot be restored."""
        name = self._backup(case)
        if name is None:
            text = f"no backup of {environment.id} was proved in this run, so there is none to restore"
            return Failed(FailureKind.NO_PROVED_BACKUP, text)
        found = case.seen.get(case.look_at_backup(name))
        if isinstance(found, Absent):
            return Failed(FailureKind.BACKUP_GONE, f"backup {name} does not exist any more", doubtful=True)
        if not isinstance(found, Backup):
            return Need(case.look_at_backup(name))
        problems = unusable(found, environment.id)
        if problems:
            text = f"backup {name} cannot be restored to {environment.id}: {'; '.join(problems)}"
            return Failed(FailureKind.BACKUP_UNFIT, text)
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Return "no" for an activity that restores another backup than the named one.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        named, restored = self.settings(plan).backup, activity.parameters.get("backup_name")
        return Recognition.NO if named and isinstance(restored, str) and restored != named else Recognition.MAYBE

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return success, with the data that was lost."""
        name = self._backup(case) or "unknown"
        taken, began = self._taken_at(case), activity.created_at or case.now
        lost = f"; what was written from {taken} to {began:%Y-%m-%d %H:%M:%S} UTC is lost" if taken else ""
        detail = {"backup": name, "activity": activity.id, "lost-from": taken, "lost-to": began.isoformat()}
        return Done(StepOutcome.DONE, f"{case.environment} restored to backup {name}{lost}", detail)

    def _backup(self, case: StepContext) -> str | None:
        return self.settings(case.step.plan).backup or case.run.backup_of(case.environment)

    def _taken_at(self, case: StepContext) -> str | None:
        proof = case.run.proof_of(case.environment)
        if proof is None or proof.detail.get("backup") != self._backup(case):
            return None
        try:
            taken = datetime.fromisoformat(str(proof.detail.get("created_at")))
        except ValueError:
            return None
        return f"{taken:%Y-%m-%d %H:%M:%S}"


KIND = RestoreStep()
