"""The step ``command``: a process in this container, in the time that a tick has.

It runs without a shell unless one is asked for, without any variable that holds the API token, in a process group of
its own that is killed when its time is up. What takes longer than a tick belongs into a runtime operation or a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from signal import Signals
from typing import TYPE_CHECKING, Annotated

from msgspec import field

from upsun_agent.engine.decision import Execute
from upsun_agent.engine.step import Done, Failed, StepContext, Verdict
from upsun_agent.model.durations import span
from upsun_agent.model.events import IntentRecorded, StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import ContainerStep, StepDocs, StepProblem
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import (
        COMMAND_MOST,
        SECRET_VARIABLE,
        VARIABLE,
        Boolean,
        Duration,
        Field,
        ListOf,
        MapOf,
        Number,
        Text,
    )

SHOWN = 300  # characters of its last words that a message repeats


def _ending(exit_code: int) -> str:
    """Return how a command ended, in words; a negative exit code is a signal's number."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


class CommandSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a command: it is either ``run`` or ``shell``."""

    run: Annotated[
        tuple[str, ...] | None,
        Field(
            ListOf(Text(r"[^\x00]*", most=10_000), distinct=False),
            'The command and its arguments: ["php", "task.php"].',
        ),
    ] = None
    shell: Annotated[str | None, Field(Text(r"[^\x00]+", most=10_000), "Or a script for /bin/sh -e.")] = None
    directory: Annotated[
        str | None,
        Field(Text(r"/[^\x00-\x1f\x7f]*", "an absolute path", 1000), "Its working directory. Default: the tick's own."),
    ] = None
    variables: Annotated[
        Mapping[str, str],
        Field(MapOf(Text(r"[^\x00]*", most=10_000), VARIABLE, most=100), "Variables set for it."),
    ] = field(default_factory=dict)
    keep_variables: Annotated[
        tuple[str, ...],
        Field(ListOf(SECRET_VARIABLE, least=0), "Variables that it gets although they hold the token."),
    ] = ()
    within: Annotated[int, Field(Duration(1, COMMAND_MOST), "Its time limit. It is killed when that has passed.")] = 30
    success: Annotated[tuple[int, ...], Field(ListOf(Number(0, 255)), "Exit codes that mean success.")] = (0,)
    repeatable: Annotated[bool, Field(Boolean(), "It may be run again if it was interrupted.")] = False
    changes: Annotated[bool, Field(Boolean(), "false: it only reads, so there is nothing to roll back.")] = True


class CommandStep(ContainerStep[CommandSettings]):
    """Run a command and judge its exit code."""

    name = "command"
    settings_type = CommandSettings
    docs = StepDocs(
        about="Run a command in this container, within the time of a tick.",
        notes="Runs a command in the container that the tick runs in: no shell unless `shell` is used, at most 45 "
        "seconds, in a session of its own. When it has ended, when its time is up, and when the tick ends in any way, "
        "everything that it started is ended too: background processes, daemons, and what they started. What it has "
        "started by another service (SSH, a cron, a supervisor of services) is not. It gets no variable that holds the "
        "API token, under any name, within a longer value or in base64, unless `keep-variables` names it. The end of "
        "its output (4,000 bytes) is kept in the journal, without secrets. `UPSUN_AGENT_RUN`, `UPSUN_AGENT_JOB` and "
        "`UPSUN_AGENT_BACKUP` tell it about the run.",
        example=('command = { run = ["php", "bin/console", "app:warm-up"], within = "40s", repeatable = true }',),
        done="Its exit code is one of `success`.",
        failures={
            FailureKind.COMMAND_FAILED: "Another exit code; the message ends with the end of its output.",
            FailureKind.COMMAND_TIMEOUT: "It was killed at its time limit.",
            FailureKind.INTERRUPTED: "The tick was killed while the command ran, and the command is not `repeatable`.",
        },
    )
    retryable = frozenset({FailureKind.COMMAND_FAILED, FailureKind.COMMAND_TIMEOUT})

    def problems(self, settings: CommandSettings) -> Iterator[StepProblem]:
        """Yield a problem if it has no command, or two."""
        if (settings.run is None) == (settings.shell is None):
            yield StepProblem("needs exactly one of run and shell")
        yield from super().problems(settings)

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        settings = self.settings(plan)
        words = settings.shell or " ".join(settings.run or ())
        first = words.strip().splitlines()[0] if words.strip() else ""
        return f"command {first[:40]}{'…' if len(words) > len(first[:40]) else ''}"

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """Return this environment, or None where the job file says that the command changes nothing."""
        return home if self.settings(plan).changes else None

    def may_repeat(self, plan: StepPlan) -> bool:
        """Return whether it may be run again after it was interrupted."""
        return self.settings(plan).repeatable

    def execution(self, case: StepContext, intent: IntentRecorded) -> Execute:
        """Return the command and its time limit."""
        settings, run = self.settings(case.step.plan), case.run
        told = {
            "UPSUN_AGENT_RUN": run.id,
            "UPSUN_AGENT_JOB": run.job.name,
            "UPSUN_AGENT_BACKUP": run.proved_backup or "",
        }
        variables = {**told, **settings.variables}
        command = settings.shell or settings.run or ()
        return Execute(intent, command, settings.directory or "", settings.within, variables, settings.keep_variables)

    def judge_command(self, case: StepContext) -> Verdict:
        """Return whether its exit code is one of those that mean success."""
        ended, settings = case.step.command, self.settings(case.step.plan)
        if ended is None:
            return Failed(FailureKind.JOURNAL, "the journal says that the command ended, but not how")
        words = f": {' '.join(ended.output.split())[-SHOWN:]}" if ended.output.strip() else ""
        if ended.exit_code is None:
            limit = span(settings.within)
            text = f"{self.describe(case.step.plan)} was killed after {limit}{words}"
            return Failed(FailureKind.COMMAND_TIMEOUT, text)
        if ended.exit_code not in settings.success:
            text = f"{self.describe(case.step.plan)} {_ending(ended.exit_code)}{words}"
            return Failed(FailureKind.COMMAND_FAILED, text)
        text = f"{self.describe(case.step.plan)} {_ending(ended.exit_code)}"
        return Done(StepOutcome.DONE, text, {"exit_code": ended.exit_code, "seconds": ended.seconds})


KIND = CommandStep()
