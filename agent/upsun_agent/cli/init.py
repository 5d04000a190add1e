"""The command ``init``: set the agent up in an app's checkout, after showing the changes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.change import confirmation
from upsun_agent.cli.extras import SETUP


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    init = commands.add_parser(
        "init",
        parents=[shared],
        help="set the agent up in an app's checkout",
        description="Add what the agent needs to the configuration of a project of Upsun Flex or Upsun Fixed: lines "
        "in the build hook, a mount, a cron, a source operation for the package managers that are found, a job file, "
        "and a line in .environment. The release comes into the repository, unless you choose another way. "
        "A cron of the platform's guide that calls the CLI is replaced by a job. Shows the "
        "changes as a diff and asks on a terminal; elsewhere it writes nothing without --yes. Everything else in the "
        "files stays unchanged, byte for byte. Needs the extra 'init'.",
    )
    checkout_options(init)
    delivery_options(init).add_argument(
        "--remove", action="store_true", help="take out of the checkout again what init put into it"
    )
    init.add_argument(
        "--plan",
        choices=("professional", "enterprise", "elite"),
        help="the plan of a project on Upsun Fixed: enterprise and elite have source operations and crons every minute",
    )
    init.add_argument(
        "--operations",
        action="store_true",
        help="add the runtime operations agent-status, agent-check, agent-run and agent-approve, which are buttons in "
        "the Console (Upsun Flex)",
    )
    confirmation(init)
    init.set_defaults(run=SETUP.command("upsun_setup.command"))


def checkout_options(parser: ArgumentParser) -> None:
    """Add the options that name the checkout and the app."""
    parser.add_argument("--dir", metavar="DIR", help="the checkout (default: the Git repository around this directory)")
    parser.add_argument("--app", metavar="NAME", help="the app that runs the agent (default: the only one)")
    parser.add_argument(
        "--product",
        choices=("flex", "fixed"),
        help="the product that the project is on (default: the one whose configuration is here)",
    )


def delivery_options(parser: ArgumentParser) -> Any:
    """Add the options that say how a release gets into the build; return their group, of which one can be given."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--vendor",
        action="store_true",
        help="put the release into the app's repository (default if none is published)",
    )
    way.add_argument(
        "--submodule", metavar="URL", nargs="?", const="", help="take the agent's repository as a Git submodule"
    )
    way.add_argument(
        "--url", metavar="URL", nargs="?", const="", help="fetch the release from this URL, pinned by a hash"
    )
    return way
