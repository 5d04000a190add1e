"""The step ``merge``: bring an environment's code into its parent, which is built and deployed.

The platform merges into the parent, whichever that is; ``into`` says which one is meant, and anything else is refused.
Where an integration fetches branches, merging on the platform is impossible
(https://developer.upsun.com/docs/configure-apps/source-operations).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from upsun_agent.engine.step import Done, Failed, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, Fate
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import HERE, StepPlan
from upsun_agent.steps.common.commits import judge_commit, judge_staged
from upsun_agent.steps.common.kind import StepDocs, StepProblem
from upsun_agent.steps.common.request import UpdateStep
from upsun_agent.steps.common.settings import UpdateSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import ENVIRONMENT, Field


class MergeSettings(UpdateSettings, frozen=True, kw_only=True):
    """What the job file says of a merge."""

    into: Annotated[
        str, Field(ENVIRONMENT, 'The parent that you expect; "." is the environment that the agent runs on.')
    ]


class MergeStep(UpdateStep[MergeSettings]):
    """Merge an environment into its parent and check the result."""

    name = "merge"
    settings_type = MergeSettings
    docs = StepDocs(
        about="Merge an environment into its parent and check the result.",
        notes="Merges an environment into its parent, which is built and deployed. `environment` is the child, `into` "
        "the parent that you expect: if the platform says that the parent is another one, nothing is merged. It needs "
        'a backup step on the parent before it, unless it says `backup = "not-needed"`. Where an integration fetches '
        "branches, the platform cannot merge.",
        example=('backup = { environment = "." }', 'merge = { environment = "staging", into = "." }'),
        done="Its activity succeeded, and either the parent's head did not move (`nothing-to-do`), or the merge is "
        "live on the parent, or staged.",
        failures={
            FailureKind.WRONG_PARENT: "The environment's parent is not the one that you expect.",
            FailureKind.NO_PROVED_BACKUP: "No backup of the parent was proved in this run.",
        },
    )
    activity_type = "environment.merge"
    link = permission_link = "#merge"
    ends_staged = True
    listed_elsewhere = True  # its activity is the parent's

    def problems(self, settings: MergeSettings) -> Iterator[StepProblem]:
        """Yield a problem if child and parent are the same."""
        yield from super().problems(settings)
        if (settings.environment or HERE) == settings.into:
            yield StepProblem("would merge an environment into itself", "name the child with 'environment'")

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"merge of {plan.environment('this environment')} into {self._into(plan, 'this environment')}"

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """Return the parent."""
        return self._into(plan, home)

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Return a failure if the parent is not the expected one."""
        into = self._into(case.step.plan, case.run.environment)
        if environment.parent != into:
            text = f"the parent of {environment.id} is {environment.parent or 'nobody'}, not {into}: nothing is merged"
            return Failed(FailureKind.WRONG_PARENT, text)
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Return "no" for an activity that names another source, else "maybe".

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        source = activity.parameters.get("environment")
        mine = plan.environment("")
        return (
            Recognition.NO
            if mine and isinstance(source, str) and source != mine and "into" in activity.parameters
            else Recognition.MAYBE
        )

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the verdict: whether there was anything to merge, and whether it is live on the parent."""
        into = self._into(case.step.plan, case.run.environment)
        if activity.fate == Fate.STAGED:
            return judge_staged(case, activity, into, "the merge")
        nothing = Done(StepOutcome.NOTHING_TO_DO, f"nothing to merge: {into} has everything already", {"commit": None})
        return judge_commit(case, activity, into, "the merge", nothing)

    def _into(self, plan: StepPlan, home: str) -> str:
        """Return the id of the expected parent."""
        named = self.settings(plan).into
        return home if named == HERE else named


KIND = MergeStep()
