"""What the steps ``activate``, ``pause`` and ``resume`` share: one request that changes an environment's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_agent.engine.step import Done, Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, LookAtActivity
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Retries

#: The failure of all three, and its meaning.
FAILURES = {FailureKind.WRONG_STATUS: "The activity succeeded, but the environment is in another state."}


class SwitchSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a change of state."""

    retries: Retries = 1


class SwitchStep(RequestStep[SwitchSettings]):
    """Change an environment's state with one request."""

    settings_type = SwitchSettings
    waits_for: frozenset[str] = frozenset()
    #: the status that it leads to; ``statuses`` are this one and those in which the platform offers it
    after: str

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Return None: neither code nor data is changed."""
        return None

    def already_satisfied(self, environment: Environment) -> Verdict | None:
        """Return "nothing to do" if the environment is in that state already."""
        if environment.status != self.after:
            return None
        text = f"{environment.id} is {self.after} already"
        return Done(StepOutcome.NOTHING_TO_DO, text, {"status": environment.status})

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return whether the environment is in the state now."""
        question = case.look_at_environment()
        found = case.seen.get(question)
        looked = case.seen.number(LookAtActivity(activity.id))
        if not isinstance(found, Environment) or case.seen.number(question) < looked:
            return Need(question)
        if found.status != self.after:
            text = f"{self.name} succeeded, but {found.id} is {found.status}"
            return Failed(FailureKind.WRONG_STATUS, text)
        return Done(StepOutcome.DONE, f"{found.id} is {self.after}", {"status": found.status, "activity": activity.id})
