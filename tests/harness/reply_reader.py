"""A process of its own that reads replies and reports its memory: run as ``python reply_reader.py URL``.

Each line on stdin is an activity to read; each line on stdout says what came of it and how much memory that took.
"""

from __future__ import annotations

import json
import os
import resource
import sys

from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport
from upsun_agent.clock import SystemClock
from upsun_agent.errors import AgentError

from tests.harness.measured import most_memory


def read(client: Client, name: str, limit: int) -> None:
    """Read the reply with no more than ``limit`` bytes of memory beyond what is in use, and report."""
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + limit, size + limit))
    begun = most_memory()
    try:
        client.activity("p", name)
        said = "read"
    except AgentError as error:
        said = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps([said, most_memory() - begun]), flush=True)


def main() -> None:
    url, limit = sys.argv[1], int(sys.argv[2])
    client = Client(Transport("reader"), Endpoints(url, url), "canary-api-token", clock=SystemClock())
    client.environment("p", "main")  # what every start costs: modules, context, connection
    client.close()
    for line in sys.stdin:
        child = os.fork()  # each reply is read by a process that has read no other
        if child == 0:
            read(client, line.strip(), limit)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(json.dumps(["died", 0]), flush=True)


if __name__ == "__main__":
    main()
