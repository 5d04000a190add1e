"""Write the page and the metrics after a tick that opened or closed a run.

Disabled unless ``[report] publish`` names a directory. It is the last thing that a tick does and takes a few seconds at
most. Failures are only logged: they must not fail the tick.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from upsun_agent.engine.run import Run
from upsun_agent.errors import AgentError, StateNotWritable
from upsun_agent.journal import Journal
from upsun_agent.journal.connect import broken_off
from upsun_agent.limits import PUBLISH_BUDGET, TICK_BUDGET
from upsun_agent.platform.private_directory import write_whole
from upsun_agent.report.history import look_back
from upsun_agent.report.html_page import page
from upsun_agent.report.metrics import measure
from upsun_agent.report.prometheus import text
from upsun_agent.runtime.context import TickContext

PAGE, METRICS = "index.html", "metrics.txt"  # web servers serve .txt as text/plain, which Prometheus expects
READABLE = 0o644  # the web server may be another user


class TooLong(Exception):
    """Publishing took too long."""


def publish(context: TickContext, journal: Journal, runs: Mapping[str, Run]) -> None:
    """Write what the job file asks for, if this tick opened or closed one of the runs; never raises.

    Args:
        context: what the tick worked with.
        journal: the journal.
        runs: the runs that the tick touched, by id.
    """
    now, settings = context.clock.now(), context.job_file.report
    if not any(
        run.closed is not None or run.opened_at >= now - timedelta(seconds=TICK_BUDGET) for run in runs.values()
    ):
        return
    try:
        with at_most(PUBLISH_BUDGET):
            write(context, journal, str(settings["publish"]), int(settings["days"]), metrics=bool(settings["metrics"]))
    except TooLong:
        context.log.warning("report-not-published", message=f"it took longer than {PUBLISH_BUDGET:g} s")
    except AgentError as error:
        context.log.warning("report-not-published", message=str(error), remedy=context.reword(error.remedy))
    except Exception as error:  # noqa: BLE001  a page is never worth a failed tick; its words may hold anything
        context.log.warning("report-not-published", message=f"unexpected {type(error).__name__}")
    else:
        context.log.info("report-published", directory=settings["publish"])


def write(context: TickContext, journal: Journal, directory: str, days: int, *, metrics: bool) -> None:
    """Replace the files, each whole or not at all.

    Args:
        context: the container, job file and clock.
        journal: the journal to read.
        directory: where to write.
        days: the period of the page.
        metrics: whether to write the metrics too.

    Raises:
        StateNotWritable: a file cannot be written.
    """
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        write_whole(f"{directory}/{PAGE}", page(look_back(context, journal, days)), READABLE)
        if metrics:
            write_whole(f"{directory}/{METRICS}", text(measure(context, journal)), READABLE)
    except OSError as error:
        remedy = "declare a mount there in .upsun/config.yaml"
        raise StateNotWritable(f"{directory} cannot be written: {error.strerror}", remedy=remedy) from error


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block after ``seconds``; works in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise broken_off(TooLong())

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
