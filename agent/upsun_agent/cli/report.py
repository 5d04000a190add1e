"""The command ``report``: write an HTML page and metrics."""

from __future__ import annotations

import errno
import os
import stat
from argparse import ArgumentParser
from time import monotonic, sleep
from typing import Any, Literal
from urllib.parse import urlsplit

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.extras import otel_missing
from upsun_agent.cli.numbers import counted, whole_number
from upsun_agent.errors import StateNotWritable, UsageError
from upsun_agent.journal import JournalReader
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.limits import REPORT_DAYS, REPORT_DAYS_MOST
from upsun_agent.platform.paths import NotOurs
from upsun_agent.platform.private_directory import write_whole
from upsun_agent.report.document import Count, Moment, View
from upsun_agent.report.metrics import Measures, measure

STDOUT = "-"
READER_PATIENCE = 10.0  # seconds to wait for the reader of a FIFO


class WrittenView(View, frozen=True, kw_only=True):
    """A page or metrics that were written."""

    #: What it is.
    kind: Literal["html", "prometheus", "otlp"]
    #: The file, or the host of the collector.
    to: str
    #: The size of the file in bytes; null for a collector.
    bytes: Count | None
    #: Runs (with `--all`: environments) on the page, or samples of metrics.
    items: Count


class ReportView(View, frozen=True, kw_only=True):
    """What was written where."""

    #: When the journal was read.
    at: Moment
    #: What was written.
    written: list[WrittenView]


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    report = commands.add_parser(
        "report",
        parents=[shared],
        help="write an HTML page or metrics",
        description="Write the journal's contents as an HTML page (one file without scripts that fetches nothing) or "
        "as metrics in the Prometheus text format, or send the metrics to an OpenTelemetry collector. Files are "
        "replaced whole or not at all; - is standard output.",
    )
    report.add_argument("--html", metavar="FILE", help="write the page to FILE")
    report.add_argument(
        "--all", action="store_true", help="include every environment, app and project whose state is in the same place"
    )
    report.add_argument(
        "--days",
        metavar="N",
        type=whole_number(1, REPORT_DAYS_MOST),
        default=REPORT_DAYS,
        help=f"how many days the page shows (default: {REPORT_DAYS})",
    )
    report.add_argument("--job", metavar="JOB", help="show only this job on the page")
    report.add_argument(
        "--prometheus", metavar="FILE", help="write metrics to FILE, for a textfile collector or a scrape"
    )
    report.add_argument(
        "--otlp",
        metavar="ENDPOINT",
        nargs="?",
        const="",
        help="send metrics by OTLP over HTTP, to ENDPOINT or to the address in the OTEL_EXPORTER_OTLP_* variables; "
        "needs the extra 'otel'",
    )
    report.set_defaults(run=_report)


def _report(context: Context) -> Answer:
    options = context.options
    _check(context)
    written: list[WrittenView] = []
    if options.all:
        written += _of_all(context)
        return _answer(context, written)
    with reading_if_any(context.state, context.container.identity) as journal:
        if options.html is not None:
            written.append(_html(context, journal))
        if options.prometheus is not None or options.otlp is not None:
            written += _metrics(context, measure(context.reading, journal))
    return _answer(context, written)


def _of_all(context: Context) -> list[WrittenView]:
    """Write page and metrics of every journal in the same place, and return what was written."""
    from upsun_agent.journal.fleet import fleet  # noqa: PLC0415  late: it is asked for rarely
    from upsun_agent.report.fleet import fleet_measures, fleet_page  # noqa: PLC0415  same

    options, now = context.options, context.clock.now()
    written: list[WrittenView] = []
    with fleet(context.state) as found:
        members = found.members()
    if options.html is not None:
        text = fleet_page(members, str(context.state), now)
        written.append(_write(context, "html", options.html, text, len(members)))
    if options.prometheus is not None or options.otlp is not None:
        written += _metrics(context, fleet_measures(members, now))
    return written


def _answer(context: Context, written: list[WrittenView]) -> Answer:
    return Answer(ReportView(at=context.clock.now(), written=written), lambda: _tell(context, written))


def _tell(context: Context, written: list[WrittenView]) -> None:
    """Print what was written, unless a file went to standard output."""
    options = context.options
    if STDOUT not in {options.html, options.prometheus}:
        for each in written:
            what = "metric" if each.kind != "html" else "environment" if options.all else "run"
            context.terminal.note(f"{each.kind}: {counted(each.items, what)} to {each.to}", "good")


def _check(context: Context) -> None:
    """Raise UsageError if the options ask for nothing, or write two files to standard output."""
    options = context.options
    if options.html is None and options.prometheus is None and options.otlp is None:
        raise UsageError("nothing to write", remedy="give --html FILE, --prometheus FILE or --otlp")
    if options.all and options.job is not None:
        raise UsageError("--job and --all cannot be combined", remedy="give one of them")
    if [options.html, options.prometheus, STDOUT if options.json else None].count(STDOUT) > 1:
        raise UsageError("page and metrics cannot both go to standard output", remedy="give a file for one of them")
    if options.otlp:
        try:
            parts = urlsplit(options.otlp)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits or not options.otlp.isprintable() or " " in options.otlp:
            raise UsageError("--otlp needs the URL of a collector", remedy="such as http://collector:4318")
        if parts.password is not None:
            remedy = "put it into the variable OTEL_EXPORTER_OTLP_HEADERS: other users can see arguments"
            raise UsageError("the URL of --otlp must not hold a password", remedy=remedy)


def _html(context: Context, journal: JournalReader) -> WrittenView:
    from upsun_agent.report.history import look_back  # noqa: PLC0415  same
    from upsun_agent.report.html_page import page  # noqa: PLC0415  late: other reports need no page

    past = look_back(context.reading, journal, context.options.days, context.options.job)
    return _write(context, "html", context.options.html, page(past), len(past.rows))


def _metrics(context: Context, measures: Measures) -> list[WrittenView]:
    written: list[WrittenView] = []
    file, endpoint = context.options.prometheus, context.options.otlp
    if file is not None:
        from upsun_agent.report.prometheus import text  # noqa: PLC0415  late, as above

        written.append(_write(context, "prometheus", file, text(measures), measures.count))
    if endpoint is not None:
        try:
            from upsun_agent.report.otlp import push  # noqa: PLC0415  needs the extra
        except ModuleNotFoundError as error:
            raise otel_missing(error) from error
        place = push(measures, endpoint or None)
        written.append(WrittenView(kind="otlp", to=place, bytes=None, items=measures.count))
    return written


def _write(context: Context, kind: Literal["html", "prometheus"], path: str, text: str, items: int) -> WrittenView:
    """Write a page or metrics to a file or to standard output, and return what was written.

    Args:
        context: the command call.
        kind: what the text is.
        path: the file, or ``-`` for standard output.
        text: the content.
        items: how many runs, environments or samples it holds.
    """
    if path == STDOUT:
        context.terminal.file(text)
    else:
        _replace(path, text)
    return WrittenView(kind=kind, to=path, bytes=len(text.encode()), items=items)


def _replace(path: str, text: str) -> None:
    """Replace the file whole or not at all, with the mode that a new file of this process gets.

    A device or a pipe is opened and written to.
    """
    try:
        _refuse_foreign_link(path)
        whole = os.path.realpath(path)
        if os.path.exists(whole) and not stat.S_ISREG(os.stat(whole).st_mode):
            with open(whole, "w", encoding="utf-8", opener=_with_a_reader) as file:
                file.write(text)
        else:
            mask = os.umask(0)
            os.umask(mask)
            write_whole(whole, text, 0o666 & ~mask)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such path"
        raise StateNotWritable(
            f"{path} cannot be written: {why}", remedy="name a file in a writable directory"
        ) from error


def _refuse_foreign_link(path: str) -> None:
    """Raise NotOurs for a symbolic link that another user made: it could point to any file of this user."""
    if os.path.islink(path) and os.lstat(path).st_uid not in {0, os.geteuid()}:
        raise NotOurs(errno.EPERM, "it is a symbolic link that another user made", path)


def _with_a_reader(path: str, flags: int) -> int:
    """Open a device or pipe; wait at most ``READER_PATIENCE`` for the reader of a FIFO."""
    until = monotonic() + READER_PATIENCE
    while True:
        try:
            file = os.open(path, flags & ~os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or monotonic() > until:
                raise
            sleep(0.05)
        else:
            os.set_blocking(file, True)
            return file
