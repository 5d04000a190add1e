"""Find the calls of the official CLI in a script, and tell whether they do a job's work. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upsun_agent.platform.shell_text import TALKS, commands

CLI = frozenset({"upsun", "platform", "upsun.phar", "platform.phar"})
BACKUP = frozenset({"backup:create", "backup", "environment:backup", "snapshot:create", "snapshot"})
UPDATE = "source-operation:run"
#: Symfony's CLI, which passes on the commands of the official one that are in one of these namespaces.
SYMFONY = "symfony"
_NAMESPACES = frozenset({"", "cloud", "upsun", "platform"})
_COMMAND = re.compile(r"[a-z][a-z0-9:-]*")
#: Options of the CLI with a value of their own.
_VALUED = frozenset({"-p", "--project", "-e", "--environment", "-A", "--app"})


def cli_calls(text: str) -> Iterator[str]:
    """Yield the command of each call of the official CLI in a script, such as ``backup:create``; not in comments."""
    for words in commands(text):
        if words[0] in TALKS - {"["}:
            continue
        for at, word in enumerate(words):
            name = word.rsplit("/", 1)[-1]
            if name not in CLI and name != SYMFONY:
                continue
            called = _called(words[at + 1 :])
            inner = called.partition(":") if name == SYMFONY else ("", "", called)
            if inner[0] in _NAMESPACES and inner[2]:
                yield inner[2]


def _called(words: list[str]) -> str:
    """Return the command behind the name of the CLI and its options; empty if there is none."""
    skip = False
    for word in words:
        if not skip and not word.startswith("-") and word != "[":
            return word if _COMMAND.fullmatch(word) else ""
        skip = word in _VALUED
    return ""


def calls_cli(text: str) -> bool:
    """Return whether a script calls the official CLI."""
    return next(cli_calls(text), None) is not None


def does_a_jobs_work(text: str) -> tuple[bool, bool]:
    """Return whether a script takes a backup with the CLI, and whether it runs a source operation."""
    called = set(cli_calls(text))
    return bool(called & BACKUP), UPDATE in called
