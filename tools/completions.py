"""The completion scripts under upsun_agent/completions, generated from the command line: ``make docs`` writes them."""

from __future__ import annotations

from argparse import Action, ArgumentParser
from collections.abc import Iterator

import shtab
from upsun_agent.cli.completion import DIRECTORY, SHELLS, script_of
from upsun_agent.cli.main import build, commands
from upsun_simulator.rehearsal.play import NAMED_FAULTS

#: What stands in every script before what shtab makes: how jobs of the job file and commands are completed.
PREAMBLE = {
    "bash": r"""
_upsun_agent_jobs() {
  local file="${UPSUN_AGENT_CONFIG:-${PLATFORM_APP_DIR:-.}/.upsun/agent.toml}"
  [ -n "${UPSUN_AGENT_CONFIG-}" ] || [ -f "$file" ] || file="${PLATFORM_APP_DIR:-.}/upsun-agent.toml"
  compgen -W "$(sed -n 's/^[[:space:]]*\[jobs\.\([A-Za-z0-9_-]*\)\].*/\1/p' "$file" 2>/dev/null)" -- "$1"
}
_upsun_agent_command() {
  if [ "${COMP_WORDS[COMP_CWORD-1]}" = -- ]; then compgen -c -- "$1"; else compgen -f -- "$1"; fi
}
_upsun_agent_faults() { compgen -W "FAULTS" -- "$1"; }
""",
    "zsh": r"""
_upsun_agent_jobs() {
  local file="${UPSUN_AGENT_CONFIG:-${PLATFORM_APP_DIR:-.}/.upsun/agent.toml}"
  [[ -n "${UPSUN_AGENT_CONFIG-}" || -f "$file" ]] || file="${PLATFORM_APP_DIR:-.}/upsun-agent.toml"
  compadd -- ${(f)"$(sed -n 's/^[[:space:]]*\[jobs\.\([A-Za-z0-9_-]*\)\].*/\1/p' "$file" 2>/dev/null)"}
}
_upsun_agent_command() { if [[ "${words[CURRENT-1]}" == -- ]]; then _command_names -e; else _files; fi; }
_upsun_agent_faults() { compadd -- FAULTS; }
""",
}
JOBS = {"bash": "_upsun_agent_jobs", "zsh": "_upsun_agent_jobs"}
COMMAND = {"bash": "_upsun_agent_command", "zsh": "_upsun_agent_command"}
#: Faults that a rehearsal knows by name; those of requests are written out and cannot be listed.
FAULTS = {"bash": "_upsun_agent_faults", "zsh": "_upsun_agent_faults"}
#: How a value is completed, by what the help calls it. A job's name stands for its latest run too.
VALUES = {
    "FILE": shtab.FILE,
    "OLD": shtab.FILE,
    "NEW": shtab.FILE,
    "JOB": JOBS,
    "RUN": JOBS,
    "-- COMMAND ...": COMMAND,
}


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    for command in commands(parser).values():
        yield from command._actions  # noqa: SLF001  argparse has no public way to its options


def scripts() -> dict[str, str]:
    """Return the script of every shell by its file."""
    parser = build()
    for action in _actions(parser):
        complete = VALUES.get(str(action.metavar))
        if complete is not None:
            setattr(action, "complete", complete)  # noqa: B010  where shtab looks, which argparse does not know of
    for action in commands(parser)["rehearse"]._actions:  # noqa: SLF001  as above
        if action.dest == "fault":
            setattr(action, "complete", FAULTS)  # noqa: B010  as above
    preambles = {shell: text.replace("FAULTS", " ".join(NAMED_FAULTS)) for shell, text in PREAMBLE.items()}
    found = {
        shell: shtab.complete(parser, shell=shell, preamble=preambles.get(shell, ""))  # a shell's name  # nosec B604
        for shell in SHELLS
    }
    return {script_of(shell): f"{text.rstrip()}\n" for shell, text in found.items()}


def write() -> list[str]:
    """Write them; returns their names."""
    found = scripts()
    for name, text in found.items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
    return [f"upsun_agent/completions/{name}" for name in found]
