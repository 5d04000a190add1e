"""The step ``branch``: create an environment from another one, with or without its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from upsun_agent.engine.step import Done, Need, Pending, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, Trouble
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import StepDocs, on
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import NEW_ENVIRONMENT, Boolean, Choice, Field, Text


class BranchSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a branch."""

    name: Annotated[str, Field(NEW_ENVIRONMENT, "The new environment's id.")]
    title: Annotated[str | None, Field(Text(most=200), "Its title; without one it is the id.")] = None
    type: Annotated[
        Literal["development", "staging"] | None,
        Field(Choice(("development", "staging")), "Its type; without one the platform chooses."),
    ] = None
    data: Annotated[bool, Field(Boolean(), "Clone the parent's data into it.")] = True


class BranchStep(RequestStep[BranchSettings]):
    """Branch an environment; leave an existing one unchanged."""

    name = "branch"
    settings_type = BranchSettings
    docs = StepDocs(
        about="Create an environment from another one.",
        notes="Creates an environment from another one, with or without its data. An environment that exists "
        "already is left as it is: `nothing-to-do`.",
        example=('branch = { environment = ".", name = "update-trial", type = "development" }',),
        done="Its activity succeeded and the new environment exists.",
    )
    activity_type = "environment.branch"
    link = permission_link = "#branch"
    listed_elsewhere = True  # its activity is the new environment's

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"branch {self.settings(plan).name}{on(plan).replace(' on ', ' from ')}"

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Return None: no existing environment is changed."""
        return None

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return name and title, and whether the data is cloned."""
        settings = self.settings(plan)
        body: dict[str, Any] = {"name": settings.name, "title": settings.title or settings.name}
        return body | {"clone_parent": settings.data} | ({"type": settings.type} if settings.type else {})

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:  # noqa: ARG002  the protocol's
        """Return "nothing to do" if the environment exists already."""
        name = self.settings(case.step.plan).name
        question = case.look_at_environment(name)
        found = case.seen.get(question)
        if isinstance(found, Trouble) and found.kind is FailureKind.NOT_FOUND:
            return None
        if not isinstance(found, Environment):
            return Need(question)
        return Done(
            StepOutcome.NOTHING_TO_DO, f"environment {name} exists already ({found.status})", {"environment": name}
        )

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Return "no" for an activity that creates another environment.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        made = activity.parameters.get("name", activity.parameters.get("environment"))
        return (
            Recognition.NO
            if isinstance(made, str) and made not in {self.settings(plan).name, plan.environment("")}
            else Recognition.MAYBE
        )

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return whether the new environment exists."""
        name = self.settings(case.step.plan).name
        question = case.look_at_environment(name)
        found = case.seen.get(question)
        if not isinstance(found, Environment):
            return Need(question)
        if found.status == "dirty":
            return Pending("settling", f"environment {name} is being created")
        return Done(
            StepOutcome.DONE,
            f"environment {name} made ({found.status})",
            {"environment": name, "activity": activity.id},
        )


KIND = BranchStep()
