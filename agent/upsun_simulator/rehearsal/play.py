"""Play a job against the built-in simulator in virtual time, with the real tick, client and journal.

Nothing leaves this process; the journal lives in a temporary directory.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import structs
from upsun_agent import __version__
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport, in_process
from upsun_agent.clock import VirtualClock
from upsun_agent.config import JobFile
from upsun_agent.engine.run import Run
from upsun_agent.errors import EXIT_OK, ConfigInvalid, UsageError
from upsun_agent.journal.state import MountState
from upsun_agent.log.lines import Redaction, make_log
from upsun_agent.model.events import ApprovalGiven, Event
from upsun_agent.model.job import HERE, Job
from upsun_agent.platform.container import Container
from upsun_agent.runtime.command_result import Ended
from upsun_agent.runtime.commands import Commands
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.recorder import Recorder
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.tick import run_tick, ticking
from upsun_agent.schedule import schedule_of

from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator

TICK_SECONDS = 300.0  # the platform's shortest cron interval
TICKS_MOST = 400  # more than a day and a half of ticks; the longest time limit of a rehearsed run that is shown
HOST = "http://simulator.invalid"
MEMORY = "/dev/shm"  # noqa: S108  a directory of a random name is made in it  # nosec B108


def scratch_place() -> str | None:
    """Return a directory in memory for the journal of a rehearsal; None if this machine has none.

    Nobody reads that journal afterwards, and syncing it to a disk takes time. ``TMPDIR`` decides if it is set.
    """
    return MEMORY if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK | os.X_OK) else None


@dataclass(frozen=True, slots=True)
class NamedFault:
    """Something that may go wrong in a rehearsal.

    In words, changes to the scenario, faults of requests, how commands end, and whether somebody approves.
    """

    #: What goes wrong, in words.
    doc: str
    #: Changes to the scenario, by field.
    scenario: dict[str, Any] = field(default_factory=dict)
    #: Faults of requests, as `simulate --fault` takes them.
    requests: tuple[str, ...] = ()
    #: The exit code of the commands of the job.
    exit_code: int = 0
    #: Whether somebody approves where the job asks for it.
    approves: bool = True


NAMED_FAULTS: dict[str, NamedFault] = {
    "backup-fails": NamedFault("the backup's activity fails", {"backup_outcome": "failure"}),
    "backup-cancelled": NamedFault("somebody cancels the backup", {"backup_outcome": "cancelled"}),
    "backup-unrestorable": NamedFault("the backup succeeds but is not restorable", {"backup_outcome": "unrestorable"}),
    "backup-missing": NamedFault("the backup succeeds but is not in the list", {"backup_outcome": "missing"}),
    "update-fails": NamedFault("the source operation fails", {"update_outcome": "failure"}),
    "no-update": NamedFault("the source operation finds nothing to update", {"update_outcome": "no-commit"}),
    "deploy-fails": NamedFault("the update's deployment fails", {"deploy_outcome": "failure"}),
    "manual-deployment": NamedFault("the project deploys manually: the commit is staged", {"manual_deployment": True}),
    "sync-fails": NamedFault("the sync's activity fails", {"sync_outcome": "failure"}),
    "staging-breaks": NamedFault("the update breaks the site on staging", {"update_breaks_site": "staging"}),
    "production-breaks": NamedFault("the update breaks the site in production", {"update_breaks_site": "production"}),
    "merge-fails": NamedFault("the merge's activity fails", {"merge_outcome": "failure"}),
    "merge-answer-lost": NamedFault("the answer to the merge request is lost", {}, ("POST */merge cut-after",)),
    "revert-fails": NamedFault("the source operation 'revert' fails", {"revert_outcome": "failure"}),
    "restore-fails": NamedFault("the restore's activity fails", {"restore_outcome": "failure"}),
    "operation-fails": NamedFault("the runtime operation fails", {"operation_outcome": "failure"}),
    "task-fails": NamedFault("the task fails", {"task_outcome": "failure"}),
    "command-fails": NamedFault("every command ends with exit code 1", exit_code=1),
    "not-approved": NamedFault("nobody approves", approves=False),
    "site-down": NamedFault("every page answers 503", {"site_status": 503}),
    "no-permission": NamedFault("the token's user is a viewer", {"role": "viewer"}),
    "inactive": NamedFault("the environment is inactive", {"status": "inactive"}),
    "one-backup-kept": NamedFault("the project keeps one manual backup", {"backup_limit": 1}),
    "token-refused": NamedFault(
        "the API token was revoked", {}, ('POST /oauth2/token json x* status=400 body={"error": "invalid_grant"}',)
    ),
    "api-down": NamedFault("the API answers 503 for the first six requests", {}, ("GET /projects/* 503 x6",)),
    "backup-answer-lost": NamedFault("the answer to the backup request is lost", {}, ("POST */backup cut-after",)),
    "backup-request-lost": NamedFault("the backup request never arrives", {}, ("POST */backup cut-before",)),
    "update-answer-lost": NamedFault(
        "the answer to the update request is lost", {}, ("POST */source-operation cut-after",)
    ),
    "update-request-lost": NamedFault("the update request never arrives", {}, ("POST */source-operation cut-before",)),
}


def arrange(names: Sequence[str], job: Job) -> tuple[Scenario, list[str]]:
    """Return the scenario and request faults for these named faults; raise UsageError for an unknown one.

    A name with a space is a fault of a request as ``simulate --fault`` takes it.
    """
    scenario, faults = scene(job), []
    for name in names:
        if " " in name:
            faults.append(name)
        elif name in NAMED_FAULTS:
            scenario = scenario.changed(**NAMED_FAULTS[name].scenario)
            faults.extend(NAMED_FAULTS[name].requests)
        else:
            raise UsageError(
                f"unknown fault '{name}'", remedy=f"known are: {', '.join(NAMED_FAULTS)}; or METHOD PATH KIND"
            )
    return scenario, faults


def scene(job: Job) -> Scenario:
    """Return a platform that defines everything the job needs."""
    steps = (*job.steps, *job.on_failure)
    names = {kind: [str(step.settings["name"]) for step in steps if step.kind == kind] for kind in DEFINED}
    runtime = [f"{step.settings['app']}:{step.settings['name']}" for step in steps if step.kind == "runtime-operation"]
    return Scenario(
        source_operations=tuple(dict.fromkeys(names["source-operation"])) or ("update",),
        tasks=tuple(dict.fromkeys(names["task"])),
        runtime_operations=tuple(dict.fromkeys(runtime)),
    )


DEFINED = ("source-operation", "task")


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a rehearsal: the closed run, the numbers of ticks and requests, and the request log."""

    #: The run as it stood at the end; None if none was opened.
    run: Run | None
    #: How many ticks it took.
    ticks: int
    #: The simulator's request log.
    request_log: dict[str, Any]
    #: The lines that the agent logged.
    log: str
    #: The exit code that the run stands for.
    exit_code: int


class Rehearsal:
    """Play one slot of a job (or a manual run without a schedule), from the slot to the run's end."""

    def __init__(
        self, job_file: JobFile, job: Job, container: Container, faults: Sequence[str], start: datetime
    ) -> None:
        scenario, requests = arrange(faults, job)
        self._container = structs.replace(
            container,
            project=container.project or scenario.project,
            environment=container.environment or scenario.environment,
            environment_type="production",
            app=container.app or "app",
        )
        # The simulator's main environment is of type production: a job for other types is rehearsed as if it ran there.
        self.job = structs.replace(job, environment_types=("production",))
        self.job_file = structs.replace(job_file, jobs={job.name: self.job})
        scenario = replace(
            scenario, project=self._container.project or "", environment=self._container.environment or ""
        )
        self.manual_clock = ManualClock(start)
        self.clock = VirtualClock(self.manual_clock)
        try:
            self.simulator = Simulator(scenario, self.manual_clock)
            for text in requests:
                self.simulator.add_fault(text)
        except ValueError as error:
            raise UsageError(f"--fault: {error}", remedy="see: upsun-agent simulate --help") from error
        self._make_environments()
        planted = [NAMED_FAULTS[name] for name in faults if name in NAMED_FAULTS]
        self._exit_code = max((named_fault.exit_code for named_fault in planted), default=0)
        self._approves = all(named_fault.approves for named_fault in planted)

    def _make_environments(self) -> None:
        """Create the environments that steps name and the simulated project lacks, below the agent's own."""
        home, made = self._container.environment or "", set(self.simulator.request_log()["environments"])
        steps = (*self.job.steps, *self.job.on_failure)
        fresh = {str(step.settings["name"]) for step in steps if step.kind == "branch"}
        named = [step.environment(home) for step in steps]
        named += [str(step.settings["into"]) for step in steps if step.settings.get("into", HERE) != HERE]
        for name in dict.fromkeys(named):
            if name not in made | fresh:
                self.simulator.add_environment(name, "staging", parent=home)

    def play(self, on_event: Callable[[str, Event], None] | None = None) -> Played:
        """Make ticks until the run is closed; raise ConfigInvalid if no slot ever falls due."""
        log = io.StringIO()
        with TemporaryDirectory(prefix="upsun-agent-rehearsal-", dir=scratch_place()) as directory:
            context = self.tick_context(directory, log, on_event)
            self._begin(context)
            run, ticks, code = None, 0, EXIT_OK
            while ticks < TICKS_MOST and (run is None or run.closed is None):
                report = run_tick(context)
                ticks += 1
                run, code = next(iter(report.runs.values()), run), report.exit_code()
                if run is not None and run.waits_on == "approval" and self._approves:
                    self._approve(context, run)
                self.clock.sleep(TICK_SECONDS)
        return Played(run, ticks, self.simulator.request_log(), log.getvalue(), code)

    def _approve(self, context: TickContext, run: Run) -> None:
        """Approve, as a person would."""
        if run.current is None:
            return
        event = ApprovalGiven(at=self.clock.now(), step=run.current.index, granted="yes", by="the rehearsal")
        with open_session(context) as desk:
            recorder = Recorder(context, desk)
            recorder.record(run, event)
            recorder.flush()

    def _begin(self, context: TickContext) -> None:
        """Make a first tick before the slot, then move to the slot; start a job without a schedule manually."""
        schedule = schedule_of(context.container, self.job)
        if schedule is None:
            with ticking(context) as tick:
                tick.open_by_hand(self.job)
                tick.finish()
            return
        slot = schedule.next(self.clock.now() + timedelta(seconds=TICK_SECONDS))
        if slot is None:
            raise ConfigInvalid(f"job '{self.job.name}' has no coming slot", remedy="see: upsun-agent next")
        self.manual_clock.set(slot.due_at - timedelta(seconds=TICK_SECONDS))
        run_tick(context)
        self.manual_clock.set(slot.due_at + timedelta(seconds=7))

    def variables(self, directory: str) -> dict[str, str]:
        """Write the job file into ``directory``, and return the rehearsed container's variables."""
        path = f"{directory}/agent.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.job_file.text)
        project, environment, app = self._container.identity
        return {
            "UPSUN_AGENT_CONFIG": path,
            "UPSUN_AGENT_STATE": directory,
            "PLATFORM_PROJECT": project,
            "PLATFORM_BRANCH": environment,
            "PLATFORM_APPLICATION_NAME": app,
            "PLATFORM_ENVIRONMENT_TYPE": self._container.environment_type or "",
        }

    def tick_context(
        self, directory: str, log: io.StringIO, on_event: Callable[[str, Event], None] | None
    ) -> TickContext:
        """Return the context of a tick of the rehearsal; its journal is in ``directory``.

        Args:
            directory: where the journal is.
            log: what the agent logs is written into it.
            on_event: called with a run's id and each event as it is recorded; None: nobody listens.
        """
        redaction = Redaction()
        client = Client(
            Transport(f"upsun-agent/{__version__}", in_process(self._answer, ConnectionCut)),
            Endpoints(HOST, HOST),
            self.simulator.scenario.token,
            clock=self.clock,
            hide=redaction.hide,
        )
        logger = make_log(redaction, stream=log, readable=False)
        commands = Commands(runner=self._no_command)
        return TickContext(
            self._container, self.job_file, MountState(directory), self.clock, client, logger, on_event, None, commands
        )

    def _answer(self, environ: Any, start_response: Any) -> Any:
        """Answer for the simulated platform and its sites; any other page is the agent's environment's."""
        host = str(environ.get("HTTP_HOST", ""))
        if not host.endswith("simulator.invalid"):
            home = self.simulator.state.environments[self._container.environment or ""]
            environ = {**environ, "HTTP_HOST": f"{home.machine_name}.simulator.invalid"}
        return self.simulator.wsgi(environ, start_response)

    def _no_command(self, *_: object) -> Ended:
        """Run no command: end as the faults say."""
        return Ended(self._exit_code, 1.0, "a rehearsal runs no command")
