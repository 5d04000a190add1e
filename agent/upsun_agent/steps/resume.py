"""The step ``resume``."""

from __future__ import annotations

from upsun_agent.steps.common.kind import StepDocs
from upsun_agent.steps.common.switch import FAILURES, SwitchStep


class ResumeStep(SwitchStep):
    """Resume a paused environment."""

    name = "resume"
    activity_type = "environment.resume"
    link = "#resume"
    statuses = frozenset({"paused", "active"})
    after = "active"
    docs = StepDocs(
        about="Resume a paused environment.",
        notes="Resumes a paused environment. An active one is left alone: `nothing-to-do`.",
        example=('resume = { environment = "staging" }',),
        done="Its activity succeeded and the environment is active.",
        failures=FAILURES,
    )


KIND = ResumeStep()
