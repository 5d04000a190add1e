"""The interface of a kind of step: pure functions of the answers seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from upsun_agent.engine.decision import Execute
from upsun_agent.engine.run import Run, Step
from upsun_agent.model.answers import (
    Activity,
    ActivityList,
    Environment,
    LookAtActivities,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtRoutes,
    Observation,
    Question,
)
from upsun_agent.model.events import IntentRecorded, StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan


class Need(Struct, frozen=True):
    """The verdict needs an answer to this question first."""

    #: What must be read before there is a verdict.
    question: Question


class Pending(Struct, frozen=True):
    """No verdict yet: what the step waits for (a stable word) and why."""

    #: A stable word for what the step waits for.
    on: str
    #: The same, in words.
    message: str


class Done(Struct, frozen=True):
    """The step reached its end; ``detail`` is the evidence."""

    #: How the step ended.
    outcome: StepOutcome
    #: What was done, in words.
    message: str
    #: The evidence.
    detail: Mapping[str, Any] = field(default_factory=dict)


class Failed(Struct, frozen=True):
    """The step failed.

    ``doubtful``: the verdict rests on an answer that may be a passing one; it is believed only if the answer stays.
    """

    #: The kind of failure.
    failure: FailureKind
    #: What happened.
    message: str
    #: The remedy in this case; empty if the remedy for this kind of failure is enough.
    remedy: str = ""
    #: Whether the verdict rests on an answer that may pass, so that the answer must stay first.
    doubtful: bool = False

    @property
    def helps(self) -> str:
        """Return the remedy of this case, else the one of the kind of failure."""
        return self.remedy or self.failure.remedy


Verdict = Need | Pending | Done | Failed


class Recognition(StrEnum):
    """How certain it is that an activity came from a given request."""

    #: The activity certainly came from another request.
    NO = "no"
    #: Nothing in the activity excludes it; type, user and time must decide.
    MAYBE = "maybe"
    #: The activity carries the run's id.
    SURE = "sure"


class StepContext(Struct, frozen=True):
    """One step at one time, with all answers seen so far: the input of every verdict."""

    #: The run as it stands.
    run: Run
    #: The step that is judged.
    step: Step
    #: All answers of this tick.
    seen: Observation
    #: The agent's clock.
    now: datetime
    #: The ids of activities that belong to other steps and runs.
    claimed: frozenset[str] = frozenset()
    #: The time zone of the job.
    zone: tzinfo = UTC

    @property
    def environment(self) -> str:
        """The id of the environment that the step is about."""
        return self.step.plan.environment(self.run.environment)

    def asks(self, environment: str) -> str:
        """Return an environment's id as used in questions: empty for the run's own."""
        return "" if environment == self.run.environment else environment

    def look_at_environment(self, environment: str | None = None) -> LookAtEnvironment:
        """Return the question for an environment; without an id, the step's."""
        return LookAtEnvironment(self.asks(environment or self.environment))

    def look_at_activities(
        self,
        *,
        types: tuple[str, ...] = (),
        since: datetime | None = None,
        incomplete: bool = False,
        environment: str | None = None,
    ) -> LookAtActivities:
        """Return the question for activities of an environment; without an id, the step's.

        Args:
            types: the types that are asked for; none: every type.
            since: the oldest moment that is of interest; None: no limit.
            incomplete: whether only activities that have not ended are asked for.
            environment: the id of the environment; None: the step's.
        """
        return LookAtActivities(types, since, incomplete, self.asks(environment or self.environment))

    def look_at_backup(self, name: str) -> LookAtBackup:
        """Return the question for a backup of the step's environment."""
        return LookAtBackup(name, self.asks(self.environment))

    def look_at_backups(self) -> LookAtBackups:
        """Return the question for the backups of the step's environment."""
        return LookAtBackups(self.asks(self.environment))

    def look_at_routes(self) -> LookAtRoutes:
        """Return the question for the addresses of the step's environment."""
        return LookAtRoutes(self.asks(self.environment))


class AnyKind(Protocol):
    """The interface of every kind of step. Each kind has a module in ``agent/upsun_agent/steps``."""

    #: its name in the job file
    name: str
    #: after which failures it may be tried again, if the job allows retries
    retryable: frozenset[FailureKind]

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """Return the id of the environment whose code or data it changes, or None; ``home`` is the run's own."""

    def needs_proof(self, plan: StepPlan) -> bool:
        """Return whether it may begin only after this run proved a backup of what it changes (promise P2)."""


class LookingKind(AnyKind, Protocol):
    """A kind that only reads or waits: it can be repeated at any time."""

    way: Literal["look"]
    #: it lets time pass on purpose, within a limit of its own: the run's limits do not count it
    passes_time: bool

    def look(self, case: StepContext) -> Verdict:
        """Return the verdict on what was seen so far."""


class CommandKind(AnyKind, Protocol):
    """A kind that runs a command in this container."""

    way: Literal["command"]

    def may_repeat(self, plan: StepPlan) -> bool:
        """Return whether it may be run again after it was interrupted."""

    def execution(self, case: StepContext, intent: IntentRecorded) -> Execute:
        """Return the command and its time limit."""

    def judge_command(self, case: StepContext) -> Verdict:
        """Return the verdict on how the command ended."""


class RequestKind(AnyKind, Protocol):
    """A kind that makes one request, which becomes an activity of the platform."""

    way: Literal["request"]

    #: the activity's type, and the link whose presence says that the request is allowed and possible now
    activity_type: str
    link: str
    #: the link that an admin of an active environment sees whenever it is idle: "" where none tells the permission
    permission_link: str
    #: in which states of the environment the request makes sense
    statuses: frozenset[str]
    #: incomplete activities of these types must end before the request is made
    waits_for: frozenset[str]
    #: where the project deploys manually its activity may stay in state "staged": that is its end, to be judged
    ends_staged: bool
    #: its activity may stand in another environment's list: look in the project's
    listed_elsewhere: bool
    #: it replaces data that no other request brings back: what led to it is read once more before
    destroys: bool
    #: the step fails where the platform says success but a command of the activity failed
    commands_decide: bool

    def path(self, case: StepContext, environment: Environment) -> str:
        """Return where the request goes."""

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:
        """Return the JSON body of the request, for the run with that id."""

    def already_satisfied(self, environment: Environment) -> Verdict | None:
        """Return the verdict if the environment is already in the wanted state; None otherwise."""

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:
        """Return a verdict without a request (a backup that may be reused), or None."""

    def trace(self, case: StepContext, intent: IntentRecorded, listed: ActivityList, looked: int) -> Need | str | None:
        """Return in words an effect of the request that the platform shows although the list lacks its activity.

        Args:
            case: the step.
            intent: its request.
            listed: the list without the activity.
            looked: the number of the look at that list; what is compared with it must be seen later.
        """

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Return whether the activity may come from this step's request.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """

    def adopts(self, case: StepContext, activity: Activity) -> bool:
        """Return whether a running activity that somebody else began serves as this step's own."""

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the verdict on an activity that ended in success; that alone does not prove the result."""


StepKind = RequestKind | LookingKind | CommandKind
