"""The step ``approval``: wait until somebody runs ``upsun-agent approve RUN``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from upsun_agent.engine.step import Done, Failed, Pending, StepContext, Verdict
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import LookStep, StepDocs
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Duration, Field, Text


class ApprovalSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of an approval."""

    within: Annotated[
        int, Field(Duration(60), "How long to wait. The run fails if nobody approves it in that time.")
    ] = 24 * 3600
    message: Annotated[
        str | None, Field(Text(most=200), "What is to be approved; shown to the person who decides.")
    ] = None


class ApprovalStep(LookStep[ApprovalSettings]):
    """Wait until somebody approves the run."""

    name = "approval"
    passes_time = True
    in_container = True
    suits_rollback = False
    settings_type = ApprovalSettings
    docs = StepDocs(
        about="Wait until somebody approves: upsun-agent approve RUN.",
        notes="Waits until somebody approves with `upsun-agent approve RUN`, or denies with `--deny`. The "
        "journal keeps who decided.",
        example=('approval = { within = "8h", message = "promote to production" }', "backup = {}"),
        done="Somebody approved it.",
        failures={FailureKind.DENIED: "Somebody denied it.", FailureKind.NOT_APPROVED: "Nobody decided in time."},
    )

    def describe(self, plan: StepPlan) -> str:  # noqa: ARG002  the protocol's signature
        """Return the step in a few words for people."""
        return "approval"

    def look(self, case: StepContext) -> Verdict:
        """Return the verdict: approved, denied, or none yet."""
        approval, settings = case.step.approval, self.settings(case.step.plan)
        if approval is not None:
            if approval.granted == "yes":
                return Done(StepOutcome.DONE, f"approved by {approval.by}", {"by": approval.by})
            return Failed(FailureKind.DENIED, f"denied by {approval.by}")
        end = case.run.current_since + timedelta(seconds=settings.within)
        asked = f" ({settings.message})" if settings.message else ""
        if case.now >= end:
            return Failed(FailureKind.NOT_APPROVED, f"nobody approved it by {end:%Y-%m-%d %H:%M} UTC{asked}")
        until = f"waiting for approval until {end:%Y-%m-%d %H:%M} UTC{asked}"
        return Pending("approval", f"{until}; approve with: upsun-agent approve {case.run.id}")


KIND = ApprovalStep()
