"""The step ``wait``: until a time window opens, or for a length of time. And ``approval``: until somebody says yes."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from upsun_agent.engine.step import Done, Failed, Pending, StepContext, Verdict
from upsun_agent.engine.windows import opens
from upsun_agent.model.durations import span
from upsun_agent.model.job import StepPlan

APPROVAL = 24 * 3600  # seconds that an approval is waited for, where the job file says none


class WaitStep:
    """Let time pass."""

    way: Literal["look"] = "look"
    passes_time = True
    name = "wait"
    retryable: frozenset[str] = frozenset()

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        window = plan.settings.get("window")
        return f"wait for the window {window}" if window else f"wait of {span(int(plan.settings.get('for', 0)))}"

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Nothing changes."""
        return None

    def needs_proof(self, plan: StepPlan) -> bool:  # noqa: ARG002  the protocol's signature
        """It needs none."""
        return False

    def look(self, case: StepContext) -> Verdict:
        """The time has come."""
        settings = case.step.plan.settings
        if settings.get("window"):
            window, days = str(settings["window"]), tuple(settings.get("days") or ())
            if opens(window, days, case.now.astimezone(case.zone)):
                return Done("done", f"the window {window} is open")
            return Pending("window", f"the window {window} is closed")
        end = case.run.current_since + timedelta(seconds=int(settings.get("for", 0)))
        if case.now >= end:
            return Done("done", f"waited {span(int(settings.get('for', 0)))}")
        return Pending("time", f"waiting until {end:%H:%M:%S} UTC")


class ApprovalStep(WaitStep):
    """Wait for somebody's word: ``upsun-agent approve RUN``."""

    name = "approval"

    def describe(self, plan: StepPlan) -> str:  # noqa: ARG002  the protocol's signature
        """The step in a few words for people."""
        return "approval"

    def look(self, case: StepContext) -> Verdict:
        """Granted, denied, or not yet."""
        step, settings = case.step, case.step.plan.settings
        if step.approval is not None:
            if step.approval.granted == "yes":
                return Done("done", f"approved by {step.approval.by}", {"by": step.approval.by})
            return Failed("denied", f"denied by {step.approval.by}")
        end = case.run.current_since + timedelta(seconds=int(settings.get("within", APPROVAL)))
        asked = f" ({settings['message']})" if settings.get("message") else ""
        if case.now >= end:
            return Failed("not-approved", f"nobody approved it by {end:%Y-%m-%d %H:%M} UTC{asked}")
        return Pending(
            "approval", f"upsun-agent approve {case.run.id} is awaited until {end:%Y-%m-%d %H:%M} UTC{asked}"
        )
