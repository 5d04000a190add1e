"""What a body is made of: the worst ones, and many of them, cost the simulator bounded memory and no trace."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import Simulator, body, guard, request_log, serve

from tests.harness.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60
MEMORY_MOST = 160 * 1024 * 1024  # bytes of objects; 334 million where the request log keeps all
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

#: Serves until its input ends, then says how many bytes all objects ever took at once. The size of the process says
#: less: how much freed memory the C library keeps depends on the machine's processors and pages (130 or 550 MB).
SPEAKER = """
import sys, tracemalloc
from upsun_simulator import Simulator, serve
tracemalloc.start()
with serve(Simulator()) as server:
    print(server.port, flush=True)
    sys.stdin.read()
    print(tracemalloc.get_traced_memory()[1])
"""


def nested(depth: int, opened: bytes = b"[", closed: bytes = b"]", core: bytes = b"") -> bytes:
    """Return lists or objects in each other."""
    return opened * depth + core + closed * depth


def filled(item: bytes, most: int = guard.BODY_MOST_BYTES) -> bytes:
    """Return a list of as many items as a body may hold."""
    return b"[" + b",".join([item] * ((most - 2) // (len(item) + 1))) + b"]"


#: Kind, body, status.
BODIES: dict[str, tuple[str, bytes, int]] = {
    "lists without end": (JSON, b"[" * 500_000, 413),
    "lists without end, fewer": (JSON, b"[" * 90_000, 400),
    "lists": (JSON, nested(900), 400),
    "lists, few, but more than anybody sends": (JSON, nested(body.DEPTH_MOST + 2), 400),
    "objects": (JSON, nested(300, b'{"a":', b"}", b"1"), 400),
    "objects and lists": (JSON, nested(300, b'[{"a":', b"}]", b"1"), 400),
    "objects, many": (JSON, filled(b"{}"), 413),
    "numbers": (JSON, filled(b"0.5"), 413),
    "keys": (JSON, b"{" + b",".join(b'"%d":0' % n for n in range(100_001)) + b"}", 413),
    "fields of a form": (FORM, b"a=1&" * 250_000, 413),
    "fields of a form, without values": (FORM, b"&".join([b"a"] * 2000), 413),
}


def post(port: int, path: str, data: bytes, **headers: str) -> tuple[int, Any]:
    """Send a body, and return the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/oauth2/token", "/projects/x/environments/main/backup", "/nothing"])
def test_a_body_of_too_many_parts_is_refused_without_a_trace(
    name: str, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kind, data, status = BODIES[name]
    with serve(Simulator()) as server:
        assert post(server.port, path, data, **{"Content-Type": kind})[0] == status
        assert not server.simulator.requests
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [name for name, (kind, _, _) in BODIES.items() if kind == JSON])
def test_a_control_request_of_too_many_parts_is_refused_without_a_trace(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _, data, status = BODIES[name]
    with serve(Simulator()) as server:
        headers = {"Content-Type": JSON, "Simulator-Secret": server.simulator.control_secret}
        assert post(server.port, "/_simulator/scenario", data, **headers)[0] == status
    assert capfd.readouterr().err == ""


def test_a_body_that_nests_as_deep_as_may_be_is_taken() -> None:
    with serve(Simulator()) as server:
        assert post(server.port, "/nothing", nested(body.DEPTH_MOST), **{"Content-Type": JSON})[0] == 404
        assert len(server.simulator.requests) == 1
        assert json.dumps(server.simulator.request_log())


def worst() -> Iterator[tuple[str, bytes]]:
    """Yield the largest bodies that are taken, again and again."""
    objects = filled(b"{}", most=body.MARKS_MOST * 3 // 2)
    assert body.marks(objects.decode()) <= body.MARKS_MOST
    wide = json.dumps("\U0001f600" * 200_000, ensure_ascii=False).encode()
    for _ in range(60):
        yield JSON, objects
        yield JSON, wide
        yield JSON, b'"' + b"x" * 1_000_000 + b'"'


def test_many_requests_of_somebody_without_a_token_cost_bounded_memory() -> None:
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    command = [sys.executable, "-c", SPEAKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for kind, data in worst():
            assert post(port, "/nothing", data, **{"Content-Type": kind})[0] == 404
        process.stdin.close()
        assert int(process.stdout.readline()) < MEMORY_MOST


def test_the_books_keep_the_newest_requests_under_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "KEPT_MOST_BYTES", 10 * request_log.REQUEST_BYTES)
    simulator = Simulator()
    with serve(simulator) as server:
        for number in range(1, 40):
            post(server.port, f"/nothing/{number}", b"{}")
            numbers = [each.number for each in simulator.requests]
            assert numbers == list(range(numbers[0], number + 1))
            assert [each.path for each in simulator.requests] == [f"/nothing/{each}" for each in numbers]
            assert 1 <= len(numbers) <= 10
        post(server.port, "/nothing/large", b'"' + b"x" * 100_000 + b'"')
        assert [each.number for each in simulator.requests] == [40], "one is kept, however large"
        assert [each["number"] for each in simulator.request_log()["requests"]] == [40]
        assert "weight" not in simulator.request_log()["requests"][0]
