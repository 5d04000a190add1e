"""The command ``check``: find what keeps the agent from working here, without changing anything."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from upsun_agent.access.token_source import token_in, token_of
from upsun_agent.access.token_status import Standing
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.prove_options import add_prove, refuse_prove_options
from upsun_agent.cli.token import here, jobs_of, stands
from upsun_agent.doctor import Finding, Level, code_of, local, worst
from upsun_agent.doctor.crons import cli_crons
from upsun_agent.doctor.interpreter import interpreter
from upsun_agent.errors import AgentError, ConfigInvalid, NotPermitted, TokenRefused
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.journal.move_marks import marked
from upsun_agent.journal.notes import OUTBOX_ALL
from upsun_agent.journal.state import DatabaseState, MountState, State
from upsun_agent.limits import TICK_BUDGET
from upsun_agent.model import events as ev
from upsun_agent.platform.paths import last_tick, on_server
from upsun_agent.platform.variables import decoded
from upsun_agent.report.document import Count, View
from upsun_agent.runtime.clock_repair import ahead
from upsun_agent.text.event_text import Tone

if TYPE_CHECKING:
    from upsun_agent.api.client import Client
    from upsun_agent.api.endpoints import Endpoints

TONES: dict[Level, Tone] = {Level.OK: "good", Level.WARN: "odd", Level.FAIL: "bad"}
BACKUPS_KNOWN = 1000  # requests and steps searched for backups: more than any project keeps
LIBRARIES = ("httpx", "croniter", "structlog", "cryptography", "sqlite3", "zoneinfo")


class FindingView(View, frozen=True, kw_only=True):
    """Something that was checked."""

    #: What was checked.
    name: str
    #: How grave it is.
    level: Level
    #: What was found.
    message: str
    #: What to do about it; empty if there is nothing to do.
    remedy: str


class CheckView(View, frozen=True, kw_only=True):
    """What stands in the agent's way."""

    #: What it was checked for.
    phase: Literal["build", "runtime"]
    #: The level of the worst finding.
    worst: Level
    #: The findings.
    findings: list[FindingView]
    #: The exit code of the command.
    exit_code: Count


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    check = commands.add_parser(
        "check",
        parents=[shared],
        help="find what keeps the agent from working here",
        description="Check what the agent needs in this phase and report what is missing: in the build without the "
        "network, at runtime through the API too. Changes nothing, except that it writes some kB into the state "
        "directory and removes them again. The exit code is that of the worst finding; warnings are 0. "
        "With --prove it tries on a development environment what the agent assumes of the platform, and prints what "
        "differs.",
    )
    check.add_argument(
        "--phase", choices=("build", "runtime"), help="the phase to check for (default: from the variables)"
    )
    add_prove(check)
    check.set_defaults(run=_check)


def _check(context: Context) -> Answer | int:
    if context.options.prove is not None:
        from upsun_agent.cli.prove import run_prove  # noqa: PLC0415  late: it needs httpx

        return run_prove(context)
    refuse_prove_options(context)
    in_build = (context.options.phase or context.container.phase) == "build"
    phase: Literal["build", "runtime"] = "build" if in_build else "runtime"
    looks = BUILD if phase == "build" else RUNTIME
    findings = [_reworded(context, finding) for look in looks for finding in look(context)]
    code = code_of(findings)
    listed = [
        FindingView(name=each.name, level=each.level, message=each.message, remedy=each.remedy) for each in findings
    ]
    view = CheckView(phase=phase, worst=worst(findings), findings=listed, exit_code=code)
    return Answer(view, lambda: _tell(context, findings), code)


def _reworded(context: Context, finding: Finding) -> Finding:
    """Return the finding in the words of the project's product."""
    words = context.product_words
    return replace(finding, message=words(finding.message), remedy=words(finding.remedy))


def _tell(context: Context, findings: Sequence[Finding]) -> None:
    """Print the findings and their number by level. Remedies are not folded: they hold commands to copy."""
    for finding in findings:
        word = context.terminal.paint(f"{finding.level:<4}", TONES[finding.level])
        context.terminal.beside(f"{word}  {finding.name:<18}  ", finding.message, indent=26)
        if finding.remedy:
            context.terminal.say(f"      {finding.remedy}", "dim")
    levels = Counter(finding.level for finding in findings)
    counts = f"{levels[Level.OK]} ok, {levels[Level.WARN]} to look at, {levels[Level.FAIL]} failed"
    context.terminal.say(f"{counts}.", TONES[worst(findings)])


def _python(context: Context) -> Iterator[Finding]:
    yield interpreter(context.environ)


def _libraries(_: Context) -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            text = f"{name} cannot be imported: {error}"
            yield Finding("libraries", Level.FAIL, text, "install again: sh hooks/build.sh", exit_code=70)
            return
    yield Finding("libraries", Level.OK, f"{', '.join(LIBRARIES)} can be imported")


def _job_file(context: Context) -> Iterator[Finding]:
    try:
        job_file = context.job_file
    except ConfigInvalid as error:
        if context.container.phase == "build" and str(error).startswith("no job file"):
            yield Finding("job file", Level.WARN, f"{error}: there is nothing to run yet", error.remedy)
        else:
            yield Finding("job file", Level.FAIL, str(error), error.remedy)
        return
    yield Finding("job file", Level.OK, f"{job_file.path}: {', '.join(job_file.jobs)}")


def _build_token(context: Context) -> Iterator[Finding]:
    variable = context.token_variable
    if context.environ.get(variable):
        update = f"upsun variable:update env:{variable} --visible-build false"
        remedy = f"the agent needs it at runtime only: upsun-agent setup token, or {update}"
        text = f"{variable} is visible to the build: every install script can read it, and changing it forces a rebuild"
        yield Finding("token", Level.WARN, text, remedy)
    else:
        yield Finding("token", Level.OK, f"{variable} is not visible to the build")


def _build_type(_: Context) -> Iterator[Finding]:
    text = "not known during the build, which may serve several environments: every tick checks it"
    yield Finding("environment type", Level.OK, text)


def _runtime_type(context: Context) -> Iterator[Finding]:
    kind = context.container.environment_type
    if kind is None and (context.container.phase != "runtime" or context.options.environment):
        yield Finding("environment type", Level.OK, "not set outside that environment's container: the API gives it")
        return
    if kind is None:
        text = "PLATFORM_ENVIRONMENT_TYPE is not set: only the API gives the type"
        yield Finding("environment type", Level.WARN, text, "redeploy to set it in the container")
        return
    try:
        jobs = context.job_file.jobs.values()
    except ConfigInvalid:
        jobs = {}.values()
    here = [job.name for job in jobs if job.runs_on(kind)]
    yield Finding("environment type", Level.OK, f"{kind}; jobs that run here: {', '.join(here) or 'none'}")


def _api(context: Context) -> Iterator[Finding]:
    """Yield the findings that need the API; a single one if the token is refused or the API cannot be reached."""
    variable = context.token_variable
    context.redaction.hide(context.environ.get(variable))
    try:
        _ = context.endpoints
    except AgentError as error:  # reported without a token too
        yield Finding("reachability", Level.FAIL, str(error), error.remedy, error.exit_code)
        return
    try:
        with here(context):
            token = token_in(context.environ, variable)
        token_of(context.environ, variable)
    except TokenRefused as error:  # jobs drop the white space around a token
        yield Finding("token", Level.WARN, str(error), error.remedy)
    except AgentError as error:
        yield Finding("token", Level.FAIL, str(error), error.remedy, error.exit_code)
        return
    with ExitStack() as stack:
        try:
            client = stack.enter_context(closing(context.client(token)))
            standing = stands(context, client)
        except AgentError as error:
            name = "token" if isinstance(error, NotPermitted) else "reachability"
            remedy = error.remedy or "see status.upsun.com; the app's firewall must allow api.upsun.com"
            yield Finding(name, Level.FAIL, str(error), remedy, error.exit_code)
            return
        yield _reached(context.endpoints)
        yield Finding("token", Level.OK, f"{variable} is valid: {standing.user.email or standing.user.id}")
        yield from _platform(context, client, standing)


def _reached(endpoints: Endpoints) -> Finding:
    """Return the finding for services that answer, with the addresses that are not the platform's."""
    text, named = "the API and the authentication service answer", " and ".join(endpoints.foreign)
    if not named:
        return Finding("reachability", Level.OK, text)
    if endpoints.is_local:
        text = f"{text} at {named} on this machine, instead of the platform's addresses"
        return Finding("reachability", Level.OK, text)
    plain = ", without TLS" if "http://" in named else ""
    remedy = "if that is not intended, unset UPSUN_CLI_API_URL and UPSUN_CLI_AUTH_URL, and remove api-hosts"
    text = f"{text}, but the token is sent to {named}, which is not the platform's{plain}"
    return Finding("reachability", Level.WARN, text, remedy)


def _platform(context: Context, client: Client, standing: Standing) -> Iterator[Finding]:
    from upsun_agent.doctor.platform import Platform  # noqa: PLC0415  late: httpx costs nine interpreter starts

    container = context.container
    if container.project is None or container.environment is None:
        remedy = "give --project and --environment"
        yield Finding("environment", Level.FAIL, "no project or environment is known", remedy)
        return
    jobs, max_age = jobs_of(context)
    try:
        state: State | None = context.state
    except ConfigInvalid:
        state = None
    client.begin(TICK_BUDGET)  # the reads below get a time budget of their own
    platform = Platform(
        client=client,
        project=container.project,
        environment=container.environment,
        app=container.app,
        app_dir=container.app_dir if container.phase == "runtime" else None,
        kind=container.environment_type,
        jobs=jobs,
        directory=state.directory if isinstance(state, MountState) else None,
        last_tick=_last_tick(context, state),
        knows_ticks=_knows_ticks(context, state),
        variable=context.token_variable,
        clock=context.clock,
        own_backups=_own_backups(context, state),
        container_product=context.product,
    )
    yield from platform.findings(standing, timedelta(seconds=max_age))


def _own_backups(context: Context, state: State | None) -> frozenset[str]:
    """Return the ids of the backups that runs took, from the journal; none if it cannot be read."""
    if state is None:
        return frozenset()
    try:
        with reading_if_any(state, context.container.identity) as journal:
            events = [event for _, event in journal.latest("request-accepted", most=BACKUPS_KNOWN)]
            found = {event.backup for event in events if isinstance(event, ev.RequestAccepted) and event.backup}
            done = [event for _, event in journal.latest("step-done", most=BACKUPS_KNOWN)]
            named = {str(event.detail.get("backup")) for event in done if isinstance(event, ev.StepDone)}
            return frozenset(found | named)
    except AgentError:
        return frozenset()  # the finding about the journal says why


def _last_tick(context: Context, state: State | None) -> int | None:
    """Return when the last tick was, in epoch seconds, or None if that is not known."""
    if not isinstance(state, DatabaseState):
        return None if state is None else last_tick(state.directory)
    try:
        with reading_if_any(state, context.container.identity) as journal:
            return journal.last_tick()
    except AgentError:
        return None  # as above


def _knows_ticks(context: Context, state: State | None) -> bool:
    """Return whether ticks on the environment write into the state that is read here: not if it is on their mount."""
    if isinstance(state, DatabaseState):
        return True
    here = context.container
    return state is not None and here.phase == "runtime" and here.identity == context.surrounding.identity


def _state(context: Context) -> Iterator[Finding]:
    try:
        setting = context.job_file.state
    except ConfigInvalid:
        return  # the finding about the job file says why
    try:
        state = context.state
    except ConfigInvalid as error:  # the named place does not exist
        yield Finding("state", Level.FAIL, str(error), error.remedy, error.exit_code)
        return
    if isinstance(state, MountState):
        yield from local.state(state.directory, context.container.identity, context.clock.now())
        return
    from upsun_agent.doctor import database  # noqa: PLC0415  late: most states are on a mount

    found = list(database.drivers(setting or state.name))
    if found[0].level == Level.FAIL:
        yield from found
    else:
        yield from database.state(state, context.container.identity)


def _moved(context: Context) -> Iterator[Finding]:
    """Yield a finding if the state was moved elsewhere, or is being moved."""
    try:
        state = context.state
        with reading_if_any(state, context.container.identity) as journal:
            error = marked(journal, str(state))
    except AgentError:
        return  # the finding about the state says why
    if error is not None:
        yield Finding("state moved", Level.FAIL, str(error), error.remedy, error.exit_code)


def _clock_of_state(context: Context) -> Iterator[Finding]:
    """Yield a finding if the state holds times later than this machine's clock."""
    try:
        with reading_if_any(context.state, context.container.identity) as journal:
            found = ahead(journal, context.clock.now())
    except AgentError:
        return  # the finding about the state says why
    if found:
        text = f"later than now, written while a clock was ahead: {', '.join(found)}"
        yield Finding(
            "clock of the state", Level.WARN, text, "nothing to do if this clock is right: the next tick corrects them"
        )


def _build_state(context: Context) -> Iterator[Finding]:
    try:
        setting = context.job_file.state or ""
    except ConfigInvalid:
        return  # the finding about the job file says why
    if on_server(setting):
        from upsun_agent.doctor import database  # noqa: PLC0415  late: most states are on a mount

        yield from database.drivers(setting)


def _telling(context: Context) -> Iterator[Finding]:
    """Yield the findings about channels, if a job runs here, and about the log file, if one is configured."""
    try:
        notify, state, kind = context.job_file.notify, context.state, context.container.environment_type
    except ConfigInvalid:
        return  # the finding about the job file says why
    from upsun_agent.doctor import channels  # noqa: PLC0415  late: only who tells needs it

    try:
        if context.log_file is not None:
            yield channels.log_file(context.log_file)
    except ConfigInvalid as error:  # the variables name the place of the state, and it is invalid
        yield Finding("log file", Level.FAIL, str(error), error.remedy, error.exit_code)
    if notify is None:
        return
    if not any(job.runs_on(kind) for job in context.job_file.jobs.values()):
        yield Finding("notify", Level.OK, f"no job runs on {kind}: nobody is notified from here")
        return
    yield from channels.channels(notify, context.environ)
    try:
        with reading_if_any(state, context.container.identity) as journal:
            facts = journal.notes(OUTBOX_ALL)
    except AgentError:
        return  # the finding about the journal says why
    yield from channels.waiting(facts)


def _build_crons(context: Context) -> Iterator[Finding]:
    """Yield the findings about crons of the app that is built, as its configuration has them."""
    try:
        app = decoded(context.environ, "PLATFORM_APPLICATION")
    except ConfigInvalid:  # nothing that the agent does depends on it
        return
    yield from cli_crons({str(app.get("name") or "app"): app}, context.container.app_dir)


def _places(context: Context) -> Iterator[Finding]:
    return local.build_places(context.environ)


BUILD = (_python, _libraries, _places, _job_file, _build_state, _build_crons, _build_token, _build_type)
RUNTIME = (_python, _job_file, _runtime_type, _state, _moved, _clock_of_state, _telling, _api)
