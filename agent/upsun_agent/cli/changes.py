"""The command ``changes``: tell which packages a run changed, or which differ between two lock files or directories."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.cli.run_changes import answer
from upsun_agent.errors import ConfigInvalid, UsageError
from upsun_agent.limits import LOCK_DEPTH_MOST, LOCK_ENTRIES_MOST, LOCK_FILE_MOST_BYTES, LOCK_FILES_MOST
from upsun_agent.model.packages import Change, ChangeKind, LockFileChange
from upsun_agent.report.document import View
from upsun_agent.report.run_views import LockFileView, lock_file_view

DESCRIPTION = """\
Without an argument, or with a run's id or a job's name for its latest run: list the packages that the commits of that
run changed in lock files, major changes first.

With OLD and NEW: compare two lock files, or all lock files of two directories, and list the packages that differ.
Nothing is installed, and no request is made. Lock files are: composer.lock, package-lock.json, yarn.lock,
pnpm-lock.yaml, bun.lock, requirements.txt, Pipfile.lock, poetry.lock, uv.lock, pdm.lock, Gemfile.lock, go.mod, go.sum,
Cargo.lock, mix.lock, packages.lock.json, gradle.lockfile, pom.xml. The manifest beside a lock file tells which packages
the project itself requires.
"""
#: Directories in which other projects' lock files are.
SKIPPED = frozenset({"node_modules", "vendor", "deps", "target", "__pycache__", "venv"})


class ChangesView(View, frozen=True, kw_only=True):
    """The packages that differ between two lock files, or between the lock files of two directories."""

    #: The lock files in which packages differ, or that have a warning.
    files: list[LockFileView]


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    changes = commands.add_parser(
        "changes",
        parents=[shared],
        help="list the packages that an update changed",
        description=DESCRIPTION,
        usage="upsun-agent changes [options] [RUN | OLD NEW]",
    )
    changes.add_argument("old", metavar="RUN", nargs="?", help="a run's id or a job's name; or the lock file before")
    changes.add_argument("new", metavar="NEW", nargs="?", help="the lock file or directory after")
    changes.set_defaults(run=_changes)


def _changes(context: Context) -> Answer:
    old, new = context.options.old, context.options.new
    if new is None:
        return answer(context, old)
    if os.path.isdir(old) != os.path.isdir(new):
        raise UsageError("a directory cannot be compared with a file", remedy="name two lock files, or two directories")
    found = list(_of_directories(old, new) if os.path.isdir(old) else _of_files(old, new))
    told = [each for each in found if each.changes or each.warning]
    return Answer(ChangesView(files=[lock_file_view(each) for each in told]), lambda: _tell(context, told, len(found)))


def _of_files(old: str, new: str) -> Iterator[LockFileChange]:
    """Yield what changed between two files; the name of one of them tells the format of both."""
    from upsun_agent.packages.formats import format_of  # noqa: PLC0415  late: no other command reads lock files

    known = next((path for path in (new, old) if format_of(path)), None)
    if known is None:
        raise UsageError(
            f"neither {old} nor {new} has the name of a lock file",
            remedy="see the names in: upsun-agent changes --help",
        )
    yield _compared(new, old, new, os.path.basename(known))


def _of_directories(old: str, new: str) -> Iterator[LockFileChange]:
    """Yield what changed in each lock file that either directory has."""
    places = sorted({*_lock_files(old), *_lock_files(new)})
    if not places:
        raise UsageError(
            f"there is no lock file in {old} and {new}", remedy="see the names in: upsun-agent changes --help"
        )
    if len(places) > LOCK_FILES_MOST:
        raise UsageError(
            f"the directories hold {len(places)} lock files, more than {LOCK_FILES_MOST}",
            remedy="compare subdirectories, or single files",
        )
    for place in places:
        paths = (os.path.join(top, place) for top in (old, new))
        before, after = (path if os.path.isfile(path) else None for path in paths)
        yield _compared(place, before, after, place)


def _lock_files(top: str) -> Iterator[str]:
    """Yield the paths of the lock files below a directory, without those of installed packages."""
    from upsun_agent.packages.formats import format_of  # noqa: PLC0415  as above

    looked_at = 0
    for directory, folders, files in os.walk(top, onerror=_refuse):
        looked_at += len(folders) + len(files)
        if looked_at > LOCK_ENTRIES_MOST:
            raise UsageError(f"{top} holds more than {LOCK_ENTRIES_MOST} files", remedy="compare single files")
        below = os.path.relpath(directory, top)
        is_deep = below != "." and below.count(os.sep) + 1 >= LOCK_DEPTH_MOST
        folders[:] = [] if is_deep else [each for each in folders if each not in SKIPPED and not each.startswith(".")]
        paths = (each if below == "." else os.path.join(below, each) for each in files)
        yield from (path for path in paths if format_of(path))


def _refuse(error: OSError) -> None:
    raise ConfigInvalid(f"{error.filename} cannot be read: {error.strerror}", remedy="check the path and its mode")


def _compared(shown: str, old: str | None, new: str | None, name: str) -> LockFileChange:
    """Return what changed from one file to the other.

    Args:
        shown: the path for messages.
        old: the path of the file before; None if there is none.
        new: the path of the file after; None if there is none.
        name: the path whose last part tells the format.
    """
    from msgspec.structs import replace  # noqa: PLC0415  as above

    from upsun_agent.packages.compare import compare, read  # noqa: PLC0415  as above
    from upsun_agent.packages.formats import format_of  # noqa: PLC0415  as above

    known = format_of(name)
    manifest = known.manifest if known else None
    files = []
    for path in (old, new):
        beside = os.path.join(os.path.dirname(path), manifest) if path and manifest else ""
        data = _data(beside) if os.path.isfile(beside) else None
        files.append(replace(read(name, _data(path), data), path=shown) if path else None)
    return compare(*files)


def _data(path: str) -> bytes:
    """Return the first bytes of a file: one more than may be read, so that a larger one is known."""
    from upsun_agent.platform.paths import without_waiting  # noqa: PLC0415  as above

    try:
        with open(path, "rb", opener=without_waiting) as file:
            return file.read(LOCK_FILE_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", remedy="check the path and its mode") from error


def _tell(context: Context, told: list[LockFileChange], compared: int) -> None:
    """Print a table for each lock file that changed, and the warnings."""
    for each in told:
        if each.changes:
            context.terminal.say(f"{each.path}: {_summary(each.changes)}")
            context.terminal.table(
                ("KIND", "PACKAGE", "BEFORE", "AFTER", "REQUIRED BY"), list(map(_row, each.changes)), (1,)
            )
        if each.warning:
            context.terminal.note(f"! {each.warning}", "odd")
    if not told:
        context.terminal.say(f"no package differs in {counted(compared, 'lock file')}")


def _summary(changes: tuple[Change, ...]) -> str:
    """Return how many packages changed in which way, such as ``5 packages: 1 major, 4 patch``."""
    kinds = Counter(str(each.kind) for each in changes)
    parts = ", ".join(f"{kinds[kind]} {kind}" for kind in ChangeKind if kinds[kind])
    return f"{counted(len(changes), 'package')}: {parts}"


def _row(change: Change) -> tuple[str, ...]:
    kind = "lower" if change.downgrade else str(change.kind)
    by = {True: "the project", False: "a package", None: "-"}[change.direct]
    return kind, change.name, change.before or "-", change.after or "-", by
