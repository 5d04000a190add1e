"""Database servers that mean harm or are broken: raw sockets that speak enough of each protocol to be let talk."""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Stream = Iterator[bytes]
#: Given the connection, says what it likes.
Talk = Callable[[socket.socket], None]
PASSWORD = "canary-database-password-1"
SSL_REQUEST = 80877103


class Hostile:
    """A server of 127.0.0.1 that talks to each client that way. ``heard``: all that clients sent."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.heard = bytearray()
        self.met = 0
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.met += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        listened = Listened(client, self)
        try:
            with suppress(OSError, struct.error, Gone):
                self._talk(listened)  # type: ignore[arg-type]
        finally:
            listened.close()

    def close(self) -> None:
        """Take no more clients."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class Gone(Exception):
    """The client closed the connection."""


class Listened:
    """A client's socket; what comes over it is kept."""

    def __init__(self, client: socket.socket, server: Hostile) -> None:
        self._client = client
        self._server = server

    def recv(self, most: int) -> bytes:
        """Receive something; raises Gone at the end."""
        data = self._client.recv(most)
        if not data:
            raise Gone
        self._server.heard += data
        return data

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS."""
        self._client = context.wrap_socket(self._client, server_side=True)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._client.sendall(data)
        self._server.sent += len(data)


@contextmanager
def hostile(talk: Talk) -> Iterator[Hostile]:
    """A server of that kind for as long as the block lasts."""
    server = Hostile(talk)
    try:
        yield server
    finally:
        server.close()


def pour(client: socket.socket, pieces: Stream) -> None:
    """Send pieces as long as the client takes them, many at once."""
    some = bytearray()
    for piece in pieces:
        some += piece
        if len(some) > 65536:
            client.sendall(some)
            some.clear()
    client.sendall(some)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message of PostgreSQL's."""
    return kind + struct.pack("!I", len(body) + 4) + body


def setting(name: bytes, value: bytes) -> bytes:
    """A ParameterStatus."""
    return message(b"S", name + b"\0" + value + b"\0")


NOTICE = message(b"N", b"SWARNING\0C01000\0Mnothing\0\0")
COMPLETE = message(b"C", b"UPDATE 1\0")
READY = message(b"Z", b"I")
#: One column of text, and a row of it.
COLUMN = message(b"T", struct.pack("!H", 1) + b"x\0" + struct.pack("!IHIhIH", 0, 0, 25, -1, 0xFFFFFFFF, 0))
ROW = message(b"D", struct.pack("!Hi", 1, -1))


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += client.recv(count - len(data))
    return data


def started(client: Any, tls: ssl.SSLContext | None = None) -> None:
    """Hear the client's start, with TLS where there is a context for it, else without."""
    while True:
        (length,) = struct.unpack("!I", _exactly(client, 4))
        if int.from_bytes(_exactly(client, length - 4)[:4], "big") != SSL_REQUEST:
            return
        client.sendall(b"S" if tls else b"N")
        if tls:
            client.secure(tls)


def end_stubbing(client: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Ask for the password by md5 and take any."""
    started(client, tls)
    client.sendall(message(b"R", struct.pack("!I", 5) + b"salt"))
    kind = _exactly(client, 1)
    assert kind == b"p"
    (length,) = struct.unpack("!I", _exactly(client, 4))
    _exactly(client, length - 4)
    client.sendall(message(b"R", struct.pack("!I", 0)))


GREETING = setting(b"server_encoding", b"UTF8") + setting(b"client_encoding", b"UTF8")
GREETING += message(b"K", struct.pack("!II", 1, 2)) + READY


def greets(pieces: Callable[[], Stream]) -> Talk:
    """Let the client in, then send that instead of the rest of the greeting."""

    def talk(client: socket.socket) -> None:
        end_stubbing(client)
        pour(client, pieces())

    return talk


def answers(pieces: Callable[[], Stream], tls: ssl.SSLContext | None = None) -> Talk:
    """Answer the first statement with that."""

    def talk(client: socket.socket) -> None:
        end_stubbing(client, tls)
        client.sendall(GREETING)
        client.recv(65536)
        pour(client, pieces())

    return talk


PARSED = message(b"1") + message(b"2")


def endless(piece: bytes, first: bytes = PARSED) -> Callable[[], Stream]:
    """The same for ever."""
    return lambda: itertools.chain([first], itertools.repeat(piece))


def settings() -> Stream:
    """Settings without end, each another."""
    return (setting(b"n%d" % number, b"v") for number in itertools.count())


def one_long(kind: bytes) -> Callable[[], Stream]:
    """One message that says it is a gigabyte, of zeros or of fields."""
    field = b"Mx\0" * 20_000
    return lambda: itertools.chain([kind + struct.pack("!I", 2**30 - 1)], itertools.repeat(field))


def clear_postgres(tls: ssl.SSLContext | None = None) -> Talk:
    """Ask for the password itself."""

    def talk(client: socket.socket) -> None:
        started(client, tls)
        client.sendall(message(b"R", struct.pack("!I", 3)))
        client.recv(65536)

    return talk


def asks_for_nothing(client: socket.socket) -> None:
    """Let everybody in."""
    started(client)
    client.sendall(message(b"R", struct.pack("!I", 0)) + GREETING)
    client.recv(65536)


def nonsense(data: bytes) -> Talk:
    """Say that to whatever is said, and end."""

    def talk(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(data)

    return talk


POSTGRES: dict[str, Talk] = {
    "settings without end in the greeting": greets(settings),
    "notices without end in the greeting": greets(endless(NOTICE, b"")),
    "keys without end in the greeting": greets(endless(message(b"K", struct.pack("!II", 1, 2)), b"")),
    "a greeting of a gigabyte": greets(one_long(b"E")),
    "rows without end": answers(endless(ROW, PARSED + COLUMN)),
    "wide rows without end": answers(endless(message(b"D", struct.pack("!H", 1600) + b"\xff" * 6400), PARSED + COLUMN)),
    "ends of commands without end": answers(endless(COMPLETE)),
    "empty answers without end": answers(endless(message(b"I"))),
    "portals without end": answers(endless(message(b"s"))),
    "notices without end": answers(endless(NOTICE)),
    "settings without end": answers(settings),
    "a notification without end": answers(endless(message(b"A", struct.pack("!I", 1) + b"a\0b\0"))),
    "errors without end": answers(endless(message(b"E", b"SERROR\0C42P01\0Mx\0\0"))),
    "an error of a gigabyte": answers(one_long(b"E")),
    "a row of a gigabyte": answers(one_long(b"D")),
    "a copy without end": answers(endless(message(b"d", b"x" * 100), message(b"H", b"\0\0\0"))),
    "a web server": nonsense(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "zeros": nonsense(bytes(4096)),
    "an end": nonsense(b""),
    "an authentication that nobody knows": greets(endless(message(b"R", struct.pack("!I", 99)), b"")),
    "rows of another width": answers(endless(ROW + COMPLETE + READY, PARSED + message(b"T", b"\0\0"))),
}


# --- MariaDB ---------------------------------------------------------------------------------------------------------

CAPABILITIES = 0x00081 | 0x200 | 0x2000 | 0x8000 | 0x80000 | 0x20000 | 0x10000 | 0x8 | 0x200000
OK = b"\0\0\0\2\0\0\0"
MORE_RESULTS = b"\0\0\0\x0a\0\0\0"


def packet(number: int, body: bytes) -> bytes:
    """A packet of MariaDB's."""
    return struct.pack("<I", len(body))[:3] + bytes([number % 256]) + body


def greeting(plugin: bytes = b"mysql_native_password", version: bytes = b"5.5.5-10.11.6-MariaDB") -> bytes:
    """A server's first packet."""
    low, high = struct.pack("<H", CAPABILITIES & 0xFFFF), struct.pack("<H", CAPABILITIES >> 16)
    parts = [b"\x0a", version, b"\0", struct.pack("<I", 1), b"saltsalt\0", low, b"\x2d\2\0", high]
    return packet(0, b"".join([*parts, b"\x15", bytes(10), b"saltsaltsalt\0", plugin, b"\0"]))


def asks(number: int, *bodies: bytes) -> Talk:
    """Greet, then answer the client's login with these packets."""

    def talk(client: socket.socket) -> None:
        client.sendall(greeting())
        client.recv(65536)
        for place, body in enumerate(bodies):
            client.sendall(packet(number + 2 * place, body))
            client.recv(65536)

    return talk


def replies(pieces: Callable[[], Stream], after: int = 3) -> Talk:
    """Let the client in, answer so many of its commands well, and the next with that."""

    def talk(client: socket.socket) -> None:
        client.sendall(greeting())
        client.recv(65536)
        client.sendall(packet(2, OK))
        for _ in range(after):
            client.recv(65536)
            client.sendall(packet(1, OK))
        client.recv(65536)
        pour(client, pieces())

    return talk


def numbered(bodies: Stream) -> Stream:
    """The bodies as packets that follow each other."""
    return (packet(number, body) for number, body in enumerate(bodies, 1))


DEFINITION = b"\3def\0\0\0\1x\1x\x0c\x2d\0\x10\0\0\0\xfd\0\0\0\0\0"
EOF = b"\xfe\0\0\2\0"


def rows(row: bytes) -> Callable[[], Stream]:
    """A result of one column whose rows do not end."""
    return lambda: numbered(itertools.chain([b"\1", DEFINITION, EOF], itertools.repeat(row)))


def large(first: bytes = b"") -> Stream:
    """Packets of the greatest size, which are one, without end."""
    zeros = bytes(2**20)
    for number in itertools.count():
        yield b"\xff\xff\xff" + bytes([number % 256]) + first
        yield from itertools.repeat(zeros, 15)
        yield bytes(2**20 - 1 - len(first))
        first = b""


def says(pieces: Callable[[], Stream]) -> Talk:
    """Say that at once."""
    return lambda client: pour(client, pieces())


MARIADB: dict[str, Talk] = {
    "a greeting without end": says(lambda: large(b"\x0a")),
    "a version without end": says(lambda: iter([packet(0, b"\x0a" + b"1" * 5000 + b".0\0" + bytes(60))])),
    "a greeting of one byte": says(lambda: iter([packet(0, b"\x0a")])),
    "an empty greeting": says(lambda: iter([packet(0, b"")])),
    "a greeting cut short": says(lambda: iter([packet(0, greeting()[4:24])])),
    "a greeting of another protocol": says(lambda: iter([packet(0, b"\x09" + b"3.23\0" + bytes(20))])),
    "a greeting that is no text": says(lambda: iter([greeting(plugin=b"\xff\xfe\xfd")])),
    "a web server": says(lambda: iter([b"HTTP/1.1 400 Bad Request\r\n\r\n"])),
    "zeros": says(lambda: iter([bytes(4096)])),
    "an end": says(lambda: iter(())),
    "ways to log in without end": asks(2, *[b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0"] * 100),
    "questions without end": asks(2, *[b"\x01\x03"] * 100),
    "an empty answer to the login": asks(2, b""),
    "an error cut short": asks(2, b"\xff"),
    "rows without end": replies(rows(b"\xfb")),
    "rows of text without end": replies(rows(b"\x05abcde")),
    "results without end": replies(lambda: numbered(itertools.repeat(MORE_RESULTS))),
    "columns without end": replies(
        lambda: numbered(itertools.chain([b"\xfd\xff\xff\xff"], itertools.repeat(DEFINITION)))
    ),
    "an answer of packets without end": replies(lambda: (each for each in large(b"\1"))),
    "a row cut short": replies(rows(b"\xfc\xff")),
    "columns of no kind": replies(lambda: numbered(itertools.chain([b"\1", b"\3def"], itertools.repeat(EOF)))),
    "packets out of order": replies(lambda: iter([packet(7, OK)])),
    "an error of no number": replies(lambda: iter([packet(1, b"\xff\x01")])),
    "a request for a file": replies(lambda: numbered(itertools.repeat(b"\xfb/etc/passwd"))),
    "a request for a file at once": replies(lambda: iter([packet(1, b"\xfb/etc/passwd")]), after=0),
}
#: What asks for the password itself, or for it under a key that the server sends.
CLEAR_MARIADB: dict[str, Talk] = {
    "a way without a name": asks(2, b"\xfe"),
    "mysql_clear_password": asks(2, b"\xfemysql_clear_password\0"),
    "dialog": asks(2, b"\xfedialog\0\4Password: "),
    "sha256_password": asks(2, b"\xfesha256_password\0saltsaltsaltsaltsalt\0"),
    "mysql_old_password": asks(2, b"\xfemysql_old_password\0saltsalt\0"),
    "a full caching_sha2_password": asks(
        2, b"\xfecaching_sha2_password\0saltsaltsaltsaltsalt\0", b"\x01\x04", b"\x01x"
    ),
}
