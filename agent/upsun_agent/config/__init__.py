"""The job file ``.upsun/agent.toml`` read into jobs; every error names file, line, what is wrong and the remedy."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from upsun_agent.config import definitions, notifications, positions, rules
from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import DOTS_MOST, JOB_FILE_MOST_BYTES, MISTAKES_MOST
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.platform.paths import job_files, without_waiting

if TYPE_CHECKING:
    from upsun_agent.config.notifications import Notify
    from upsun_agent.config.positions import Positions
    from upsun_agent.validators import Problem

__all__ = [
    "JobFile",
    "JobFileInvalid",
    "Mistake",
    "built",
    "defaults",
    "find",
    "load",
    "parse",
    "settings_of",
    "text_of",
]


#: What some editors put before a text; TOML knows none.
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
#: A header with single brackets where the job file takes a list of tables.
_SINGLE = re.compile(r"\s*\[(?!\[)\s*(jobs\s*\.[^\]#]{1,300}?\.\s*[\"']?(?:steps|on-failure)[\"']?)\s*\]\s*(?:#.*)?")


def defaults() -> dict[str, Any]:
    """Return the agent's settings where the job file does not say them, or there is none."""
    return dict(definitions.AGENT.read({}))


class Mistake(Struct, frozen=True):
    """One thing wrong with a job file, ready to be shown: line (1-based), key, message, remedy."""

    #: The line, from 1.
    line: int
    #: The key, with the tables that it is in.
    key: str
    #: What is wrong.
    message: str
    #: What to write instead.
    remedy: str

    def __str__(self) -> str:
        where = f"line {self.line}: {self.key + ': ' if self.key else ''}{self.message}"
        return f"{where} ({self.remedy})" if self.remedy else where


class JobFileInvalid(ConfigInvalid):
    """The job file has mistakes."""

    def __init__(self, path: str, mistakes: tuple[Mistake, ...]) -> None:
        lines = [f"{path}:{mistake.line}: {str(mistake).partition(': ')[2]}" for mistake in mistakes[:MISTAKES_MOST]]
        more = len(mistakes) - MISTAKES_MOST
        listed = "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
        super().__init__(listed, remedy="fix these lines, then run: upsun-agent validate")
        self.path = path
        self.mistakes = mistakes


class JobFile(Struct, frozen=True):
    """A job file that is valid: its path, its exact text, the agent's settings (seconds) and the jobs."""

    #: The path of the file.
    path: str
    #: The exact text of the file.
    text: str
    #: Where the state is to be; None for the default.
    state: str | None
    #: The name of the variable that holds the API token; None for the one of the official CLIs that is set.
    token_variable: str | None
    #: How old the API token may be before a check warns, in seconds.
    max_token_age: int
    #: Whether access tokens are kept, encrypted, between ticks.
    keep_bearers: bool
    #: The jobs, by name.
    jobs: Mapping[str, Job]
    #: Whether to write a log file, or its path.
    log_file: bool | str = False
    #: Whom to notify of what; None if the file does not say.
    notify: Notify | None = None
    #: What is published, where, and how much of it.
    report: Mapping[str, Any] = field(default_factory=dict)
    #: Hosts other than the platform's that may get the token.
    api_hosts: tuple[str, ...] = ()

    def job(self, name: str) -> Job:
        """Return the job of that name; raises ConfigInvalid where there is none."""
        if name not in self.jobs:
            known = ", ".join(self.jobs)
            raise ConfigInvalid(f"{self.path} defines no job {name[:80]!r}", remedy=f"the jobs are: {known}")
        return self.jobs[name]


def find(environ: Mapping[str, str], option: str | None = None) -> str:
    """Return the first job file that exists; raises ConfigInvalid with the places looked at where none does."""
    places = job_files(environ, option)
    for place in places:
        if os.path.isfile(place):
            return place
    remedy = "write one (see the README), or name it with --config or UPSUN_AGENT_CONFIG"
    raise ConfigInvalid(f"no job file at {' nor at '.join(places)}", remedy=remedy)


def load(path: str) -> JobFile:
    """Return the job file at ``path``; raises ConfigInvalid where it cannot be read or has mistakes."""
    return parse(text_of(path), path)


def text_of(path: str) -> str:
    """Return the text of the job file at ``path`` without a byte order mark.

    Raise ConfigInvalid if it cannot be read.
    """
    try:
        with open(path, "rb", opener=without_waiting) as file:
            data = file.read(JOB_FILE_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", remedy="check the path and its mode") from error
    if len(data) > JOB_FILE_MOST_BYTES:
        raise ConfigInvalid(f"{path} is larger than {JOB_FILE_MOST_BYTES} bytes", remedy="split the jobs")
    try:
        return data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JobFileInvalid(path, (Mistake(line, "", "not UTF-8", "save the file as UTF-8"),)) from None


def parse(text: str, path: str = "agent.toml") -> JobFile:
    """Return the job file with that text; raises ConfigInvalid that lists every mistake."""
    text = text.removeprefix(BOM)
    return built(path, text, settings_of(text, path))


def settings_of(text: str, path: str) -> dict[str, Any]:
    """Return all settings of a job file, checked, with every default; raise ConfigInvalid as ``parse`` does."""
    dotted = next((number for number, line in enumerate(text.split("\n"), 1) if line.count(".") > DOTS_MOST), None)
    if dotted is not None:
        mistake = Mistake(dotted, "", f"more than {DOTS_MOST} dots on one line", "use fewer of them")
        raise JobFileInvalid(path, (mistake,))
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise JobFileInvalid(path, (_syntax_mistake(error, text),)) from None
    problems = list(rules.too_large(data)) or list(definitions.JOB_FILE.check(data, ())) or list(rules.problems(data))
    if "://" in text and "@" in text:
        problems += notifications.credential_problems(data)
    tells = not problems and _has_notifications(data)
    if tells:
        problems = notifications.notice_problems(data)
    if problems:
        lines = positions.Positions(text)
        mistakes = sorted((_located(problem, lines) for problem in problems), key=lambda each: each.line)
        raise JobFileInvalid(path, tuple(mistakes))
    read = definitions.JOB_FILE.read(data)
    report = {**definitions.REPORT.read({}), **read["report"]}
    return {**read, "agent": {**defaults(), **read["agent"]}, "report": report, "tells": tells}


def built(path: str, text: str, read: Mapping[str, Any]) -> JobFile:
    """Return the job file of these settings.

    Args:
        path: where the job file is, for messages.
        text: the text of the job file.
        read: its settings, checked, with every default.
    """
    agent, notify = read["agent"], None
    if read["tells"]:
        notify = notifications.read_notify(read)
    jobs = {name: _job(name, settings) for name, settings in read["jobs"].items()}
    return JobFile(
        path,
        text,
        agent["state"],
        agent["token-variable"],
        agent["max-token-age"],
        agent["keep-bearers"],
        jobs,
        log_file=agent["log-file"],
        notify=notify,
        report=read["report"],
        api_hosts=tuple(agent["api-hosts"]),
    )


def _has_notifications(data: Mapping[str, Any]) -> bool:
    """Return whether the job file says anything about notifications."""
    asked = {"notify", "heartbeat"}
    return not asked.isdisjoint({*data, *data.get("agent", {}), *(key for job in data["jobs"].values() for key in job)})


def _syntax_mistake(error: Exception, text: str) -> Mistake:
    message = "nested too deep" if isinstance(error, RecursionError) else str(error)
    message = "a number has too many digits" if "integer string conversion" in message else message
    for number, header in enumerate(text.split("\n"), 1):
        single = _SINGLE.fullmatch(header) if message.startswith("Cannot ") else None
        if single is not None:
            return Mistake(number, "", f"[{single[1]}] is one table, but steps are a list", _doubled(single[1]))
    head, _, place = message.rpartition(" (at ")
    if not head:
        return Mistake(1, "", f"not valid TOML: {message[:200]}", "")
    digits = "".join(char if char.isdigit() else " " for char in place).split()
    line = int(digits[0]) if digits else text.count("\n") + 1
    return Mistake(line, "", f"not valid TOML: {head[:200]}", _unseen(text.split("\n")[line - 1 : line]))


def _unseen(lines: list[str]) -> str:
    """Return the remedy where a line has a character that an editor does not show, or shows as a space."""
    line = lines[0].removesuffix("\r") if lines else ""
    odd = next((char for char in line if char not in "\t " and (char.isspace() or not char.isprintable())), None)
    return "" if odd is None else f"delete the character U+{ord(odd):04X} in this line, which editors do not show"


def _doubled(name: str) -> str:
    """Return the remedy for a header with single brackets."""
    return f"write [[{name}]], with two brackets, before each step"


def _located(problem: Problem, positions: Positions) -> Mistake:
    remedy = problem.remedy
    if problem.path[:1] == ("jobs",) and problem.path[2:] in {("steps",), ("on-failure",)}:
        remedy = _doubled(".".join(str(part) for part in problem.path)) if "not a table" in problem.message else remedy
    return Mistake(positions.line(problem.path), key_of(problem.path), problem.message, remedy)


def key_of(path: tuple[str | int, ...]) -> str:
    """Return a key in words: steps are counted from 1, as everywhere else."""
    words = ""
    for place, part in enumerate(path):
        if isinstance(part, str):
            follows = place + 1 < len(path) and isinstance(path[place + 1], int)
            words += "" if follows and part == "steps" else f".{part}"
        elif place and path[place - 1] in {"steps", "on-failure"}:
            words += f" step {part + 1} "
        else:
            words += f" item {part + 1}"
    return words.replace(" .", " ").lstrip(".").rstrip()


def _job(name: str, settings: Mapping[str, Any]) -> Job:
    return Job(
        name=name,
        steps=_plans(settings["steps"]),
        schedule=settings["schedule"],
        timezone=settings["timezone"],
        environment_types=tuple(settings["environment-types"]),
        catch_up=settings["catch-up"],
        misfire_grace=settings["misfire-grace"],
        overlap=settings["overlap"],
        timeout=settings["timeout"],
        suspend_after=settings["suspend-after"],
        on_failure=_plans(settings["on-failure"]),
        when=settings["when"],
    )


def _plans(steps: Iterable[Mapping[str, Any]]) -> tuple[StepPlan, ...]:
    """Return the steps, each with what it says and what it leaves at its default, but for what is nothing at all."""
    return tuple(
        StepPlan(kind, {key: value for key, value in values.items() if value is not None})
        for step in steps
        for kind, values in step.items()
    )
