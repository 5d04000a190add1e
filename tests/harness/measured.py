"""How much a process that reads odd input has taken, and the bounds that the system sets it."""

from __future__ import annotations

import resource

MEMORY_MOST = 400 * 1024 * 1024  # bytes of address space, of which the interpreter and its libraries take some 150 MB


def most_memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(each for each in file if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def limit(seconds: int) -> None:
    """Bound this process: ``MEMORY_MOST`` of memory, and so many seconds of CPU time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MOST, MEMORY_MOST))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
