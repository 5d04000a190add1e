"""The command ``completion``: the script that makes a shell complete commands, options and jobs' names.

The scripts are made with the package (tools/completions.py), so that printing one needs no library.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from upsun_agent.cli.context import Context
from upsun_agent.errors import EXIT_OK

DIRECTORY = Path(__file__).resolve().parent.parent / "completions"
SHELLS = ("bash", "zsh", "tcsh")
DESCRIPTION = """\
Print the script that makes a shell complete commands, options, choices, files and the job file's jobs:

  source <(upsun-agent completion bash)        in bash, or at the end of ~/.bashrc
  eval "$(upsun-agent completion zsh)"         in zsh, or at the end of ~/.zshrc after compinit
  upsun-agent completion tcsh > ~/.upsun-agent.tcsh && source ~/.upsun-agent.tcsh
"""


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    completion = commands.add_parser(
        "completion",
        parents=[shared],
        help="print the completion script of a shell",
        description=DESCRIPTION,
        formatter_class=RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or tcsh")
    completion.set_defaults(run=_completion)


def script_of(shell: str) -> str:
    """The name of a shell's script."""
    return f"upsun-agent.{shell}"


def _completion(context: Context) -> int:
    text = (DIRECTORY / script_of(context.options.shell)).read_text(encoding="utf-8")
    if context.terminal.json_wanted:
        context.terminal.document({"shell": context.options.shell, "script": text})
    else:
        context.terminal.say(text.rstrip("\n"))
    return EXIT_OK
