"""The command ``rehearse``: play a job against the simulator, in seconds and without risk."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.extras import SIMULATOR
from upsun_agent.cli.numbers import whole_number

DAYS_MOST = 730
NAMES = "<names>"  # where the help lists the named faults
MODULE = "upsun_simulator.command_line.rehearse"


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    rehearse = commands.add_parser(
        "rehearse",
        parents=[shared],
        help="play a job without the platform",
        description="Play a run of JOB, tick by tick, against a simulated platform in virtual time. Nothing "
        "leaves this process. Needs the extra 'simulator'.\n\n--fault takes a name or a fault of a request "
        f"(METHOD PATH KIND, see simulate --help); the names:\n{NAMES}",
        formatter_class=SIMULATOR.formatter(NAMES, MODULE),
    )
    rehearse.add_argument("job", metavar="JOB", help="the job's name in the job file")
    rehearse.add_argument("--fault", action="append", default=[], metavar="FAULT", help="a fault to inject; repeatable")
    rehearse.add_argument(
        "--days",
        type=whole_number(1, DAYS_MOST),
        metavar="N",
        help=f"play N days (up to {DAYS_MOST}) of ticks with deployments, outages and an expired token",
    )
    rehearse.add_argument(
        "--seed", type=whole_number(0, 10**9), default=1, metavar="S", help="the seed of the random days (default: 1)"
    )
    rehearse.set_defaults(run=SIMULATOR.command(MODULE))
