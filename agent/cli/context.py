"""From options and variables to the parts a command works with: the composition root."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TextIO, cast

from agent import __version__
from agent.cli.terminal import Steady, Terminal
from agent.clock import Clock, SystemClock
from agent.config import JobFile, find, load
from agent.container import Container, read_container
from agent.engine.events import Event
from agent.engine.job import Job
from agent.errors import ConfigInvalid
from agent.logs import Redaction, make_log
from agent.places import state_directory
from agent.schedule import Schedule
from agent.site import Site


@dataclass
class Context:
    """One command call: its options, the environment, and everything made from them on first use."""

    options: Namespace
    environ: Mapping[str, str]
    terminal: Terminal
    redaction: Redaction = field(default_factory=Redaction)
    clock: Clock = field(default_factory=SystemClock)

    @cached_property
    def container(self) -> Container:
        """Where we run."""
        return read_container(self.environ, project=self.options.project, environment=self.options.environment)

    @cached_property
    def job_file(self) -> JobFile:
        """The job file; raises ConfigInvalid where there is none or it has mistakes."""
        return load(find(self.environ, self.options.config))

    @cached_property
    def directory(self) -> str:
        """The state directory. Named by an option, another environment's state never touches the container's own."""
        owner = f"{self.container.project or 'none'}/{self.container.environment_path or 'none'}"
        directory = state_directory(self.environ, self.job_file.state, owner)
        at_home = self.container.identity[:2] == read_container(self.environ).identity[:2]
        return directory if at_home or directory.endswith(f"/{owner}") else f"{directory}/{owner}"

    def schedule(self, job: Job) -> Schedule | None:
        """The job's schedule with an ``H`` of its own; None for a job that runs by hand only."""
        if job.schedule is None:
            return None
        return Schedule(job.schedule, job.timezone, f"{self.container.project}|{self.container.environment}|{job.name}")

    def log(self, *, stream: TextIO | None = None, quiet: bool = False) -> Any:
        """The log on stderr; ``quiet`` for commands that tell the story themselves: only where it is asked for."""
        level = self.options.log_level or ("critical" if quiet else "info")
        return make_log(self.redaction, stream=stream or cast("TextIO", Steady(sys.stderr)), level=level)

    def site(self, *, on_event: Callable[[str, Event], None] | None = None, quiet: bool = False) -> Site:
        """Everything a tick works with. Raises ConfigInvalid where project or environment is not known."""
        from agent.upsun.client import Client, Endpoints  # noqa: PLC0415  late: httpx costs nine interpreter starts
        from agent.upsun.transport import Transport  # noqa: PLC0415  same

        variable = self.job_file.token_variable
        token = self.environ.get(variable)
        self.redaction.hide(token)
        endpoints = Endpoints.of(self.environ, self.options.api_url, self.options.auth_url)
        client = Client(
            Transport(f"upsun-agent/{__version__}"),
            endpoints,
            token,
            variable=variable,
            clock=self.clock,
            hide=self.redaction.hide,
        )
        site = Site(self.container, self.job_file, self.directory, self.clock, client, self.log(quiet=quiet), on_event)
        if not site.project or not site.environment:
            raise ConfigInvalid("no project or environment")
        return site


def from_process(options: Namespace) -> Context:
    """The context of this process."""
    return Context(options, os.environ, Terminal(json_wanted=bool(options.json)))
