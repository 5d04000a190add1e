"""The job file that ``init`` proposes: commented, and valid by our own reader. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from msgspec import Struct, field
from upsun_agent.config.definitions import NAME
from upsun_agent.cron_expression import expression_fault
from upsun_agent.schedule import zone_fault

from upsun_setup.cli_cron import Update
from upsun_setup.published import page

DEFAULT_SCHEDULE = "H 3 * * *"
TOKEN_VARIABLE = "UPSUN_CLI_TOKEN"  # noqa: S105  a name  # nosec B105
#: What the binary ``platform`` reads.
PLATFORM_TOKEN_VARIABLE = "PLATFORMSH_CLI_TOKEN"  # noqa: S105  a name  # nosec B105


class ProposedJob(Struct, frozen=True):
    """A job to be: its name, when it runs, where, and what it does."""

    #: The name of the job.
    name: str
    #: The cron expression; empty for a job that only a person starts.
    schedule: str = DEFAULT_SCHEDULE
    #: The name of the time zone.
    timezone: str = "UTC"
    #: The environment types that it runs on.
    types: tuple[str, ...] = ("production",)
    #: Whether the backup leaves the environment running.
    live: bool = False
    #: The source operations, in order.
    updates: tuple[Update, ...] = field(default_factory=tuple)
    #: The cron that it comes from; empty if there is none.
    origin: str = ""
    #: The only branches on which it runs; empty for all.
    branches: tuple[str, ...] = ()
    #: Why it has no schedule, as a comment; empty if it has one.
    by_hand: str = ""

    def text(self, config: str) -> str:
        """Return the job as TOML, with the name of the file that configures the app in its comments."""
        lines = [f"# Taken over from the cron {_quoted(self.origin)}."] if self.origin else []
        by_hash = "   # H: a minute that is this job's own" if "H" in (self.schedule or DEFAULT_SCHEDULE) else ""
        lines += [f"[jobs.{self.name}]"]
        if self.schedule:
            lines += [f"schedule = {_quoted(self.schedule)}{by_hash}"]
        else:
            lines += [f"# {self.by_hand}", f"# schedule = {_quoted(DEFAULT_SCHEDULE)}{by_hash}"]
        lines += [
            f"timezone = {_quoted(self.timezone)}   # such as Europe/Paris",
            f"environment-types = {json.dumps(list(self.types))}   # elsewhere the job does nothing",
        ]
        if self.branches:
            names = ", ".join(map(_quoted, self.branches))
            lines += [f"when = {{ branches = [{names}] }}   # on another branch it skips its slots"]
        lines += [
            "",
            f"[[jobs.{self.name}.steps]]   # a backup, and the proof that it can be restored",
            f"backup = {{ live = {'true' if self.live else 'false'} }}",
        ]
        for update in self.updates:
            variables = ", ".join(f"{name} = {_quoted(value)}" for name, value in update.variables.items())
            more = f", variables = {{ env = {{ {variables} }} }}" if variables else ""
            step = f"source-operation = {{ name = {_quoted(update.name)}{more} }}"
            lines += ["", f"[[jobs.{self.name}.steps]]   # then the source operation of {config}", step]
        if not self.updates:
            lines += [
                "",
                f"# With a source operation in {config} the job can update too:",
                f"# [[jobs.{self.name}.steps]]",
                '# source-operation = { name = "update" }',
            ]
        return "\n".join(lines) + "\n"


def job_file(
    state: str, jobs: list[ProposedJob], token_variable: str | None = None, config: str = ".upsun/config.yaml"
) -> str:
    """Return the text of a new job file.

    Args:
        state: the directory of the state.
        jobs: the jobs.
        token_variable: the variable that holds the API token; None for those that the agent reads by itself.
        config: the name of the file that configures the app.
    """
    head = [
        "# What upsun-agent does for this app, and when. Check it with: upsun-agent validate",
        f"# Every key: {page('docs/reference/job-file.md')}",
        "[agent]",
        f"state = {_quoted(state)}   # on a mount, so that it survives deployments",
    ]
    if token_variable is not None:
        head += [f"token-variable = {_quoted(token_variable)}   # the one that the old cron used"]
    head += [""]
    return "\n".join(head) + "\n" + "\n".join(job.text(config) for job in jobs)


def job_name(text: str, taken: Collection[str] = ()) -> str:
    """Return a job's name made of any text, and not one of those that are taken."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    name = name if name[:1].isalpha() else f"job-{name}".rstrip("-")
    name = name[: NAME.most - 4]
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def usable_schedule(spec: str) -> str | None:
    """Return a cron's schedule as a job's; None where a job cannot have it."""
    return spec if expression_fault(spec) is None else None


def usable_zone(zone: str | None) -> str:
    """Return an app's time zone as a job's: that of its crons, UTC where it has none.

    https://developer.upsun.com/docs/configure-apps/timezone
    """
    return zone if zone and zone_fault(zone) is None else "UTC"


def _quoted(text: str) -> str:
    """Return a TOML string."""
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04X}" for char in json.dumps(text, ensure_ascii=False)
    )
