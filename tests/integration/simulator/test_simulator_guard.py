"""A simulator on a socket answers programs of this machine only, and reads no more of a request than it may."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from upsun_simulator import Server, Simulator, guard, serve

from tests.harness.sources import REPOSITORY

PATIENCE = 20
REQUEST_LOG, SCENARIO = "/_simulator/request-log", "/_simulator/scenario"
CHANGE = b'{"backup_seconds": 77}'


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(Simulator()) as started:
        yield started


def ask(server: Server, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, Any]:
    """Ask with exactly these headers, and ``HOST`` in them for the server's address."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": "HOST", "Content-Length": str(len(body)), **headers}.items():
            if value:
                connection.putheader(name, value.replace("HOST", f"127.0.0.1:{server.port}"))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def talk(server: Server, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
        except ConnectionResetError:
            pass
        return found


def control(server: Server) -> dict[str, str]:
    """Return the headers of a good control request."""
    return {"Simulator-Secret": server.simulator.control_secret, "Content-Type": "application/json"}


HOSTS = (
    "evil.example",
    "evil.example:PORT",
    "127.0.0.1:",
    "::1",
    "127.0.0.1:1",
    "localhost.evil.example:PORT",
    "0.0.0.0:PORT",
    "",
)
SITES = ("127.0.0.1:PORT@evil.example", "127.0.0.1.nip.io:PORT", "LOCALHOST.:PORT", "[::ffff:127.0.0.1]:PORT")


@pytest.mark.parametrize("host", [*HOSTS, *SITES])
@pytest.mark.parametrize("path", ["/users/me", REQUEST_LOG, "/_site/main", "/oauth2/token"])
def test_a_request_for_another_host_is_not_answered(server: Server, host: str, path: str) -> None:
    headers = {**control(server), "Host": host.replace("PORT", str(server.port))}
    assert ask(server, "GET", path, headers)[0] == 421
    assert not server.simulator.requests


@pytest.mark.parametrize(
    "host", ["localhost:PORT", "127.0.0.1:PORT", "[::1]:PORT", "LocalHost:PORT", "127.0.0.1", "localhost", "[::1]"]
)
def test_the_names_of_this_machine_are_answered(server: Server, host: str) -> None:
    assert (
        ask(server, "GET", REQUEST_LOG, {**control(server), "Host": host.replace("PORT", str(server.port))})[0] == 200
    )


def test_the_host_of_a_site_leads_to_no_control(server: Server) -> None:
    name = f"{server.simulator.state.environments['main'].machine_name}.simulator.invalid"
    for path in (REQUEST_LOG, "/%5fsimulator/request-log", "/x/../_simulator/request-log", "//_simulator/request-log"):
        assert ask(server, "GET", path, {**control(server), "Host": name})[0] == 421


@pytest.mark.parametrize("line", ["GET http://evil.example/users/me HTTP/1.1", "GET evil.example:80 HTTP/1.1"])
def test_a_request_line_with_another_host_is_not_answered(server: Server, line: str) -> None:
    assert b" 421 " in talk(server, f"{line}\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())


def test_two_hosts_are_none(server: Server) -> None:
    good = f"Host: 127.0.0.1:{server.port}\r\n"
    assert b" 421 " in talk(server, f"GET /users/me HTTP/1.1\r\n{good}Host: evil.example\r\n\r\n".encode())


ORIGINS = ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "https://HOST", "file://")


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("path", [SCENARIO, "/oauth2/token", "/projects/x/environments/main/backup"])
def test_a_page_of_another_site_changes_nothing(server: Server, origin: str, path: str) -> None:
    before = server.simulator.scenario.backup_seconds
    assert ask(server, "POST", path, {**control(server), "Origin": origin}, CHANGE)[0] == 403
    assert server.simulator.scenario.backup_seconds == before
    assert not server.simulator.requests


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
def test_what_a_browser_says_of_another_site_is_heard(server: Server, where: str) -> None:
    assert ask(server, "GET", REQUEST_LOG, {**control(server), "Sec-Fetch-Site": where})[0] == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_control_takes_no_form(server: Server, kind: str) -> None:
    assert ask(server, "POST", SCENARIO, {**control(server), "Content-Type": kind}, CHANGE)[0] == 415
    assert server.simulator.scenario.backup_seconds != 77


@pytest.mark.parametrize("secret", ["", "wrong", "\xe9", "SHORTER", "OTHER"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", REQUEST_LOG), ("POST", SCENARIO), ("POST", "/_simulator/nothing")]
)
def test_control_needs_the_secret_of_this_start(server: Server, secret: str, method: str, path: str) -> None:
    given = {"SHORTER": server.simulator.control_secret[:-1], "OTHER": Simulator().control_secret}.get(secret, secret)
    headers = {"Content-Type": "application/json", "Simulator-Secret": given}
    assert ask(server, method, path, headers, CHANGE if method == "POST" else b"")[0] == 403
    assert server.simulator.scenario.backup_seconds != 77


def test_with_all_of_it_control_works(server: Server) -> None:
    assert ask(server, "POST", SCENARIO, control(server), CHANGE)[0] == 200
    assert server.simulator.scenario.backup_seconds == 77


SPEAKER = """
import resource, sys
from upsun_simulator import Simulator, serve
with serve(Simulator()) as server:
    resource.setrlimit(resource.RLIMIT_AS, (900 * 1024 * 1024,) * 2)
    print(server.port, flush=True)
    sys.stdin.readline()
    print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1], flush=True)
"""
BIG = b"x" * (1024 * 1024)
ENDLESS = {
    "a length": (b"Content-Length: 999999999999\r\n\r\n", BIG),
    "one byte more than is read": (b"Content-Length: %d\r\n\r\n" % (guard.BODY_MOST_BYTES + 1), BIG),
    "a length of many digits": (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", BIG),
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + BIG + b"\r\n"),
    "small chunks": (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 100_000),
    "a chunk": (b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", BIG),
    "a size of a chunk": (b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1024 * 1024),
    "an extension of a chunk": (b"Transfer-Encoding: chunked\r\n\r\n1;", BIG),
    "a trailer": (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 100_000),
    "headers": (b"", b"X: y\r\n" * 100_000),
    "one header": (b"X: ", BIG),
}


def test_what_a_request_has_without_end_is_not_kept_in_memory() -> None:
    root = str(REPOSITORY)
    command = [sys.executable, "-c", SPEAKER]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=root) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for name, (before, again) in ENDLESS.items():
            assert _refused(port, before, again), name
        process.stdin.write("\n")
        process.stdin.flush()
        assert int(process.stdout.readline()) < 200 * 1024, "kilobytes, most of them for modules"


def _refused(port: int, before: bytes, again: bytes) -> bool:
    """Send a request without end; return whether the server ends it after at most 100 MB."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        head = b"POST /oauth2/token HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port
        try:
            connection.sendall(head + before)
            for _ in range(100):
                connection.sendall(again)
        except OSError as error:
            return not isinstance(error, TimeoutError)
        return False


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +1",
        "Content-Length: 1_0",
        "Content-Length: 0x1",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, chunked",
    ],
)
def test_a_length_that_two_readers_could_read_in_two_ways_is_refused(server: Server, lengths: str) -> None:
    head = f"POST /oauth2/token HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{lengths}\r\n\r\n"
    assert b" 400 " in talk(server, head.encode() + b"0\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: y\r\n", b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\nab"],
)
def test_a_client_that_does_not_finish_its_request_is_let_go(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.3)
    with serve(Simulator()) as server:
        talk(server, sent.replace(b"HOST", b"127.0.0.1:%d" % server.port))


def test_a_client_that_sends_byte_by_byte_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.5)
    with serve(Simulator()) as server, socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        connection.settimeout(0.02)
        answer = None
        for _ in range(1000):
            try:
                connection.sendall(b"y")
                answer = connection.recv(100)
            except TimeoutError:
                continue
            except ConnectionError:
                answer = b""
            break
        assert answer == b"", "the connection was ended"


def test_more_connections_than_it_serves_are_refused_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setattr(guard, "CONNECTIONS_MOST", 5)
    with ExitStack() as held:
        for _ in range(5):
            held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE)).sendall(b"GET")
        assert talk(server, b"") == b"", "the sixth is ended at once"
    until = 200
    while len(server._listener.connections.every()) and until:
        until -= 1
        server._listener.closing.wait(0.05)
    assert ask(server, "GET", REQUEST_LOG, control(server))[0] == 200
