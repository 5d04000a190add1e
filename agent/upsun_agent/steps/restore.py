"""The step ``restore``: put an environment back to a backup that this run proved, or to one that is named.

A restore puts back data, the built app and its variables, but not Git (docs:environments/restore): what was written
since the backup is lost. So a job file has to say ``allow-restore = true``, and the window that is lost is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upsun_agent.engine.evidence import unusable
from upsun_agent.engine.step import Done, Failed, Need, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Absent, Activity, Backup, Environment
from upsun_agent.model.job import StepPlan
from upsun_agent.model.resource_paths import segment
from upsun_agent.steps.request import RequestStep, on


class RestoreStep(RequestStep):
    """Restore a backup over the environment that it was taken of."""

    name = "restore"
    activity_type = "environment.restore"
    link = "#backup"  # who may back up may restore (docs:environments/restore); the link itself is the backup's
    permission_link = "#backup"
    retryable: frozenset[str] = frozenset()
    destroys = True

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        what = "backup" if plan.settings.get("code", True) else "data of the backup"
        return f"restore of the {what}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:
        """Below the backup."""
        return f"{environment.path}/backups/{segment(self._backup(case) or '')}/restore"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """With code and resources or without; without a name it goes to the backup's own environment."""
        settings = plan.settings
        return {
            "restore_code": bool(settings.get("code", True)),
            "restore_resources": bool(settings.get("resources", False)),
        }

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Look at the backup once more: it must still be there, and restorable."""
        name = self._backup(case)
        if name is None:
            text = f"no backup of {environment.id} was proved in this run, so there is none to restore"
            return Failed("no-proved-backup", text)
        found = case.seen.get(case.look_at_backup(name))
        remedy = "upsun backup:list shows those there are"
        if isinstance(found, Absent):
            return Failed("backup-gone", f"backup {name} is not there any more", remedy, doubtful=True)
        if not isinstance(found, Backup):
            return Need(case.look_at_backup(name))
        flaws = unusable(found, environment.id)
        if flaws:
            text = f"backup {name} cannot be restored to {environment.id}: {'; '.join(flaws)}"
            return Failed("backup-unfit", text, remedy)
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Not ours if it says that it restores another backup than the one that is named."""
        named, restored = plan.settings.get("backup"), activity.parameters.get("backup_name")
        return "no" if named and isinstance(restored, str) and restored != named else "maybe"

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """The activity's success, with what was lost."""
        name = self._backup(case) or "unknown"
        taken, began = self._taken_at(case), activity.created_at or case.now
        lost = f"; what was written from {taken} to {began:%Y-%m-%d %H:%M:%S} UTC is lost" if taken else ""
        detail = {"backup": name, "activity": activity.id, "lost-from": taken, "lost-to": began.isoformat()}
        return Done("done", f"{case.environment} restored to backup {name}{lost}", detail)

    def _backup(self, case: StepContext) -> str | None:
        named = case.step.plan.settings.get("backup")
        return str(named) if named else case.run.backup_of(case.environment)

    def _taken_at(self, case: StepContext) -> str | None:
        proof = case.run.proof_of(case.environment)
        if proof is None or proof.detail.get("backup") != self._backup(case):
            return None
        try:
            taken = datetime.fromisoformat(str(proof.detail.get("created_at")))
        except ValueError:
            return None
        return f"{taken:%Y-%m-%d %H:%M:%S}"
