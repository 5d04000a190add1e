"""The base of every kind of step, besides what the engine calls: settings, checks and documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, Literal, TypeVar

from msgspec import Struct, field

from upsun_agent.engine.decision import Execute
from upsun_agent.engine.step import StepContext, Verdict
from upsun_agent.model.events import IntentRecorded
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import HERE, StepPlan
from upsun_agent.steps.common.settings import StepSettings

S = TypeVar("S", bound=StepSettings)


class StepDocs(Struct, frozen=True):
    """The documentation of a kind, for the schema and the docs."""

    #: What the step does, in one line.
    about: str
    #: How it is known to be done.
    done: str
    #: The steps of an example job, each as a line of TOML.
    example: tuple[str, ...]
    #: What else a reader should know, in Markdown.
    notes: str = ""
    #: The failures of this kind alone, each with its meaning.
    failures: Mapping[FailureKind, str] = field(default_factory=dict)
    #: The rollback steps of the example, each as a line of TOML.
    rollback: tuple[str, ...] = ()


class StepProblem(Struct, frozen=True):
    """One thing that is wrong with a step of a job file."""

    #: What is wrong.
    message: str
    #: What to do about it; empty if the message says it.
    remedy: str = ""
    #: The key that it is about; empty for the step as a whole.
    key: str = ""


class Kind(Generic[S]):
    """A kind of step. One file holds everything about it; its name is the kind's with ``_`` for ``-``."""

    #: its name in the job file
    name: str
    settings_type: type[S]
    docs: StepDocs
    retryable: frozenset[FailureKind] = frozenset()
    #: it works in the agent's own container and asks nothing of an environment
    in_container = False
    #: it ends with a proved backup, which later steps may rest on
    proves_backup = False
    #: it may make a commit, or bring one live
    makes_commits = False
    #: it makes sense among the steps of on-failure
    suits_rollback = True

    def settings(self, plan: StepPlan) -> S:
        """Return the typed settings of a plan of this kind."""
        return self.settings_type.of(plan)

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"{self.name}{on(plan)}"

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Return the id of the environment whose code or data it changes: none."""
        return None

    def needs_proof(self, plan: StepPlan) -> bool:  # noqa: ARG002  the protocol's signature
        """Return False: it needs no backup that was proved in the same run."""
        return False

    # --- the job file ---------------------------------------------------------------------------------------------

    def problems(self, settings: S) -> Iterator[StepProblem]:
        """Yield what is wrong with a step whose keys are all valid by themselves."""
        if self.in_container and settings.environment not in {None, HERE}:
            yield StepProblem(f"a {self.name} works where the agent runs", "leave it out", "environment")

    def must_name_environment(self, settings: S) -> bool:  # noqa: ARG002  for kinds that differ
        """Return whether it must name its environment in a job that works on several."""
        return not self.in_container

    def unproved(self, settings: S, where: str) -> StepProblem | None:  # noqa: ARG002  for kinds that differ
        """Return the problem if no earlier step proves a backup of what this step changes; None if that is allowed.

        Args:
            settings: the step's settings.
            where: " on ENVIRONMENT" where that is not the agent's own, else empty.
        """
        return None


class LookStep(Kind[S]):
    """A kind that only reads or waits: it can be repeated at any time."""

    way: Literal["look"] = "look"
    passes_time = False

    def look(self, case: StepContext) -> Verdict:
        """Return the verdict on what was seen so far."""
        raise NotImplementedError


class ContainerStep(Kind[S]):
    """A kind that runs a command in this container."""

    way: Literal["command"] = "command"
    in_container = True

    def may_repeat(self, plan: StepPlan) -> bool:
        """Return whether it may be run again after it was interrupted."""
        raise NotImplementedError

    def execution(self, case: StepContext, intent: IntentRecorded) -> Execute:
        """Return the command and its time limit."""
        raise NotImplementedError

    def judge_command(self, case: StepContext) -> Verdict:
        """Return the verdict on how the command ended."""
        raise NotImplementedError


def on(plan: StepPlan) -> str:
    """Return " on ENVIRONMENT" if the step names another environment than the agent's own, else ""."""
    named = plan.environment("")
    return f" on {named}" if named else ""
