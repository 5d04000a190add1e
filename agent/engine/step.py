"""What a kind of step must be able to say, as pure functions over what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from agent.engine.events import StepOutcome
from agent.engine.facts import Activity, Environment, Observation, Question
from agent.engine.job import StepPlan
from agent.engine.run import Run, Step
from agent.records import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """The verdict needs an answer to this question first."""

    question: Question


@dataclass(frozen=True, slots=True)
class Pending:
    """No verdict yet: what it waits on (a stable word) and why."""

    on: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The step reached its end; ``detail`` is the evidence."""

    outcome: StepOutcome
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The step failed."""

    failure: str
    message: str
    remedy: str = ""


Verdict = Need | Pending | Done | Failed

#: How sure it is that an activity came from a given request.
Recognition = Literal["no", "maybe", "sure"]


@dataclass(frozen=True, slots=True)
class Case:
    """One step at one moment with all that was seen: what every judgement is about."""

    run: Run
    step: Step
    seen: Observation
    now: datetime
    claimed: frozenset[str] = frozenset()


class StepKind(Protocol):
    """A kind of step. One module each, under ``agent/steps``."""

    #: its name in the job file, and the activity type and HAL link of its request
    name: str
    activity_type: str
    link: str
    #: incomplete activities of these types must end before the request is made
    waits_for: frozenset[str]
    #: failures after which it may be asked for again, if the job allows retries
    retryable: frozenset[str]
    #: where the project deploys manually its activity may stay in state "staged": that is its end, to be judged
    ends_staged: bool

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:
        """The JSON body of the request, for the run with that id."""

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""

    def needs_proof(self, plan: StepPlan) -> bool:
        """Whether the request may be made only after a backup was proved in the same run."""

    def shortcut(self, case: Case, environment: Environment) -> Verdict | None:
        """A verdict without a request (a backup that may be reused), or None."""

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Whether the activity may come from this step's request."""

    def adopts(self, case: Case, activity: Activity) -> bool:
        """Whether a running activity that somebody else began serves as this step's own."""

    def judge(self, case: Case, activity: Activity) -> Verdict:
        """The verdict on an activity that ended in success. Complete is not enough."""
