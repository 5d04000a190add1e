"""The steps ``activate``, ``pause`` and ``resume``: bring an environment into a state, unless it is in it."""

from __future__ import annotations

from upsun_agent.engine.step import Done, Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, LookAtActivity
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.request import RequestStep


class SwitchStep(RequestStep):
    """An environment's state changed by one request.

    Args:
        name: the step's name, which is also the last part of link and activity type.
        before: the statuses in which the platform offers it.
        after: the status that it leads to.
    """

    waits_for: frozenset[str] = frozenset()

    def __init__(self, name: str, before: frozenset[str], after: str) -> None:
        self.name = name
        self.activity_type = f"environment.{name}"
        self.link = f"#{name}"
        self.statuses = before | {after}
        self._after = after

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Neither code nor data."""
        return None

    def settled(self, environment: Environment) -> Verdict | None:
        """Nothing to do where the environment is in that state already."""
        if environment.status != self._after:
            return None
        text = f"{environment.id} is {self._after} already"
        return Done("nothing-to-do", text, {"status": environment.status})

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """The environment is in the state now."""
        question = case.look_at_environment()
        found = case.seen.get(question)
        looked = case.seen.number(LookAtActivity(activity.id))
        if not isinstance(found, Environment) or case.seen.number(question) < looked:
            return Need(question)
        if found.status != self._after:
            text = f"{self.name} succeeded, but {found.id} is {found.status}"
            return Failed("wrong-status", text, "look at the environment in the Console")
        return Done("done", f"{found.id} is {self._after}", {"status": found.status, "activity": activity.id})


ACTIVATE = SwitchStep("activate", frozenset({"inactive"}), "active")
PAUSE = SwitchStep("pause", frozenset({"active"}), "paused")
RESUME = SwitchStep("resume", frozenset({"paused"}), "active")
