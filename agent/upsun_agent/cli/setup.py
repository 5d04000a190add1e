"""The commands ``setup``: the steps of the platform's guide, which check the state before and after each."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli import machine_user, token_variable


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    setup = commands.add_parser(
        "setup",
        help="invite a machine user, store the API token",
        description="Set up what jobs need on the platform. The API token in the variable must be a project admin's.",
    )
    family = setup.add_subparsers(title="commands", metavar="COMMAND", dest="setup_command", required=True)
    machine_user.add(family, shared)
    token_variable.add(family, shared)
