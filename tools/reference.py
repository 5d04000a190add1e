"""The pages in docs/reference/ and the completion scripts, generated: ``make docs`` writes, a test compares."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from msgspec.structs import fields
from upsun_agent.cli.main import build
from upsun_agent.cli.main import commands as every_command
from upsun_agent.config.definitions import (
    AGENT,
    EMAIL,
    HEALTHCHECKS,
    HEARTBEAT,
    JOB,
    NOTICES,
    REPORT,
    SLACK,
    WEBHOOK,
    WHEN,
    json_schema,
)
from upsun_agent.database import errors
from upsun_agent.errors import documented
from upsun_agent.journal.server import migrate
from upsun_agent.log.lines import KEYS
from upsun_agent.model.events import EVENTS
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps import KINDS
from upsun_agent.validators import Boolean, Choice, Duration, Either, ListOf, MapOf, Number, Table, Text

from tools import completions, dist, documents, states, step_pages

DOCS = Path(__file__).resolve().parent.parent / "docs" / "reference"
#: Modules whose errors are documented though no command imports them before it needs them.
LATE = (errors, migrate)
NOTE = "<!-- Generated from the code by `make docs`; a test keeps it equal. -->\n\n"


def exit_codes() -> str:
    """Return every exit code with its error classes."""
    lines = [
        "# Exit codes",
        "",
        "A documented interface: they change only with a new major version. `--json` gives the same code as",
        "`exit_code`, and the error's stable name as `error.kind`.",
        "",
        "| code | error | what it says | who must act |",
        "| --- | --- | --- | --- |",
        "| 0 | | Done, nothing to do, or a guard that says «not here». | nobody |",
    ]
    for error in documented():
        if not error.__module__.startswith("upsun_"):
            continue
        said = (error.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| {error.exit_code} | `{error.word()}` | {said} | {error.turn} |")
    lines += [
        "| 130 | | Interrupted (Ctrl-C). | the next tick continues |",
        "| 143 | | Terminated (SIGTERM). | the next tick continues |",
        "",
        "`tick` ends with the code of the gravest thing that happened in it: a run that failed (1, or 77 and 78 where",
        "the cause is a token, a role or a wrong id), else what stands in the way of an open run (65, 69, 77).",
    ]
    return NOTE + "\n".join(lines) + "\n"


#: What remedies name that is code: a word in quotes, a call of a CLI, a setting.
_CODE = re.compile(
    r"(?<![a-z])'(?P<word>[^']+)'|(?P<call>upsun(?:-agent)? [a-z:-]+(?: JOB| --[a-z]+)*|[a-z]+ = [a-z\"]+)"
)


def failure_kinds() -> str:
    """Return every kind of failure."""
    lines = [
        "# Kinds of failure",
        "",
        "The kind of a failure is a stable word: `failure` in `show --json`, in events, log lines and webhooks.",
        "A tick ends with the exit code if a run fails so, or waits for it; 0 means that no run fails so.",
        "`upsun-agent show JOB` prints what happened in your case, with a remedy. What the agent does next is in",
        "[when something fails](../concepts/failure.md).",
        "",
        "| kind | what it means | who must act | what helps | exit code |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in sorted(FailureKind):
        remedy = _CODE.sub(
            lambda found: f"`{found['word'] or found['call']}`", kind.remedy[0].upper() + kind.remedy[1:]
        )
        lines.append(f"| `{kind}` | {kind.meaning} | {kind.who} | {remedy}. | {kind.exit_code} |")
    return NOTE + "\n".join(lines) + "\n"


def job_file() -> str:
    """Return every key of the job file."""
    parts = [
        "# The job file: `.upsun/agent.toml`",
        "",
        "Looked for at `--config`, `$UPSUN_AGENT_CONFIG`, `$PLATFORM_APP_DIR/.upsun/agent.toml`, then",
        "`$PLATFORM_APP_DIR/upsun-agent.toml`. Check it with `upsun-agent validate`. Editors can use",
        "[the JSON Schema](agent.schema.json). An unknown key is an error.",
        "",
        "Names of operations, tasks, apps and backups hold no slash. No part of an environment's id may be empty, `.`",
        "or `..`: the request would go to another resource. Messages count steps from 1.",
        "",
    ]
    tables: list[tuple[str, Table]] = [
        ("[agent]", AGENT),
        ("[report]", REPORT),
        ("[jobs.NAME]", JOB),
        ("[jobs.NAME.when]", WHEN),
        ("[jobs.NAME.notify] and `notify` in [agent]", NOTICES),
        ("`heartbeat` in [agent]", HEARTBEAT),
        ("A channel [notify.NAME]: `healthchecks = { … }`", HEALTHCHECKS),
        ("A channel [notify.NAME]: `webhook = { … }`", WEBHOOK),
        ("A channel [notify.NAME]: `slack = { … }`", SLACK),
        ("A channel [notify.NAME]: `email = { … }`", EMAIL),
    ]
    for title, table in tables:
        parts += [f"## {title}", "", _keys(table)]
    parts += ["## Steps", "", "The keys of each kind of step are on its own page: [Steps](steps.md).", ""]
    return NOTE + "\n".join(parts)


def _keys(table: Table) -> str:
    """Return the keys of a table as a table."""
    rows = ["| key | value | default | |", "| --- | --- | --- | --- |"]
    for key, field in table.fields.items():
        default = "required" if field.required else _default(field.default, field.shape)
        rows.append(f"| `{key}` | {_kind(field.shape)} | {default} | {field.doc} |")
    return "\n".join([*rows, ""])


def _default(value: Any, shape: Any) -> str:
    if value is None:
        return "none"
    if isinstance(shape, Duration):
        hours, rest = divmod(value, 3600)
        return f"`{hours}h`" if hours and not rest else f"`{value}s`"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def _kind(shape: Any) -> str:
    match shape:
        case Boolean():
            return "true or false"
        case Choice():
            return " or ".join(f"`{word}`" for word in shape.words)
        case Duration():
            return "duration: `90s`, `15m`, `6h`, `1d12h`"
        case ListOf():
            return f"array of {_kind(shape.item)}"
        case Number():
            return f"{shape.least} to {shape.most}"
        case Text():
            return shape.what
        case Either():
            return shape.second.what if isinstance(shape.second, Text) else _kind(shape.second)
        case MapOf() | Table():
            return "table"
    raise TypeError(f"no words for {type(shape).__name__}")


def commands() -> str:
    """Return the help of every command."""
    os.environ["COLUMNS"] = "100"
    parser = build()
    parts = ["# Commands", "", "```console", "$ upsun-agent --help", parser.format_help().rstrip(), "```", ""]
    for name, command in every_command().items():
        parts += [
            f"## {name}",
            "",
            "```console",
            f"$ upsun-agent {name} --help",
            command.format_help().rstrip(),
            "```",
            "",
        ]
    return NOTE + "\n".join(parts)


#: Log lines that are no events of a run.
OTHER_LINES = {
    "activity-log": "One line of the platform's own log of `activity`, printed by `logs RUN --platform`.",
    "activity-log-unread": "That log could not be read: `message` says why.",
    "activity-log-unsealed": "There may be more of that log: the activity still runs, or it is longer than is read.",
    "job-not-here": "A job of the file does not run on this type of environment.",
    "clock-was-ahead": "A clock that was ahead left later moments in the state: `message` says which.",
    "clock-wrong": "This machine's clock and the platform's are too far apart: the tick uses the platform's.",
    "heartbeat-failed": "The dead-man's switch could not be pinged: `message` says why. The next tick tries again.",
    "job-suspended": "Too many runs in a row failed: the job is suspended until `resume`.",
    "journal-set-aside": "A new journal was begun: the one before was another environment's, rewound by a "
    "restore, damaged or lost; see `reason`.",
    "notice-delayed": "A message could not be delivered: `message` says why, `again_at` when it is tried again.",
    "notice-dropped": "A message is for nobody: `reason` says why (mail is off, the channel is gone).",
    "notice-lost": "A message was given up: `message` says why. The next one on its `channel` tells how many were.",
    "notice-refused": "A mail was refused for good for some recipients: `message` names them. The others have it.",
    "notice-told": "A message was delivered: `channel`, `event_type`, `attempt`, `duration_s`.",
    "report-published": "The page that the job file asks for was written to `directory`.",
    "report-not-published": "It could not be written: `message` says why. The tick is none the worse.",
    "schedule-changed": "Slots of the schedule before are neither run nor booked: `message` counts them.",
    "trouble": "Something stands in the way of a run: `trouble` is its kind, `message` what happened.",
}


def events() -> str:
    """Return every event with what it means and its keys."""
    lines = [
        "# Events",
        "",
        "The facts that the journal keeps about a run, in order. `show RUN --json` lists them; every one of them is a",
        "[log](../how-to/logs.md) line of the same name.",
        "",
        "| event | meaning | keys |",
        "| --- | --- | --- |",
    ]
    for kind, event in EVENTS.items():
        keys = ", ".join(f"`{each.name}`" for each in fields(event) if each.name not in {"at", "job"})
        lines.append(f"| `{kind}` | {(event.__doc__ or '').strip().splitlines()[0]} | {keys} |")
    lines += ["", "## Keys of the log lines", "", "Beside `event`, `level` and `time` (UTC), as far as they apply:", ""]
    lines += ["| key | meaning |", "| --- | --- |", *(f"| `{key}` | {meaning} |" for key, meaning in KEYS.items())]
    lines += ["", "Log lines that are no events of a run:", "", "| line | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in OTHER_LINES.items()]
    return NOTE + "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Return all generated files by name."""
    return {
        "events.md": events(),
        "state-machine.md": NOTE + states.page(),
        "exit-codes.md": exit_codes(),
        "failure-kinds.md": failure_kinds(),
        "job-file.md": job_file(),
        "commands.md": commands(),
        "steps.md": NOTE + step_pages.index(),
        **{f"steps/{kind}.md": NOTE + step_pages.page(kind, _keys(step_pages.table_of(kind))) for kind in KINDS},
        "json.md": NOTE + documents.page(),
        "output.schema.json": json.dumps(documents.schema(), indent=2) + "\n",
        "agent.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    for name in completions.write():
        sys.stdout.write(f"{name}\n")
    dist.main(["--write", *(str(dist.REPOSITORY / name) for name in dist.DOCUMENTS)])


if __name__ == "__main__":
    main()
