"""The command ``simulate``: a stand-in Upsun API on a socket of this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.extras import SIMULATOR
from upsun_agent.cli.numbers import whole_number

DESCRIPTION = """\
Serve a simulated Upsun API on 127.0.0.1 until interrupted, for trying the agent or the official CLI without a
project. Needs the extra 'simulator'. Point a client at it with UPSUN_CLI_API_URL and UPSUN_CLI_AUTH_URL.
It answers programs of this machine only: not pages of other sites, and not under other host names. Requests below
/_simulator/ (request-log, scenario, faults, clock, act) need the secret that is printed at the start.

--set changes a behaviour, for example: --set backup_seconds=2 --set update_outcome=no-commit --set role=viewer
Activities may come late (--set activity_lag_seconds=5), as large as those of a larger project (--set apps=3
--set services=4 --set routes=20), or with a command that fails (--set 'failing_commands=["push"]').
--fault breaks a request: METHOD PATH KIND [xTIMES] [#NTH], for example: --fault 'POST */backup cut-after'
The kinds:
<kinds>
"""
KINDS = "<kinds>"  # where the help lists the kinds of faults
MODULE = "upsun_simulator.command_line.simulate"


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    simulate = commands.add_parser(
        "simulate",
        parents=[shared],
        help="serve a simulated Upsun API",
        description=DESCRIPTION,
        formatter_class=SIMULATOR.formatter(KINDS, MODULE),
    )
    simulate.add_argument(
        "--port", type=whole_number(0, 65535), default=8080, metavar="N", help="the port (default: 8080; 0: any)"
    )
    simulate.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a behaviour")
    simulate.add_argument(
        "--proof", metavar="FILE", help="behave as check --prove saw the platform: the file that it wrote with --to"
    )
    simulate.add_argument("--fault", action="append", default=[], metavar="FAULT", help="break requests")
    simulate.add_argument(
        "--authority", metavar="FILE", help="write the key that signs SSH certificates there, for a TrustedUserCAKeys"
    )
    simulate.add_argument("--request-log", metavar="FILE", help="write what happened there at the end, as JSON")
    simulate.set_defaults(run=SIMULATOR.command(MODULE))
