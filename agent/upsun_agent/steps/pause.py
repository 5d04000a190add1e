"""The step ``pause``."""

from __future__ import annotations

from upsun_agent.steps.common.kind import StepDocs
from upsun_agent.steps.common.switch import FAILURES, SwitchStep


class PauseStep(SwitchStep):
    """Pause an environment."""

    name = "pause"
    activity_type = "environment.pause"
    link = "#pause"
    statuses = frozenset({"active", "paused"})
    after = "paused"
    docs = StepDocs(
        about="Pause an environment.",
        notes="Pauses an environment: it uses no resources until it is resumed, and loses nothing.",
        example=('pause = { environment = "staging" }',),
        done="Its activity succeeded and the environment is paused.",
        failures=FAILURES,
    )


KIND = PauseStep()
