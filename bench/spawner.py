"""Starts processes and says what each cost. Run as a program with ``-I -S``, so that it stays small.

A child's peak memory can never read lower than that of the process which started it, so the benchmark itself, which
holds a simulator, must not be that process. Orders come in on standard input and results go out, as ``marshal``.
"""

import marshal
import os
import sys
import time

Cost = tuple[int, float, float, int]


def cost(command: list[str], variables: dict[str, str], directory: str, log: str) -> Cost:
    """Run one command: its exit code, seconds of wall, seconds of CPU with its children's, peak KiB of one process."""
    os.chdir(directory)
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, variables, file_actions=files)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    return os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    """Carry out orders until there are none."""
    while True:
        try:
            order = marshal.load(sys.stdin.buffer)  # noqa: S302  from the process that started this one  # nosec B302
        except EOFError:
            return
        marshal.dump(cost(*order), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
