"""The step ``activate``."""

from __future__ import annotations

from upsun_agent.steps.common.kind import StepDocs
from upsun_agent.steps.common.switch import FAILURES, SwitchStep


class ActivateStep(SwitchStep):
    """Activate an inactive environment."""

    name = "activate"
    activity_type = "environment.activate"
    link = "#activate"
    statuses = frozenset({"inactive", "active"})
    after = "active"
    docs = StepDocs(
        about="Activate an inactive environment.",
        notes="Activates an inactive environment. An active one is left alone: `nothing-to-do`.",
        example=('activate = { environment = "staging" }',),
        done="Its activity succeeded and the environment is active.",
        failures=FAILURES,
    )


KIND = ActivateStep()
