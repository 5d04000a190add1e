"""The base of steps that make a request; a kind overrides what differs."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from upsun_agent.engine.step import Done, Need, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, ActivityList, Environment, Fate, LookAtOwner, Owner
from upsun_agent.model.events import IntentRecorded, StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import Kind, S, StepProblem
from upsun_agent.steps.common.settings import UpdateSettings

U = TypeVar("U", bound=UpdateSettings)

#: How a person deploys what is staged.
DEPLOY = "upsun environment:deploy, or a step 'deploy'"

ACTIVE = frozenset({"active"})
#: Activities that can move the head of an environment.
MOVING = ("environment.push", "environment.merge", "environment.synchronize", "environment.source-operation")
ENGAGED = frozenset({"environment.push", "environment.redeploy", "environment.merge", "environment.source-operation"})


class RequestStep(Kind[S]):
    """One request at a link of an active environment; the step succeeds if the activity does."""

    way: Literal["request"] = "request"
    activity_type = ""
    link = ""
    permission_link = ""
    statuses = ACTIVE
    waits_for: frozenset[str] = ENGAGED
    retryable: frozenset[FailureKind] = frozenset({FailureKind.ACTIVITY_FAILED})
    ends_staged = False
    listed_elsewhere = False
    destroys = False
    commands_decide = True

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """Return the environment that the step is about."""
        return plan.environment(home)

    def path(self, case: StepContext, environment: Environment) -> str:  # noqa: ARG002  the protocol's signature
        """Return the path of the link."""
        return environment.links[self.link]

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the protocol's signature
        """Return an empty object."""
        return {}

    def already_satisfied(self, environment: Environment) -> Verdict | None:  # noqa: ARG002  the protocol's signature
        """Return None: the request is made in any state of the environment."""
        return None

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:  # noqa: ARG002  the protocol's
        """Return None: the request is always needed."""
        return None

    def trace(self, case: StepContext, intent: IntentRecorded, listed: ActivityList, looked: int) -> Need | str | None:
        """Return in words that the head moved since the request and nobody else moved it: the list may be wrong.

        Args:
            case: the step, with its run, the present, and what this pass has seen.
            intent: the event that was recorded before the request.
            listed: the activities that were listed since.
            looked: the place of that list among this pass's answers; an answer ahead of it is too old.
        """
        subject = self.changes(case.step.plan, case.run.environment)
        if subject is None or intent.head is None:
            return None
        place = case.look_at_environment(subject)
        environment = case.seen.get(place)
        if not isinstance(environment, Environment) or case.seen.number(place) < looked:
            return Need(place)
        head = environment.head_commit
        if head is None or head == intent.head or any(each.created_at for each in listed.items):
            return None  # what is listed is not this run's, and may have moved the head
        question = case.look_at_activities(types=MOVING, since=intent.server_at, environment=subject)
        moving, owner = case.seen.get(question), case.seen.get(LookAtOwner())
        if not isinstance(moving, ActivityList):
            return Need(question)
        if moving.items and not isinstance(owner, Owner):
            return Need(LookAtOwner())
        mine = owner.id if isinstance(owner, Owner) else None
        if any(each.user and mine and each.user != mine for each in moving.items):
            return None  # somebody else pushed or merged
        return f"the head of {subject} moved to {head[:8]}"

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  the protocol's
        """Return "maybe": the request cannot carry a run id, so only type, user and time are compared.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        return Recognition.MAYBE

    def adopts(self, case: StepContext, activity: Activity) -> bool:  # noqa: ARG002  the protocol's signature
        """Return False: the step waits for an activity that somebody else began; it does not adopt it."""
        return False

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return success, or staged if the project deploys manually: the platform shows nothing more."""
        if activity.fate == Fate.STAGED:
            text = f"{self.describe(case.step.plan)} is staged: the project deploys manually ({DEPLOY})"
            return Done(StepOutcome.DONE, text, {"activity": activity.id, "deployment": "staged"})
        text = f"{self.describe(case.step.plan)} done (activity {activity.id})"
        return Done(StepOutcome.DONE, text, {"activity": activity.id})


class UpdateStep(RequestStep[U]):
    """A request that may bring new code live: promise P2 holds for it."""

    makes_commits = True

    def needs_proof(self, plan: StepPlan) -> bool:
        """Return whether a backup must be proved first: always, except with ``backup = "not-needed"``."""
        return self.settings(plan).backup != "not-needed"

    def unproved(self, settings: U, where: str) -> StepProblem | None:
        """Return the problem that a backup step is missing."""
        if settings.backup == "not-needed":
            return None
        remedy = f'put a backup step{where} before it, or set backup = "not-needed" on it'
        return StepProblem(f"needs a backup step{where} before it", remedy)
