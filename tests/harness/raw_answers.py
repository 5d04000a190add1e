"""A server that answers each path with exactly these bytes, as receivers and sites do that nobody foresaw."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(b'{"ok": true}')
MEMBERS = gzip.compress(b'{"ok":') + gzip.compress(b" true}")


def sized(head: bytes, body: bytes = b"ok") -> bytes:
    return OK + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


GZIP = b"Content-Encoding: gzip\r\n"
#: Answers that say with their status that the message arrived, whatever follows it.
TAKEN: dict[str, bytes] = {
    "plain": sized(b""),
    "gzip, empty": OK + GZIP + b"Content-Length: 0\r\n\r\n",
    "gzip, 204": b"HTTP/1.1 204 No Content\r\n" + GZIP + b"\r\n",
    "gzip": sized(GZIP, PACKED),
    "gzip of two members": sized(GZIP, MEMBERS),
    "gzip with bytes behind it": sized(GZIP, PACKED + b"\0\0\0\0"),
    "gzip, cut": sized(GZIP, PACKED[:-6]),
    "gzip that is none": sized(GZIP),
    "x-gzip": sized(b"Content-Encoding: x-gzip\r\n", PACKED),
    "coding utf-8": sized(b"Content-Encoding: utf-8\r\n"),
    "coding none": sized(b"Content-Encoding: none\r\n"),
    "brotli": sized(b"Content-Encoding: br\r\n"),
    "zstd": sized(b"Content-Encoding: zstd\r\n"),
    "shorter than said": OK + b"Content-Length: 100\r\n\r\nok",
    "nothing of what was said": OK + b"Content-Length: 100\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + sized(b""),
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b""),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nok",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a header in Latin-1": sized(b"X-A: caf\xe9\r\n"),
    "a header in UTF-8": sized(b"X-A: caf\xc3\xa9\r\n"),
    "a long header": sized(b"X-A: " + b"a" * 70_000 + b"\r\n"),
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked, cut": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "chunked, broken": OK + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
    "accepted": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    "huge": OK + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000,
    "endless": OK + b"Content-Type: text/event-stream\r\n\r\n",
}
#: Answers that do not, and whether they are for good.
NOT_TAKEN: dict[str, tuple[bytes, bool]] = {
    "429": (b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", False),
    "410": (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", False),
    "404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", False),
    "400, gzip that is none": (b"HTTP/1.1 400 Bad Request\r\n" + GZIP + b"Content-Length: 2\r\n\r\nok", True),
    "503, gzip that is none": (b"HTTP/1.1 503 Down\r\n" + GZIP + b"Content-Length: 2\r\n\r\nok", False),
    "308": (b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n", False),
    "a header with a space in its name": (sized(b"X A: b\r\n"), False),
    "a head that is cut": (b"HTTP/1.1 200 OK\r\nContent-Le", False),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", False),
    "nothing": (b"", False),
}


@dataclass
class Speaker:
    """Where it listens, what it says at which path, and where it was asked."""

    url: str
    answers: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


def _serve(speaker: Speaker, client: socket.socket) -> None:
    with client, suppress(OSError):
        client.settimeout(20)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += client.recv(65536)
        path = head.split(b" ")[1].decode()
        speaker.asked.append(path)
        client.sendall(speaker.answers[path])
        while path == "/endless" and not speaker.closing.wait(0.1):
            client.sendall(b": hi\n\n")


@contextmanager
def speaker(answers: dict[str, bytes]) -> Iterator[Speaker]:
    """The server, for paths such as ``/a-name`` for the name ``a name``."""
    listening = socket.create_server(("127.0.0.1", 0))
    found = Speaker(
        f"http://127.0.0.1:{listening.getsockname()[1]}", {path_of(name): each for name, each in answers.items()}
    )

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=_serve, args=(found, client), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.closing.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def path_of(name: str) -> str:
    return "/" + "".join(char if char.isalnum() else "-" for char in name)
