"""A process of its own that asks for one answer and reports what it took: ``python answer_reader.py URL WAY``.

Its memory and CPU time are limited by the system. WAY is the method of the transport: ``send``, ``some`` or
``status``; ``thread`` sends outside the main thread, where no alarm rings; ``each:NUMBER`` sends once to each of
that many paths.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from upsun_agent.api.http import NoAnswer, Reply, Transport

from tests.harness.measured import limit, most_memory

CPU_MOST = 30  # seconds, after which the system kills the process


def ask(url: str, way: str, seconds: float) -> Reply:
    """Ask once, by one of the transport's methods."""
    transport = Transport("reader")
    if way == "some":
        return transport.some(url, headers={}, deadline=seconds)
    if way == "status":
        return transport.status("GET", url, headers={}, content=None, deadline=seconds)
    return transport.send("GET", url, headers={}, content=None, deadline=seconds, shorten=128 * 1024)


def told(url: str, way: str, seconds: float) -> str:
    """Ask, and return what came of it in a line."""
    try:
        reply = ask(url, way, seconds)
    except NoAnswer as error:
        return f"{type(error).__name__}: {error}"
    return f"{reply.status}, {len(reply.body)} bytes, {'whole' if reply.whole else 'not whole'}"


def main() -> None:
    """Read the good answer first, so that only the odd one is measured."""
    url, way, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    limit(CPU_MOST)
    ask(f"{url}/good", "send", 10)
    before, began = most_memory(), time.process_time()
    said: list[str] = []
    if way.startswith("each:"):
        said = [told(f"{url}/{number}", "send", seconds) for number in range(int(way[5:]))]
        print(json.dumps([said, most_memory() - before, time.process_time() - began]))
        return
    if way == "thread":
        thread = threading.Thread(target=lambda: said.append(told(url, "send", seconds)))
        thread.start()
        thread.join()
    else:
        said.append(told(url, way, seconds))
    print(json.dumps([said[0], most_memory() - before, time.process_time() - began]))


if __name__ == "__main__":
    main()
