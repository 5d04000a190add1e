"""The command ``upgrade``: move an app's checkout to this version of the agent, after showing the changes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.change import confirmation
from upsun_agent.cli.extras import SETUP
from upsun_agent.cli.init import checkout_options, delivery_options


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    upgrade = commands.add_parser(
        "upgrade",
        parents=[shared],
        help="move an app's checkout to this version of the agent",
        description="Move the pin in a checkout to the version of this copy of the agent: the files in "
        ".upsun-agent-release, the commit of the submodule, or the URL and the hash in the build hook. Everything else "
        "stays. Also changes the way in which the release gets into the build, with one of the options. Shows the "
        "changes as a diff and asks on a terminal; elsewhere it writes nothing without --yes. Needs the extra 'init'.",
    )
    checkout_options(upgrade)
    delivery_options(upgrade)
    upgrade.add_argument(
        "--commit",
        metavar="TAG",
        help="of a submodule: the tag or commit to move to (default: this version's tag)",
    )
    confirmation(upgrade)
    upgrade.set_defaults(run=SETUP.command("upsun_setup.upgrade"))
