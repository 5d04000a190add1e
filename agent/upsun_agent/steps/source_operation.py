"""The step ``source-operation``: run it and judge the result: nothing to update, commit live, or staged.

A source operation works on a checkout of HEAD; no commit means no build, a commit is pushed, built and deployed like
any push (https://developer.upsun.com/docs/configure-apps/source-operations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import field

from upsun_agent.engine.step import Done, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Fate
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.commits import judge_commit, judge_staged
from upsun_agent.steps.common.kind import StepDocs, on
from upsun_agent.steps.common.request import UpdateStep
from upsun_agent.steps.common.settings import UpdateSettings

if TYPE_CHECKING:
    from upsun_agent.model.ids import name_fault
    from upsun_agent.steps.common.keys import Field, Text, VariablesByGroup

#: The variable that carries the run's id into the operation, and so into its activity's parameters.
MARK = "UPSUN_AGENT_RUN"


class SourceOperationSettings(UpdateSettings, frozen=True, kw_only=True):
    """What the job file says of a source operation."""

    name: Annotated[
        str,
        Field(
            Text(what="the name of a source operation", most=200, rule=name_fault),
            "The operation's name in .upsun/config.yaml.",
        ),
    ]
    variables: Annotated[
        Mapping[str, Mapping[str, str]],
        Field(VariablesByGroup, 'Variables for the operation, by group: { env = { NAME = "value" } }.'),
    ] = field(default_factory=dict)


class SourceOperationStep(UpdateStep[SourceOperationSettings]):
    """Run a source operation and judge it."""

    name = "source-operation"
    settings_type = SourceOperationSettings
    docs = StepDocs(
        about="Run a source operation and check the result.",
        notes="Runs a source operation of the app: it works on a checkout of the branch, commits, and the commit is "
        "built and deployed. The run's id is passed as the variable `UPSUN_AGENT_RUN`. It needs a backup step on the "
        'same environment before it, unless it says `backup = "not-needed"`.',
        example=(
            "backup = {}",
            'source-operation = { name = "update", variables = { env = { CHANNEL = "stable" } } }',
        ),
        done="Its activity succeeded, and either the head did not move and no push followed (`nothing-to-do`), or "
        "the commit is live, or staged where the project deploys manually.",
        failures={
            FailureKind.NO_PROVED_BACKUP: "No backup of the environment was proved in this run.",
            FailureKind.DEPLOYMENT_FAILED: "The commit was made, but its deployment failed.",
            FailureKind.DEPLOYMENT_MISSING: "The commit was made, but no deployment followed within half an hour.",
        },
    )
    activity_type = "environment.source-operation"
    link = permission_link = "#source-operation"
    ends_staged = True
    waits_for = frozenset({"environment.push", "environment.redeploy", "environment.merge"})

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:
        """Return the operation's name and variables, with the run's id in one of them."""
        settings = self.settings(plan)
        variables = {group: dict(values) for group, values in settings.variables.items()}
        variables["env"] = {**variables.get("env", {}), MARK: run}
        return {"operation": settings.name, "variables": variables}

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"source operation {self.settings(plan).name}{on(plan)}"

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Return "sure" for our run id, "no" for another run's id or operation, else "maybe".

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        operation = activity.parameters.get("operation", activity.payload.get("operation"))
        if operation is not None and operation != self.settings(plan).name:
            return Recognition.NO  # a run may ask for several, each with its mark
        mark = _mark(activity.parameters)
        if mark is not None:
            return Recognition.SURE if mark == run else Recognition.NO
        return Recognition.MAYBE

    def adopts(self, case: StepContext, activity: Activity) -> bool:
        """Return whether a running operation has this run's id: any other began without our proved backup."""
        return self.recognises(case.step.plan, case.run.id, activity) == Recognition.SURE

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the verdict: no commit, a commit that is live, or one that is staged (manual deployment)."""
        if activity.fate == Fate.STAGED:
            return judge_staged(case, activity, case.environment, "the operation")
        nothing = Done(StepOutcome.NOTHING_TO_DO, "nothing to update: the operation made no commit", {"commit": None})
        return judge_commit(case, activity, case.environment, "the operation", nothing)


def _mark(parameters: Mapping[str, Any]) -> str | None:
    """Return the run id in an activity's variables, if any."""
    variables = parameters.get("variables")
    group = variables.get("env") if isinstance(variables, Mapping) else None
    mark = group.get(MARK) if isinstance(group, Mapping) else None
    if mark is None and isinstance(variables, Mapping):
        mark = variables.get(f"env:{MARK}")
    return mark if isinstance(mark, str) else None


KIND = SourceOperationStep()
