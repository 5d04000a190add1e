"""The step ``wait``: wait until a daily window opens, or for a duration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from upsun_agent.engine.step import Done, Pending, StepContext, Verdict
from upsun_agent.engine.windows import opens
from upsun_agent.model.durations import span
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import LookStep, StepDocs, StepProblem
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import DAYS_OF_WEEK, WINDOW, Duration, Field


class WaitSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a wait: it is either ``window`` or ``for``."""

    window: Annotated[str | None, Field(WINDOW, "Until this window of the day is open, in the job's zone.")] = None
    days: Annotated[tuple[str, ...], Field(DAYS_OF_WEEK, "On these days of the week only.")] = ()
    for_: Annotated[int | None, Field(Duration(1), "Or for this long.")] = None


class WaitStep(LookStep[WaitSettings]):
    """Wait for a daily window, or for a duration."""

    name = "wait"
    passes_time = True
    in_container = True
    settings_type = WaitSettings
    docs = StepDocs(
        about="Wait for a window of the day, or for a length of time.",
        notes="Lets time pass: until a window of the day is open in the job's zone, or for a length of time. The run's "
        "time limit does not count it.",
        example=('wait = { window = "22:00-05:00", days = ["mon", "tue", "wed", "thu"] }', "backup = {}"),
        done="The window is open, or the time has passed.",
    )

    def problems(self, settings: WaitSettings) -> Iterator[StepProblem]:
        """Yield a problem if it has neither ``window`` nor ``for``, or both."""
        if (settings.window is None) == (settings.for_ is None):
            yield StepProblem("needs exactly one of window and for")
        yield from super().problems(settings)

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        settings = self.settings(plan)
        return f"wait for the window {settings.window}" if settings.window else f"wait of {span(settings.for_ or 0)}"

    def look(self, case: StepContext) -> Verdict:
        """Return whether the window is open, or the time has passed."""
        settings = self.settings(case.step.plan)
        if settings.window:
            if opens(settings.window, settings.days, case.now.astimezone(case.zone)):
                return Done(StepOutcome.DONE, f"the window {settings.window} is open")
            return Pending("window", f"the window {settings.window} is closed")
        seconds = settings.for_ or 0
        end = case.run.current_since + timedelta(seconds=seconds)
        if case.now >= end:
            return Done(StepOutcome.DONE, f"waited {span(seconds)}")
        return Pending("time", f"waiting until {end:%H:%M:%S} UTC")


KIND = WaitStep()
