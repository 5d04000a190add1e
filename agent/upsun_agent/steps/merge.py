"""The step ``merge``: bring an environment's code into its parent, which is built and deployed.

The platform merges into the parent, whichever that is; ``into`` says which one is meant, and anything else is refused.
Where an integration fetches branches, merging on the platform is impossible (docs:create-apps/source-operations).
"""

from __future__ import annotations

from upsun_agent.engine.step import Done, Failed, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.job import HERE, StepPlan
from upsun_agent.steps.commits import judge_commit, judge_staged
from upsun_agent.steps.request import RequestStep


class MergeStep(RequestStep):
    """Merge an environment into its parent and judge what came of it."""

    name = "merge"
    activity_type = "environment.merge"
    link = permission_link = "#merge"
    ends_staged = True
    listed_elsewhere = True  # its activity is the parent's

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"merge of {plan.environment('this environment')} into {_into(plan, 'this environment')}"

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """The parent."""
        return _into(plan, home)

    def needs_proof(self, plan: StepPlan) -> bool:
        """Promise P2: no merge without a proved backup of what it changes, unless ``backup = "not-needed"``."""
        return bool(plan.settings.get("backup", "required") != "not-needed")

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Refuse another parent than the one that is meant."""
        into = _into(case.step.plan, case.run.environment)
        if environment.parent != into:
            text = f"the parent of {environment.id} is {environment.parent or 'nobody'}, not {into}: nothing is merged"
            return Failed("wrong-parent", text, "mend 'into', or the environment's parent")
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Not ours if it says that it is about other environments."""
        source = activity.parameters.get("environment")
        mine = plan.environment("")
        return (
            "no" if mine and isinstance(source, str) and source != mine and "into" in activity.parameters else "maybe"
        )

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Whether there was anything to merge, and whether it is live on the parent."""
        into = _into(case.step.plan, case.run.environment)
        if activity.fate == "staged":
            return judge_staged(case, activity, into, "the merge")
        nothing = Done("nothing-to-do", f"nothing to merge: {into} had it all", {"commit": None})
        return judge_commit(case, activity, into, "the merge", nothing)


def _into(plan: StepPlan, home: str) -> str:
    named = str(plan.settings.get("into", HERE))
    return home if named == HERE else named
