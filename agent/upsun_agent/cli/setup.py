"""The family ``setup``: the platform guide's steps, looked at before and after."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli import machine_user, token_variable


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    setup = commands.add_parser(
        "setup",
        help="a machine user, the API token as a variable",
        description="Set up what jobs need on the platform. The API token of the variable must be allowed to: that "
        "of a project admin.",
    )
    family = setup.add_subparsers(title="commands", metavar="COMMAND", dest="setup_command", required=True)
    machine_user.add(family, shared)
    token_variable.add(family, shared)
