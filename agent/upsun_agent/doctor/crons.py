"""Findings about crons: the one that runs ticks, whether it ever did, and old ones that call the official CLI."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from upsun_agent.doctor import Finding, Level
from upsun_agent.limits import CONFIG_MOST_BYTES
from upsun_agent.model.durations import span
from upsun_agent.platform.cli_calls import does_a_jobs_work
from upsun_agent.platform.paths import without_waiting
from upsun_agent.platform.shell_text import commands

LATELY = 3600.0  # seconds: the cron of a tick may wait for another cron
DAILY = 90_000.0  # seconds: for crons that are not started every few minutes; a day and an hour
WORDS_MOST = 100  # words of a cron's command that are looked for as scripts
HELP = "see whether the cron starts: upsun activity:list --type environment.cron; read its log: upsun activity:log ID"


class CronCase(Struct, frozen=True):
    """What findings about crons are made of."""

    #: The deployed apps by name, as the API describes them.
    apps: Mapping[str, Any]
    #: The state of the crons, ``deployment_state.crons`` of the environment; empty if the API does not say.
    state: Mapping[str, Any]
    #: The id of the environment.
    environment: str
    #: Whether a job of the job file runs on this environment.
    has_jobs: bool
    #: Whether one of those has a schedule.
    has_schedule: bool
    #: The directory of the app; None outside of containers.
    app_dir: str | None
    #: Whether the state that ticks here write can be read from here.
    knows_ticks: bool
    #: When the last tick was, in seconds since 1970; None if none was or that is not known.
    last_tick: int | None
    #: When the environment was deployed last; None if the API does not say.
    deployed_at: datetime | None
    #: The present, UTC.
    now: datetime
    #: The fewest minutes between two starts of a cron; None where plans do not differ.
    minimum: int | None = None


def crons(case: CronCase) -> Iterator[Finding]:
    """Yield the findings about the cron that runs ticks."""
    found = [
        (app, str(cron.get("spec", "?")))
        for app, definition in case.apps.items()
        for cron in _crons(definition).values()
        if "upsun-agent" in start_of(cron)
    ]
    if not found:
        remedy = 'add one: crons: agent: { spec: "*/5 * * * *", commands: { start: "upsun-agent tick" } }'
        # Outside a container this machine may start the ticks, usually CI.
        needed = case.app_dir is not None and case.has_schedule and not _ticked_lately(case)
        text = "no app has a cron that starts upsun-agent by its name"
        yield Finding("cron", Level.FAIL if needed else Level.WARN, text, remedy)
        return
    app, spec = found[0]
    status = str(case.state.get("status", "running"))
    if status == "sleeping":
        yield _sleeping(case)
        return
    if status == "paused" or case.state.get("enabled") is False:
        text = f"crons are {status} on {case.environment}: nothing runs until it is redeployed"
        yield Finding("cron", Level.FAIL if case.has_jobs else Level.WARN, text, "upsun redeploy")
        return
    if len(found) > 1:
        apps = ", ".join(each for each, _ in found)
        yield Finding(
            "cron", Level.WARN, f"several apps run ticks: {apps}", "one is enough, unless each has its own state"
        )
    else:
        sooner = "; this project's plan allows '* * * * *' too, with which steps follow each other sooner"
        more = sooner if case.minimum == 1 and spec.startswith("*/") else ""
        yield Finding("cron", Level.OK, f"{app} runs ticks at '{spec}'{more}")
    yield from _ticks(case, LATELY if spec.startswith("*") else DAILY)


def _sleeping(case: CronCase) -> Finding:
    """Return the finding about crons that the platform calls sleeping: what that means is documented nowhere."""
    text = f"crons are sleeping on {case.environment}"
    if _ticked_lately(case):
        return Finding("cron", Level.OK, f"{text}, but ticks still run")
    text = f"{text}: the platform may start no ticks (its documentation does not say what sleeping means)"
    remedy = "see when the last one was: upsun-agent status; if none comes: upsun redeploy"
    return Finding("cron", Level.WARN, text, remedy)


def _ticks(case: CronCase, usual: float) -> Iterator[Finding]:
    """Yield whether the cron has run within ``usual`` seconds; a run that a person starts is not a tick."""
    if not case.knows_ticks or not case.has_jobs:
        return
    now = case.now.timestamp()
    if case.last_tick is not None:
        ago = span(max(0.0, now - case.last_tick))
        if now - case.last_tick < usual:
            yield Finding("last tick", Level.OK, f"{ago} ago")
        else:
            yield Finding("last tick", Level.WARN, f"the last tick was {ago} ago: the cron does not run any more", HELP)
        return
    deployed = case.deployed_at.timestamp() if case.deployed_at is not None else None
    if deployed is not None and now - deployed < usual:
        text = f"none yet; the environment was deployed {span(max(0.0, now - deployed))} ago"
        yield Finding("last tick", Level.OK, text)
        return
    text = "the cron has never run: no tick is recorded (a run that a person starts does not count)"
    yield Finding("last tick", Level.WARN, text, HELP)


def cli_crons(apps: Mapping[str, Any], app_dir: str | None = None) -> Iterator[Finding]:
    """Yield one finding for each cron that takes backups or runs source operations with the official CLI.

    Args:
        apps: the configuration of each app by name.
        app_dir: the directory of the app, in which scripts that a cron starts are read; None if it is not here.
    """
    for app, definition in apps.items():
        for name, cron in _crons(definition).items():
            backs_up, updates = _work(start_of(cron), app_dir)
            does = [*(["takes backups"] if backs_up else []), *(["runs source operations"] if updates else [])]
            if does:
                text = f"the cron {name} of {app} {' and '.join(does)} with the official CLI, beside the agent's jobs"
                remedy = "remove the cron from the app's configuration, or take what it does out of the job file"
                yield Finding("CLI cron", Level.WARN, text, remedy)


def start_of(cron: Mapping[str, Any]) -> str:
    """Return the command that a cron starts; crons of the old form have it in ``cmd``."""
    found = cron.get("commands")
    return str(found.get("start") or "") if isinstance(found, Mapping) else str(cron.get("cmd") or "")


def _work(command: str, app_dir: str | None) -> tuple[bool, bool]:
    """Return whether a command, or a script of the app that it names, takes backups and runs source operations."""
    texts = [command[:CONFIG_MOST_BYTES]]
    if app_dir is not None:
        named = [word for words in commands(texts[0]) for word in words if not word.startswith("-")]
        texts += filter(None, (_script(app_dir, word) for word in named[:WORDS_MOST]))
    done = [does_a_jobs_work(text) for text in texts]
    return any(backup for backup, _ in done), any(update for _, update in done)


def _script(app_dir: str, name: str) -> str:
    """Return the text of a script in the app's directory; empty if there is none of that name."""
    path = os.path.realpath(os.path.join(app_dir, name))
    try:
        if not path.startswith(f"{os.path.realpath(app_dir)}/") or not os.path.isfile(path):
            return ""
        with open(path, "rb", opener=without_waiting) as file:
            data = file.read(CONFIG_MOST_BYTES)
    except (OSError, ValueError):
        return ""
    return data.decode("utf-8", "replace") if data.startswith(b"#!") or b"\0" not in data else ""


def _crons(definition: Any) -> dict[str, Mapping[str, Any]]:
    found = definition.get("crons") if isinstance(definition, Mapping) else None
    items = found.items() if isinstance(found, Mapping) else ()
    return {str(name): each for name, each in items if isinstance(each, Mapping)}


def _ticked_lately(case: CronCase) -> bool:
    """Return whether anything has started a tick lately, such as a script's cron or another machine."""
    return case.last_tick is not None and abs(case.now.timestamp() - case.last_tick) < LATELY
