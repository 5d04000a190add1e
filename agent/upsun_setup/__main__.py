"""The command ``upsun-agent-setup``: the commands that work in a checkout."""

from __future__ import annotations

import sys

from upsun_agent.cli.main import SETUP, run
from upsun_agent.cli.streams import complain
from upsun_agent.log.quiet_libraries import keep_libraries_quiet


def main() -> int:
    """Run the command of this process's arguments; returns the exit code."""
    keep_libraries_quiet(complain)
    return run(sys.argv[1:], SETUP)


if __name__ == "__main__":
    sys.exit(main())
