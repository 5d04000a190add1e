"""The largest replies that can be made cost a bounded amount of memory: a real socket, a process of its own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from upsun_agent.limits import BODY_MOST_BYTES, JSON_MARKS_MOST

from tests.harness.corrupted_replies import SpoiledNight
from tests.harness.sources import SOURCES

MOST = 64 * 1024 * 1024
ROOM = BODY_MOST_BYTES - 100


def filled(item: str, before: str = "[", after: str = "]") -> bytes:
    """As many items as a body may hold."""
    count = (ROOM - len(before) - len(after)) // (len(item) + 1)
    return f"{before}{','.join([item] * count)}{after}".encode()


def bomb(megabytes: int) -> bytes:
    """That many megabytes of zeros, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1024 * 1024)
    return b"".join([*(packer.compress(zeros) for _ in range(megabytes)), packer.flush()])


PLAIN, GZIP, DEFLATE, TWICE = "", "gzip", "deflate", "gzip, gzip"
BODIES: dict[str, tuple[str, bytes]] = {
    "a text as long as may be": (PLAIN, filled("", '{"id": "' + "x" * (ROOM - 20), '"}')),
    "a text of wide characters": (PLAIN, ('{"id":"' + "\U0001f600" * (ROOM // 4 - 10) + '"}').encode()),
    "a text made wide by one character": (PLAIN, ('{"id":"\U0001f600' + "x" * (ROOM - 20) + '"}').encode()),
    "as many parts as may be, the rest text": (
        PLAIN,
        b'[{"a":"\xf0\x9f\x98\x80"},'
        + b'{"a":0},' * (JSON_MARKS_MOST // 2 - 5)
        + b'"'
        + b"x" * (ROOM - JSON_MARKS_MOST * 5)
        + b'"]',
    ),
    "longer than may be": (PLAIN, b'{"id":"' + b"x" * (BODY_MOST_BYTES * 8) + b'"}'),
    "deep lists": (PLAIN, b"[" * (ROOM // 2) + b"]" * (ROOM // 2)),
    "deep objects": (PLAIN, b'{"a":' * (ROOM // 6) + b"1" + b"}" * (ROOM // 6)),
    "a million empty objects": (PLAIN, filled("{}")),
    "many small objects": (PLAIN, filled('{"a":0}')),
    "many small lists": (PLAIN, filled("[0]")),
    "many numbers": (PLAIN, filled("999")),
    "many floats": (PLAIN, filled("0.5")),
    "many texts": (PLAIN, filled('"ab"')),
    "one object of many keys": (PLAIN, ("{" + ",".join(f'"{n}":{n}' for n in range(ROOM // 16)) + "}").encode()),
    "a huge number": (PLAIN, b"9" * ROOM),
    "200 MB of zeros, packed": (GZIP, bomb(200)),
    "packed twice": (TWICE, gzip.compress(bomb(20), 9)),
    "packed another way": (DEFLATE, zlib.compress(bytes(20 * 1024 * 1024), 9)),
    "said to be packed": (GZIP, b"{}"),
    "packed and cut short": (GZIP, gzip.compress(b"{}" * 5000)[:-9]),
}
#: Those also come with an error status: its words are read too.
ERRORS = ("many small objects", "deep lists", "200 MB of zeros, packed")


class Handler(BaseHTTPRequestHandler):
    """Good answers for the start, then the body that the path names."""

    protocol_version = "HTTP/1.1"
    good: dict[str, str]

    def answer(self, body: bytes, encoding: str = PLAIN, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.good["token"].encode())

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name.lstrip("-").isdigit():
            encoding, body = list(BODIES.values())[abs(int(name)) - 1]
            self.answer(body, encoding, 200 if int(name) > 0 else 400)
        elif name == "good":
            self.answer(gzip.compress(self.good["activity"].encode()), GZIP)
        else:
            self.answer(self.good["environment"].encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Listener(ThreadingHTTPServer):
    """Serves each connection in a thread; clients that leave in the middle are what this is about."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        assert isinstance(sys.exception(), OSError)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    night = SpoiledNight(0, (), "")
    night.check()
    replies = dict(reversed(night.spoiler.replies))
    environment, activity = "GET /projects/*/environments/*", "GET /projects/*/activities/*"
    Handler.good = {
        "token": replies["POST /oauth2/token"],
        "environment": replies[environment],
        "activity": json.dumps(json.loads(replies[activity]) | {"id": "good"}),
    }
    listener = Listener(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()
    thread.join()


@pytest.fixture(scope="module")
def reader(server: str) -> Iterator[subprocess.Popen[str]]:
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.harness.reply_reader", server, str(MOST)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def ask(reader: subprocess.Popen[str], name: str) -> tuple[str, float]:
    """What came of the reply, and how many megabytes it took."""
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(f"{name}\n")
    reader.stdin.flush()
    said, memory = json.loads(reader.stdout.readline())
    return said, round(memory / 1024 / 1024, 1)


def test_no_reply_takes_more_than_64_mb_beyond_what_the_start_takes(reader: subprocess.Popen[str]) -> None:
    found = {}
    for number, name in enumerate(BODIES, start=1):
        for sign in (1, -1) if name in ERRORS else (1,):
            said, memory = ask(reader, str(number * sign))
            assert said.startswith(("BadReply", "TooLarge", "Unreachable")), f"{name}: {said}"
            found[f"{name}{'' if sign > 0 else ', as an error'}"] = memory
    print(json.dumps(found, indent=1))
    assert all(memory < MOST / 1024 / 1024 for memory in found.values()), found
    assert found["as many parts as may be, the rest text"] > 10, "the measure itself works"


def test_a_packed_reply_that_is_good_is_read(reader: subprocess.Popen[str]) -> None:
    assert ask(reader, "good")[0] == "read"
