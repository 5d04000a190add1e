"""Build what a command works with from its options and the variables: the composition root."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, cast

from msgspec import Struct, field

from upsun_agent import __version__
from upsun_agent.access.token_source import READ, own_variable, variable_in_use
from upsun_agent.cli.streams import Steady
from upsun_agent.clock import Clock, SystemClock
from upsun_agent.config import JobFile, find, load, text_of
from upsun_agent.errors import AgentError, ConfigInvalid
from upsun_agent.journal.seals import Seals
from upsun_agent.journal.state import DatabaseState, MountState, State
from upsun_agent.log.foreign_text import use
from upsun_agent.log.lines import Redaction, make_log
from upsun_agent.model.events import Event
from upsun_agent.platform.container import Container, read_container
from upsun_agent.platform.keys import ENTROPY
from upsun_agent.platform.paths import LOG_FILE, URL_VARIABLE, on_server, state_directory
from upsun_agent.platform.product import Product, product_here, product_words
from upsun_agent.platform.secrets import parts_of, surroundings
from upsun_agent.runtime.commands import Commands
from upsun_agent.runtime.context import ReadContext, TickContext

if TYPE_CHECKING:
    from argparse import Namespace
    from types import SimpleNamespace

    from upsun_agent.api.bearer_cache import BearerCache
    from upsun_agent.api.client import Client
    from upsun_agent.api.endpoints import Endpoints
    from upsun_agent.cli.terminal import Terminal
    from upsun_agent.engine.run import Run
    from upsun_agent.journal import Journal
    from upsun_agent.log.file import LogFile
    from upsun_agent.notify.notifier import Notifier


class Context(Struct, dict=True):  # a cached property needs a __dict__
    """The options and variables of one command call, and what is built from them on first use."""

    #: The options of the command.
    options: Namespace | SimpleNamespace
    #: The environment variables of the process.
    environ: Mapping[str, str]
    #: What is hidden in everything that is printed or written.
    redaction: Redaction = field(default_factory=Redaction)
    #: The clock.
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        """Register the secrets in the variables for redaction: a command may fail before it reads the job file."""
        use(self.redaction)
        for variable in READ:
            self.redaction.hide(self.environ.get(variable))
        try:
            relationships = self.surrounding.relationships
        except AgentError:  # the command that needs them reports the error
            relationships = {}
        for secret in surroundings(self.environ, relationships):
            self.redaction.hide(secret)

    def hide_named(self) -> None:
        """Register the secrets that the job file names: the token, URLs and keys of channels, the URL of the state.

        A job file with mistakes is searched for names too: only commands that need the job file report its mistakes.
        """
        try:
            job_file = self.job_file
        except AgentError:
            self._hide_all(self._named_in_text())
            return
        names = [self.token_variable, *(job_file.notify.variables() if job_file.notify is not None else ())]
        places = (self.environ.get("UPSUN_AGENT_STATE"), job_file.state)
        names += [each.removeprefix(URL_VARIABLE) for each in places if each and each.startswith(URL_VARIABLE)]
        self._hide_all(names)

    def _named_in_text(self) -> list[str]:
        """Return the names of variables that hold secrets, from a job file with mistakes."""
        try:
            text = text_of(find(self.environ, self.options.config))
        except AgentError:
            return []
        return re.findall(r"""-variable["']?\s{0,9}=\s{0,9}["'](\w{1,200})["']""", text)

    def _hide_all(self, names: Iterable[str]) -> None:
        for name in names:
            for part in parts_of(self.environ.get(name) or ""):
                self.redaction.hide(part)

    @cached_property
    def terminal(self) -> Terminal:
        """Standard output."""
        from upsun_agent.cli.terminal import Terminal  # noqa: PLC0415  late: a tick of a cron prints nothing

        return Terminal(json_wanted=bool(self.options.json), reword=self.product_words)

    @cached_property
    def surrounding(self) -> Container:
        """The container that the variables describe, without the options --project and --environment."""
        return read_container(self.environ)

    @cached_property
    def container(self) -> Container:
        """The container that the variables describe, with the options --project and --environment."""
        project, environment = self.options.project, self.options.environment
        if project is None and environment is None:
            return self.surrounding
        return read_container(self.environ, project=project, environment=environment)

    @cached_property
    def job_file(self) -> JobFile:
        """The job file; raises ConfigInvalid if there is none or it has mistakes."""
        return load(find(self.environ, self.options.config))

    @cached_property
    def state(self) -> State:
        """Return where the state is: a directory, or a database, in which every journal names its owner.

        An environment that an option names never uses the container's own directory. Outside a container the job
        file's ``state`` is ignored if it names a mount or a relationship, which only the app container has.
        """
        owner = f"{self.container.project or 'none'}/{self.container.environment_path or 'none'}"
        setting, environ = self.job_file.state, self.environ
        if not self.container.is_one:
            setting = setting if (setting or "").startswith(URL_VARIABLE) else None
            environ = {name: value for name, value in environ.items() if name != "PLATFORM_APP_DIR"}
        name = state_directory(environ, setting, owner)
        if "://" in name:
            remedy = "put the URL into a variable, such as STATE_URL, and set UPSUN_AGENT_STATE=url-variable:STATE_URL"
            raise ConfigInvalid("UPSUN_AGENT_STATE holds a URL", remedy=remedy)
        if on_server(name):
            return self.state_named(name)
        at_home = self.container.identity[:2] == self.surrounding.identity[:2]
        return MountState(name if at_home or name.endswith(f"/{owner}") else f"{name}/{owner}")

    def state_named(self, name: str) -> State:
        """Return the state of that name, as the job file writes it; a database's password is redacted from now on."""
        if not on_server(name):
            return MountState(name)
        state = DatabaseState.of(name, self.environ)
        self.redaction.hide(state.endpoint.password)
        return state

    @property
    def reading(self) -> ReadContext:
        """What reports and other readers of the journal work with."""
        return ReadContext(self.container, self.job_file, self.state, self.clock)

    def log(self, *, stream: TextIO | None = None, quiet: bool = False) -> Any:
        """Return the log on stderr. With ``quiet`` only --log-level enables it: the command prints events itself."""
        level = self.options.log_level or ("critical" if quiet else "info")
        out = stream or cast("TextIO", Steady(sys.stderr))
        return make_log(self.redaction, stream=out, level=level, file=self._file())

    @property
    def log_file(self) -> str | None:
        """The path of the file that the log is written to as well, if the job file wants one."""
        wanted = self.job_file.log_file
        if not wanted or isinstance(wanted, str):
            return wanted or None
        if isinstance(self.state, DatabaseState):
            remedy = 'name a file: log-file = "/app/var/agent/agent.log"'
            raise ConfigInvalid(
                "log-file = true puts the log beside the state, but the state is in a database", remedy=remedy
            )
        return f"{self.state.directory}/{LOG_FILE}"

    def _file(self) -> LogFile | None:
        path = self.log_file
        if path is None:
            return None
        from upsun_agent.log.file import LogFile  # noqa: PLC0415  late: only who wants a file needs it

        return LogFile(path)

    def notifier(self, log: Any) -> Notifier | None:
        """Return the notifier for the channels in the job file; None if it names none."""
        notify, container = self.job_file.notify, self.container
        if notify is None:
            return None
        from upsun_agent.api.http import Transport  # noqa: PLC0415  late: httpx costs nine interpreter starts
        from upsun_agent.notify.channels.http import HttpSender  # noqa: PLC0415  late: only who tells needs it
        from upsun_agent.notify.notifier import Notifier, Origin  # noqa: PLC0415  same

        kind, (project, environment, app) = container.environment_type, container.identity
        here = any(job.runs_on(kind) for job in self.job_file.jobs.values())
        transport = Transport(f"upsun-agent/{__version__}")
        sender = HttpSender(self.environ, transport, self.redaction.hide, self.redaction.clean, self.clock.now)
        return Notifier(notify, Origin(project, environment, kind, app, here), sender, self.clock, log)

    @property
    def token_variable(self) -> str:
        """The variable that holds the API token: the job file's, or the one of the official CLIs that is set."""
        try:
            named = self.job_file.token_variable
        except ConfigInvalid:
            named = None
        return named or variable_in_use(self.environ) or own_variable(self.product)

    @property
    def token_variable_in_use(self) -> str | None:
        """The variable that holds the API token; None if it is not set here."""
        variable = self.token_variable
        return variable if (self.environ.get(variable) or "").strip() else None

    @cached_property
    def product(self) -> Product | None:
        """The product that the project is on; None if that is not known here."""
        return product_here(self.environ)

    def product_words(self, text: str) -> str:
        """Return a message in the words of the project's product, which is looked up only if it matters."""
        return product_words(text, self.product) if "upsun" in text or "storage" in text else text

    @property
    def endpoints(self) -> Endpoints:
        """The addresses that token and bearer are sent to.

        Reading it raises SettingsInvalid for an address that the job file does not allow.
        """
        from upsun_agent.api.endpoints import Endpoints  # noqa: PLC0415  late: httpx costs nine interpreter starts

        def hosts() -> tuple[str, ...]:
            try:
                return self.job_file.api_hosts
            except ConfigInvalid:
                return ()

        return Endpoints.of(self.environ, self.options.api_url, self.options.auth_url, hosts)

    def client(self, token: str | None = None, source: str | None = None) -> Client:
        """Return a client of the API.

        Args:
            token: the API token; None for the one in the variable.
            source: how messages name the source of ``token``.
        """
        from upsun_agent.api.client import Client  # noqa: PLC0415  late: httpx costs nine interpreter starts
        from upsun_agent.api.http import Transport  # noqa: PLC0415  same

        variable = self.token_variable
        used = self.environ.get(variable) if token is None else token
        self.redaction.hide(used)
        endpoints = self.endpoints
        return Client(
            Transport(f"upsun-agent/{__version__}"),
            endpoints,
            used,
            variable=source or variable,
            clock=self.clock,
            hide=self.redaction.hide,
            cache=self._bearers((used or "").strip(), endpoints.auth),
        )

    def _bearers(self, token: str, service: str) -> BearerCache | None:
        """Return the cache of bearers, or None if the job file does not ask for one."""
        try:
            wanted = bool(token) and self.job_file.keep_bearers
        except ConfigInvalid:
            return None
        if not wanted:
            return None
        from upsun_agent.api.bearer_cache import cache_of  # noqa: PLC0415  late: cryptography costs five starts

        return cache_of(self.environ, token, service)

    def _withheld(self, keep: tuple[str, ...]) -> tuple[str, ...]:
        """Return the variables that a job's command does not get: all that hold the API token, except ``keep``."""
        from upsun_agent.runtime.child_environment import withheld  # noqa: PLC0415  late: few jobs run commands

        return withheld(self.environ, self.token_variable, keep)

    def tick_context(self, *, on_event: Callable[[str, Event], None] | None = None, quiet: bool = False) -> TickContext:
        """Return everything a tick works with; raise ConfigInvalid where project or environment is not known."""
        self.hide_named()
        job_file, log = self.job_file, self.log(quiet=quiet)
        client, notifier = self.client(), self.notifier(log)
        commands = Commands(self._withheld, self.redaction.clean)
        seals = Seals(self.container.identity, (self.environ.get(ENTROPY), self.environ.get(self.token_variable)))
        tick_context = TickContext(
            self.container,
            job_file,
            self.state,
            self.clock,
            client,
            log,
            on_event,
            notifier,
            commands,
            seals,
            _publish,
            self.product_words,
        )
        tick_context.require_environment()
        return tick_context


def _publish(tick_context: TickContext, journal: Journal, runs: Mapping[str, Run]) -> None:
    """Write the page and the metrics to the files that the job file names."""
    from upsun_agent.report.publish import publish  # noqa: PLC0415  late: most ticks publish nothing

    publish(tick_context, journal, runs)
