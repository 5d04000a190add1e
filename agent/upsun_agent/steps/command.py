"""The step ``command``: a process in this container, in the time that a tick has.

It runs without a shell unless one is asked for, without any variable that holds the API token, in a process group of
its own that is killed when its time is up. What takes longer than a tick belongs into a runtime operation or a task.
"""

from __future__ import annotations

from signal import Signals
from typing import Literal

from upsun_agent.engine.decision import Execute
from upsun_agent.engine.step import Done, Failed, StepContext, Verdict
from upsun_agent.model.durations import span
from upsun_agent.model.events import IntentRecorded
from upsun_agent.model.job import StepPlan

WITHIN = 30  # seconds, where the job file says none
SHOWN = 300  # characters of its last words that a message repeats


def _ending(exit_code: int) -> str:
    """Return how a command ended, in words; a negative exit code is a signal's number."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


class CommandStep:
    """Run a command and judge its exit code."""

    way: Literal["command"] = "command"
    name = "command"
    retryable = frozenset({"command-failed", "command-timeout"})

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        shell = plan.settings.get("shell")
        words = str(shell) if shell else " ".join(str(word) for word in plan.settings.get("run", ()))
        first = words.strip().splitlines()[0] if words.strip() else ""
        return f"command {first[:40]}{'…' if len(words) > len(first[:40]) else ''}"

    def changes(self, plan: StepPlan, home: str) -> str | None:
        """It may change this environment, unless it is said to look only."""
        return None if plan.settings.get("changes", True) is False else home

    def needs_proof(self, plan: StepPlan) -> bool:  # noqa: ARG002  the protocol's signature
        """The job file's author decides."""
        return False

    def may_repeat(self, plan: StepPlan) -> bool:
        """Whether it may be run again after it was interrupted."""
        return bool(plan.settings.get("repeatable", False))

    def execution(self, case: StepContext, intent: IntentRecorded) -> Execute:
        """What is to be run, and how long at most."""
        settings = case.step.plan.settings
        shell = settings.get("shell")
        command = str(shell) if shell else tuple(str(word) for word in settings.get("run", ()))
        within = int(settings.get("within", WITHIN))
        variables = {str(key): str(value) for key, value in (settings.get("variables") or {}).items()}
        run = case.run
        told = {
            "UPSUN_AGENT_RUN": run.id,
            "UPSUN_AGENT_JOB": run.job.name,
            "UPSUN_AGENT_BACKUP": run.proved_backup or "",
        }
        keep = tuple(str(name) for name in settings.get("keep-variables") or ())
        return Execute(intent, command, str(settings.get("directory") or ""), within, {**told, **variables}, keep)

    def judge_command(self, case: StepContext) -> Verdict:
        """Its exit code is one of those that mean success."""
        ended, settings = case.step.command, case.step.plan.settings
        if ended is None:
            return Failed("journal", "the command is said to have ended, but not how")
        words = f": {' '.join(ended.output.split())[-SHOWN:]}" if ended.output.strip() else ""
        if ended.exit_code is None:
            limit = span(int(settings.get("within", WITHIN)))
            text = f"{self.describe(case.step.plan)} was killed after {limit}{words}"
            return Failed("command-timeout", text, "give it more time with 'within', or make it a runtime operation")
        if ended.exit_code not in (settings.get("success") or (0,)):
            text = f"{self.describe(case.step.plan)} {_ending(ended.exit_code)}{words}"
            return Failed("command-failed", text, "run it by hand in an SSH session")
        text = f"{self.describe(case.step.plan)} {_ending(ended.exit_code)}"
        return Done("done", text, {"exit_code": ended.exit_code, "seconds": ended.seconds})
