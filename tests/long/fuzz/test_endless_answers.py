"""Answers without end in some part of them, or odd in many: bounded in memory and CPU, by a process of its own.

The seeded fuzz is small here; with ``UPSUN_SOAK=1`` it is longer.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from tests.harness.api_client import Misbehaving, answer
from tests.harness.sources import SOURCES

SOAK = os.environ.get("UPSUN_SOAK") == "1"
MEMORY_MOST = 40 * 1024 * 1024
CPU_MOST = 8.0  # seconds; without bounds it is all of the time that the request has
PATIENCE = "20"
OK = b"HTTP/1.1 200 OK\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
PACKED = gzip.compress(b"{}")
BLOCK = 64 * 1024


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def deflated() -> bytes:
    """Return the beginning of a gzip member whose blocks have no end and no content."""
    return gzip.compress(b"")[:10]


EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # stored, of no bytes, and not the last one
MUCH = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB = MUCH.compress(bytes(64 * 1024 * 1024)) + MUCH.flush()

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "bytes after a gzip member": (GZIP + b"\r\n" + PACKED, b"x" * BLOCK),
    "zeros after a gzip member": (GZIP + b"\r\n" + PACKED, bytes(BLOCK)),
    "bytes after a gzip member, in chunks": (GZIP + CHUNKED[len(OK) :] + b"\r\n" + chunk(PACKED), chunk(b"x" * BLOCK)),
    "bytes after a gzip member, below a false length": (
        GZIP + b"Content-Length: 999999999999\r\n\r\n" + PACKED,
        b"x" * BLOCK,
    ),
    "empty gzip members": (GZIP + b"\r\n", gzip.compress(b"") * 3000),
    "gzip members of a byte": (GZIP + b"\r\n", gzip.compress(b" ") * 3000),
    "gzip members that hold much": (GZIP + b"\r\n", BOMB),
    "empty blocks in a gzip member": (GZIP + b"\r\n" + deflated(), EMPTY_BLOCK * 13_000),
    "a name in a gzip header": (GZIP + b"\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", b"n" * BLOCK),
    "gzip under another name": (OK + b"Content-Encoding: X-GZIP\r\n\r\n" + PACKED, b"x" * BLOCK),
    "deflate": (OK + b"Content-Encoding: deflate\r\n\r\n", zlib.compress(bytes(BLOCK))),
    "br": (OK + b"Content-Encoding: br\r\n\r\n", b"x" * BLOCK),
    "zstd": (OK + b"Content-Encoding: zstd\r\n\r\n", b"\x28\xb5\x2f\xfd" + b"x" * BLOCK),
    "gzip in gzip": (OK + b"Content-Encoding: gzip, gzip\r\n\r\n", PACKED * 1000),
    "a body without a length": (OK + b"\r\n", b"x" * BLOCK),
    "chunks of a byte": (CHUNKED + b"\r\n", b"1\r\na\r\n" * 10_000),
    "an extension of a chunk": (CHUNKED + b"\r\n1;", b"x" * BLOCK),
    "extensions of chunks": (CHUNKED + b"\r\n", (b"1;" + b"x" * 60_000 + b"\r\na\r\n") * 2),
    "a size of a chunk": (CHUNKED + b"\r\n", b"0" * BLOCK),
    "a trailer": (CHUNKED + b"\r\n1\r\na\r\n0\r\n", b"X-A: b\r\n" * 8_000),
    "one line of a trailer": (CHUNKED + b"\r\n1\r\na\r\n0\r\nX-A: ", b"b" * BLOCK),
    "headers": (OK, b"X-A: b\r\n" * 8_000),
    "one header": (OK + b"X-A: ", b"b" * BLOCK),
    "lines that go on": (OK + b"X-A: b\r\n", b" c\r\n" * 16_000),
    "a status line": (b"HTTP/1.1 200 ", b"O" * BLOCK),
    "informational answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
}


def endless(before: bytes, again: bytes) -> Any:
    """Return what a server does that sends the beginning, then the rest for as long as somebody takes it."""

    def behave(connection: Any, server: Misbehaving) -> None:
        if b"/good" in server.heard[-1].partition(b"\r\n")[0]:
            connection.sendall(answer())
            return
        for data in chain([before], repeat(again)):
            connection.sendall(data)

    return behave


@contextlib.contextmanager
def served(before: bytes, again: bytes) -> Iterator[str]:
    """Serve an answer without end."""
    server = Misbehaving(endless(before, again))
    try:
        yield server.url
    finally:
        server.close()


def read(url: str, way: str) -> tuple[str, int, float]:
    """Return what came of the answer, the bytes of memory and the seconds of CPU that it took."""
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.answer_reader", url, way, PATIENCE],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, memory, seconds = json.loads(done.stdout)
    return said, memory, seconds


WAYS = ("send", "some", "status", "thread")
EVERY = [(name, way) for name in ENDLESS for way in (WAYS if SOAK else ("send",))]
SAMPLED = [("bytes after a gzip member", way) for way in WAYS[1:]] + [
    ("informational answers", "thread"),
    ("100 Continue", "some"),
    ("chunks of a byte", "some"),
    ("an extension of a chunk", "status"),
]


@pytest.mark.parametrize(("name", "way"), dict.fromkeys([*EVERY, *SAMPLED]))
def test_an_answer_without_end_costs_bounded_memory_and_cpu(name: str, way: str) -> None:
    with served(*ENDLESS[name]) as url:
        said, memory, seconds = read(url, way)
    assert memory < MEMORY_MOST, (said, memory)
    assert seconds < CPU_MOST, (said, seconds)
    assert "no complete answer within" not in said, "it ends because of what came, before its time is over"


def test_bytes_after_a_gzip_member_leave_the_answer_whole() -> None:
    with served(GZIP + b"\r\n" + PACKED, b"x" * BLOCK) as url:
        assert read(url, "send")[0] == "200, 2 bytes, whole"


PARTS = (
    OK,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 2\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"X: \xff\r\n",
    b"\r\n",
    b"{}",
    PACKED,
    PACKED[:-4],
    chunk(b"{}"),
    chunk(PACKED),
    b"0\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffffff\r\n",
    b"\x1f\x8b",
    b"\x1f",
    bytes(1000),
    BOMB,
    b"x" * BLOCK,
)


def odd(dice: random.Random) -> bytes:
    """Return an answer of parts that belong into one, in some order, with some bytes changed."""
    usual = OK + dice.choice((b"", b"Content-Encoding: gzip\r\n")) + dice.choice((b"", CHUNKED[len(OK) :])) + b"\r\n"
    made = bytearray(dice.choice((b"", usual, usual)))
    for part in dice.choices(PARTS, k=dice.randint(0, 12)):
        made += part * dice.choice((1, 1, 1, 2, 50 if len(part) < 100 else 1))
    for _ in range(dice.choice((0, 0, 1, 5))):
        if made:
            made[dice.randrange(len(made))] = dice.randrange(256)
    return bytes(made)


def test_odd_answers_of_a_seeded_fuzz_are_read_or_refused_within_bounds() -> None:
    dice = random.Random(14)
    answers = [odd(dice) for _ in range(4000 if SOAK else 150)]

    def behave(connection: Any, server: Misbehaving) -> None:
        path = server.heard[-1].split()[1].rpartition(b"/")[2]
        connection.sendall(answers[int(path)] if path.isdigit() else answer())
        connection.close()

    server = Misbehaving(behave)
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.harness.answer_reader", server.url, f"each:{len(answers)}", PATIENCE],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stderr[-2000:]
    said, memory, seconds = json.loads(done.stdout)
    assert memory < MEMORY_MOST, memory
    assert seconds < CPU_MOST * (20 if SOAK else 1)
    kinds = {each.partition(":")[0].partition(",")[0] for each in said}
    assert {"200", "NoAnswer", "TooLong"} <= kinds, "the fuzz meets good and bad answers"
