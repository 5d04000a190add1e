"""The command ``upsun-agent``. ``tick`` from a cron takes the short way; everything else goes through argparse."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command of this process's arguments; returns the exit code."""
    if sys.argv[1:] == ["tick"] and not os.isatty(1):
        from agent.glance import is_idle  # noqa: PLC0415  late: most ticks need nothing else

        if is_idle(os.environ):
            return 0
        from agent.cli import cron  # noqa: PLC0415  late, as above: a tick reads no options

        return cron.main()
    from agent.cli.main import run  # noqa: PLC0415  late: argparse alone costs an interpreter start

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
