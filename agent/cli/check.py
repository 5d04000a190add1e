"""The command ``check``: what stands in the agent's way here, without changing anything and without the network."""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Literal

from agent.cli.context import Context
from agent.errors import EXIT_OK, AgentError, ConfigInvalid
from agent.journal.directory import prepare
from agent.journal.lock import FileLock
from agent.records import dataclass

Level = Literal["ok", "warn", "fail"]
TONES = {"ok": "good", "warn": "odd", "fail": "bad"}
LIBRARIES = ("httpx", "croniter", "structlog", "cryptography", "sqlite3", "zoneinfo")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its name, how it is, what was seen, what helps, and the exit code if it fails."""

    name: str
    level: Level
    message: str
    remedy: str = ""
    exit_code: int = ConfigInvalid.exit_code


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    check = commands.add_parser(
        "check",
        parents=[shared],
        help="say what stands in the agent's way here",
        description="Look at what the agent needs in this phase and say what is missing. Changes nothing. The exit "
        "code is that of the worst finding; warnings are 0.",
    )
    check.add_argument(
        "--phase", choices=("build", "runtime"), help="what to check for (default: as the variables say)"
    )
    check.set_defaults(run=_check)


def _check(context: Context) -> int:
    phase = context.options.phase or ("build" if context.container.phase == "build" else "runtime")
    looks = (_python, _libraries, _job_file, _build_token) if phase == "build" else (_python, _job_file, _runtime_token)
    findings = [finding for look in looks for finding in look(context)]
    findings += _build_type() if phase == "build" else [*_runtime_type(context), *_state(context)]
    failed = [finding.exit_code for finding in findings if finding.level == "fail"]
    code = max(failed, default=EXIT_OK)
    if context.terminal.json_wanted:
        listed = [
            {"name": each.name, "level": each.level, "message": each.message, "remedy": each.remedy}
            for each in findings
        ]
        context.terminal.document({"phase": phase, "findings": listed, "exit_code": code})
        return code
    for finding in findings:
        word = context.terminal.paint(f"{finding.level:<4}", TONES[finding.level])  # type: ignore[arg-type]  # a closed table
        context.terminal.say(f"{word}  {finding.name:<16}  {finding.message}")
        if finding.remedy:
            context.terminal.say(f"{'':<24}{finding.remedy}", "dim")
    return code


def _python(_: Context) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("python", "ok", f"{version} ({sys.executable})")


def _libraries(_: Context) -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            text = f"{name} does not load: {error}"
            yield Finding("libraries", "fail", text, "install again: sh hooks/build.sh", exit_code=70)
            return
    yield Finding("libraries", "ok", f"{', '.join(LIBRARIES)} load")


def _job_file(context: Context) -> Iterator[Finding]:
    try:
        job_file = context.job_file
    except ConfigInvalid as error:
        if context.container.phase == "build" and str(error).startswith("no job file"):
            yield Finding("job file", "warn", f"{error}: there is nothing to run yet", error.remedy)
        else:
            yield Finding("job file", "fail", str(error), error.remedy)
        return
    yield Finding("job file", "ok", f"{job_file.path}: {', '.join(job_file.jobs)}")


def _variable(context: Context) -> str:
    try:
        return context.job_file.token_variable
    except ConfigInvalid:
        return "UPSUN_CLI_TOKEN"


def _build_token(context: Context) -> Iterator[Finding]:
    variable = _variable(context)
    if context.environ.get(variable):
        remedy = f"the agent needs it at runtime only: upsun variable:update env:{variable} --visible-build false"
        text = f"{variable} is visible to the build: every install script can read it, and changing it forces a rebuild"
        yield Finding("token", "warn", text, remedy)
    else:
        yield Finding("token", "ok", f"{variable} is not visible to the build, as it should be")


def _build_type() -> list[Finding]:
    text = "not known at build (this build may serve other environments too): every tick looks at it"
    return [Finding("environment type", "ok", text)]


def _runtime_type(context: Context) -> Iterator[Finding]:
    kind = context.container.environment_type
    if kind is None:
        text = "PLATFORM_ENVIRONMENT_TYPE is not set: the API alone will say which type this is"
        yield Finding("environment type", "warn", text)
        return
    try:
        jobs = context.job_file.jobs.values()
    except ConfigInvalid:
        jobs = {}.values()
    here = [job.name for job in jobs if kind in job.environment_types]
    yield Finding("environment type", "ok", f"{kind}; jobs that run here: {', '.join(here) or 'none'}")


def _runtime_token(context: Context) -> Iterator[Finding]:
    variable = _variable(context)
    if context.environ.get(variable):
        yield Finding("token", "ok", f"{variable} is set (whether it is accepted, the next run will tell)")
    else:
        remedy = f"store it as env:{variable}, visible at runtime, and redeploy"
        yield Finding("token", "fail", f"{variable} is not set", remedy, exit_code=77)


def _state(context: Context) -> Iterator[Finding]:
    try:
        directory = context.directory
        prepare(directory)
        lock = FileLock(directory)
        lock.acquire()
        lock.release()
    except AgentError as error:
        if isinstance(error, ConfigInvalid):
            return  # the job file's own finding says it
        yield Finding("state", "fail", str(error), error.remedy, exit_code=error.exit_code)
        return
    locks = "locks work" if lock.works else "the file system has no locks: the lease row stands in"
    yield Finding("state", "ok", f"{directory} is writable, {locks}")
