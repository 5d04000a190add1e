"""The command ``upsun-agent``. ``tick`` from a cron takes the short way; everything else goes through argparse."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone costs a quarter of an idle tick
    from typing import NoReturn


def main() -> int:
    """Run the command of this process's arguments; returns the exit code."""
    if _is_tick():
        from upsun_agent.idle import is_idle  # noqa: PLC0415  late: most ticks need nothing else

        if is_idle(os.environ):
            return 0
        from upsun_agent.cli import cron  # noqa: PLC0415  late, as above: a tick reads no options

        return cron.main()
    from upsun_agent.cli.cron import ABSENT, HELD_BACK  # noqa: PLC0415  late, as above
    from upsun_agent.lazy_imports import held_back  # noqa: PLC0415  same

    with held_back(*HELD_BACK, absent=ABSENT):  # most commands use none of it, and each imports all commands
        from upsun_agent.cli.main import run  # noqa: PLC0415  late: argparse alone costs an interpreter start
        from upsun_agent.cli.streams import complain  # noqa: PLC0415  same
        from upsun_agent.log.quiet_libraries import keep_libraries_quiet  # noqa: PLC0415  same

    keep_libraries_quiet(complain)
    return run(sys.argv[1:])


def end(code: int) -> NoReturn:
    """End the process; a cron's tick at once, since to take apart all that it loaded takes two interpreter starts.

    Nothing is lost: by then a tick has let go of journal, lock and connections, and what it wrote is out.
    """
    if _is_tick():
        os._exit(code)
    sys.exit(code)


def _is_tick() -> bool:
    """Return whether this is exactly ``upsun-agent tick`` without a terminal on standard output."""
    return sys.argv[1:] == ["tick"] and not os.isatty(1)


if __name__ == "__main__":
    end(main())
