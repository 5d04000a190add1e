"""Append log lines to a file on a mount, and rotate it; failures never fail a tick.

Two processes may append at the same time: each line is one write. Only one of them rotates: it locks the file and
checks that the name still refers to it. A process that is killed between two renames leaves a gap in the numbers, but
loses nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time

from upsun_agent.limits import LOG_FILE_MOST_BYTES, LOG_FILES_KEPT, LOG_LINE_MOST, TEXT_MOST
from upsun_agent.platform.paths import open_ours

READABLE = 0o044  # by others: who wants that says so with chmod, and it stays

#: Seconds after which a line that another process is writing is whole.
WRITTEN_WITHIN = 0.05
KEYS_MOST = 20  # of a line that is too long: more than any has


class LogFile:
    """A log file and the older ones beside it: ``agent.log``, ``agent.log.1`` (the newest of them), and so on.

    Args:
        path: the file; its directory must exist.
        most: the size in bytes from which the file is rotated.
        keep: the number of old files to keep.
    """

    def __init__(self, path: str, *, most: int = LOG_FILE_MOST_BYTES, keep: int = LOG_FILES_KEPT) -> None:
        self.path = path
        self._most = most
        self._keep = keep
        self._file = -1

    def append(self, line: str) -> None:
        """Add a line. A line that cannot be written is dropped: a full disk must not stop the tick."""
        data = _bounded(line).encode("utf-8", "replace") + b"\n"
        with contextlib.suppress(OSError):
            self._open()
            if os.fstat(self._file).st_size + len(data) > self._most:
                self._rotate()
            os.write(self._file, data)

    def _open(self) -> None:
        """Have the file open that the name means now; a half line that a full disk left is ended first."""
        if self._file >= 0 and self._is_current():
            return
        self.close()
        self._file = open_ours(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, others=READABLE)
        half = self._half_line()
        if half:
            time.sleep(WRITTEN_WITHIN)
            if self._half_line() == half:  # else another process was writing it
                os.write(self._file, b"\n")

    def _half_line(self) -> int:
        """Return the size of the file if it does not end with a whole line, else 0."""
        size = os.fstat(self._file).st_size
        return size if size and os.pread(self._file, 1, size - 1) != b"\n" else 0

    def _is_current(self) -> bool:
        try:
            named, ours = os.stat(self.path, follow_symlinks=False), os.fstat(self._file)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _rotate(self) -> None:
        """Rename the files by one and begin a new one, unless another process does."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # it is being renamed: this line goes to its end
        except OSError:
            pass  # no locks here: what is left is the look at the name
        if self._is_current() and os.fstat(self._file).st_size:
            for number in range(self._keep, 0, -1):
                older = f"{self.path}.{number - 1}" if number > 1 else self.path
                with contextlib.suppress(FileNotFoundError):
                    os.rename(older, f"{self.path}.{number}")
        self._open()

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            file, self._file = self._file, -1
            with contextlib.suppress(OSError):
                os.close(file)


def _bounded(line: str) -> str:
    """Return the line, or where it is too long what is known of it in short: a reader meets JSON on every line."""
    if len(line.encode("utf-8", "replace")) <= LOG_LINE_MOST:
        return line
    try:
        data = {key: str(value)[:TEXT_MOST] for key, value in list(json.loads(line).items())[:KEYS_MOST]}
    except (ValueError, AttributeError):
        data = {"event": "log-line-cut"}
    return json.dumps({**data, "cut": True}, ensure_ascii=False)
