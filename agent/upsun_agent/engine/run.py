"""A run and its steps in their present state, as ``fold`` computes them from events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job, StepPlan


class Phase(StrEnum):
    """The phase of a step."""

    #: No request is under way.
    READY = "ready"
    #: A request may have been made; what became of it is not known.
    INTENDED = "intended"
    #: The platform refused the request for good.
    REFUSED = "refused"
    #: The activity is known.
    ACCEPTED = "accepted"
    #: It reached its end.
    DONE = "done"
    #: It failed.
    FAILED = "failed"


#: Failures that say nothing of how the step's request ended.
UNJUDGED = frozenset({FailureKind.UNKNOWN, FailureKind.TIMEOUT, FailureKind.STEP_TIMEOUT})


class Step(Struct, frozen=True):
    """The state of one step of a run."""

    #: The index of the step in the run, from 0; rollback steps come after the job's steps.
    index: int
    #: The step as the job defines it.
    plan: StepPlan
    #: Where the step stands.
    phase: Phase = Phase.READY
    #: How many requests or commands were begun.
    attempts: int = 0
    #: How many requests are known to have had no effect.
    voids: int = 0
    #: How many retries were planned.
    retries: int = 0
    #: When the first attempt began; None before it.
    began_at: datetime | None = None
    #: The request whose effect is not known yet; None if there is none.
    intent: ev.IntentRecorded | None = None
    #: When the step may go on; None if it need not wait.
    again_at: datetime | None = None
    #: A stable word for what it waits for until ``again_at``; empty if it does not wait.
    again_on: str = ""
    #: The id of the step's activity; None if it has none.
    activity: str | None = None
    #: When the activity or the command ended (the agent's clock); None before that.
    ended_at: datetime | None = None
    #: The name of the backup that the step makes; None if it makes none.
    backup: str | None = None
    #: The head commit before the request; None if that is not known.
    head: str | None = None
    #: How the step ended; None if it has not ended or failed.
    outcome: ev.StepOutcome | None = None
    #: The kind of failure; None if it did not fail.
    failure: str | None = None
    #: What happened last, in words.
    message: str = ""
    #: What helps; empty if there is nothing to do.
    remedy: str = ""
    #: The evidence of a step that is done.
    detail: Mapping[str, Any] = field(default_factory=dict)
    #: How the command ended; None if none has ended.
    command: ev.CommandEnded | None = None
    #: What a person decided; None if nobody has.
    approval: ev.ApprovalGiven | None = None
    #: Whether an earlier attempt may have had an effect.
    asked_before: bool = False
    #: When the step was done or failed; None before that.
    over_at: datetime | None = None
    #: an answer about this step that is not believed yet; None where the last answer was followed
    recheck: ev.RecheckPlanned | None = None

    @property
    def is_touched(self) -> bool:
        """Return whether the step's request or command was made, or may have been, with any result."""
        return self.asked_before or self.activity is not None or self.intent is not None

    @property
    def over(self) -> bool:
        """Return whether the step is finished."""
        return self.phase in {Phase.DONE, Phase.FAILED}

    @property
    def is_uncertain(self) -> bool:
        """Return whether the step failed while nobody knows whether its request took effect, or how it ended."""
        asked = self.intent is not None or self.activity is not None
        unjudged = self.ended_at is None or self.failure in UNJUDGED
        return self.phase == Phase.FAILED and asked and unjudged

    @property
    def is_passed_over(self) -> bool:
        """Return whether the step failed and the job lets later steps run."""
        return self.phase == Phase.FAILED and self.plan.settings.get("on-failure") == "continue"


class Run(Struct, frozen=True):
    """One execution of a job, for a slot or started manually, in its present state."""

    #: The id of the run.
    id: str
    #: The id of the environment that the run is about.
    environment: str
    #: The job as it was when the run was opened.
    job: Job
    #: The local wall-clock name of the slot; None for a manual run.
    slot: str | None
    #: When the slot fell due; for a manual run, when it was asked for.
    due_at: datetime
    #: Whether a schedule or a person asked for it.
    trigger: ev.Trigger
    #: When the run was opened.
    opened_at: datetime
    #: The job's steps, followed by its rollback steps.
    steps: tuple[Step, ...]
    #: A stable word for what the run waits for; None if it does not wait.
    waits_on: str | None = None
    #: The same, in words.
    wait_message: str = ""
    #: What was recorded for people, in order.
    warnings: tuple[str, ...] = ()
    #: What the commits of steps changed in lock files, as it was read.
    changes: tuple[ev.ChangesRead, ...] = ()
    #: The event that began the rollback; None if there is none.
    rollback: ev.RollbackBegun | None = None
    #: The event that ended the run; None while it is open.
    closed: ev.RunClosed | None = None

    @property
    def main_steps(self) -> tuple[Step, ...]:
        """The job's main steps, without rollback steps."""
        return self.steps[: len(self.job.steps)]

    @property
    def rollback_steps(self) -> tuple[Step, ...]:
        """The job's ``on-failure`` steps; they begin only after RollbackBegun."""
        return self.steps[len(self.job.steps) :]

    @property
    def begun(self) -> bool:
        """Return whether the run has made, or may have made, a request or run a command.

        A request that was refused for now, or that is known to have had no effect, does not count.
        """
        return any(step.phase != Phase.READY or step.retries for step in self.steps)

    @property
    def current(self) -> Step | None:
        """Return the first unfinished step: a main step, or a rollback step once the rollback has begun."""
        steps = self.main_steps if self.rollback is None else self.rollback_steps
        return next((step for step in steps if not step.over), None)

    @property
    def current_since(self) -> datetime:
        """Return since when the current step is the current one."""
        begun = self.opened_at if self.rollback is None else self.rollback.at
        return max([begun, *(step.over_at for step in self.steps if step.over_at is not None)])

    @property
    def proved_backup(self) -> str | None:
        """Return the name of the backup of the run's own environment that this run proved, if any."""
        return self.backup_of(self.environment)

    def backup_of(self, environment: str) -> str | None:
        """Return the name of the latest backup of an environment that a backup step of this run proved, if any."""
        step = self.proof_of(environment)
        return str(step.detail["backup"]) if step is not None else None

    def proof_of(self, environment: str) -> Step | None:
        """Return the latest step of this run that proved a backup of the environment, if any."""
        proofs = [
            step
            for step in self.steps
            if step.plan.kind == "backup"
            and step.phase == Phase.DONE
            and step.detail.get("backup")
            and step.plan.environment(self.environment) == environment
        ]
        return proofs[-1] if proofs else None
