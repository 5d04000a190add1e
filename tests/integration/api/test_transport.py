"""The one door to the network: one deadline for everything, bounded bodies, no redirects, and what surely was sent."""

from __future__ import annotations

import gzip
import logging
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from upsun_agent.api.http import NoAnswer, Reply, TooLong, Transport
from upsun_agent.limits import BODY_MOST_BYTES
from upsun_agent.runtime.context import Terminated, ended_by_sigterm

from tests.harness.api_client import Misbehaving, answer

Build = Callable[..., Misbehaving]
DEADLINE = 0.7
PATIENCE = 10.0  # far beyond the deadline, for slow machines: what hangs would hang until the test is killed


def send(url: str, method: str = "GET", *, deadline: float = DEADLINE, transport: Transport | None = None) -> Reply:
    """One request with a bearer."""
    content = b'{"safe": true}' if method == "POST" else None
    headers = {"Authorization": "Bearer canary-bearer"}
    used = transport or Transport("upsun-agent/test")
    try:
        return used.send(method, url, headers=headers, content=content, deadline=deadline)
    finally:
        if transport is None:
            used.close()


def unanswered(url: str, method: str = "GET", **options: Any) -> NoAnswer:
    """The error of a request that gets no complete answer in time."""
    begun = time.monotonic()
    with pytest.raises(NoAnswer) as caught:
        send(url, method, **options)
    assert time.monotonic() - begun < PATIENCE
    return caught.value


def drip(*, before: bytes, byte: bytes) -> Callable[[Any, Misbehaving], None]:
    """Send a beginning, then a byte now and then, so that no single read ever times out."""

    def behave(connection: Any, server: Misbehaving) -> None:
        connection.sendall(before)
        while not server.closing.wait(0.03):
            connection.sendall(byte)

    return behave


def silent(_: Any, server: Misbehaving) -> None:
    """Say nothing."""
    server.closing.wait(PATIENCE)


def reset(connection: Any, _: Misbehaving) -> None:
    """Tear the connection down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


SLOW = {
    "never answers": silent,
    "drips headers": drip(before=b"HTTP/1.1 200 OK\r\nX-Long: ", byte=b"a"),
    "drips a body of known length": drip(before=b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", byte=b"a"),
    "drips chunks": drip(before=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", byte=b"1\r\na\r\n"),
    "drips informational answers": drip(before=b"", byte=b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_ends_at_its_deadline_however_slow_the_server(misbehaving: Build, how: str, method: str) -> None:
    server = misbehaving(SLOW[how])
    error = unanswered(server.url, method)
    assert error.sent is True
    assert "no complete answer within" in str(error)
    assert len(server.heard) == 1


def test_after_a_deadline_the_next_request_has_a_connection_of_its_own(misbehaving: Build) -> None:
    def behave(connection: Any, server: Misbehaving) -> None:
        if server.connections == 1:
            silent(connection, server)
        connection.sendall(answer())

    server = misbehaving(behave)
    transport = Transport("upsun-agent/test")
    unanswered(server.url, transport=transport)
    assert send(server.url, transport=transport, deadline=PATIENCE).status == 200
    transport.close()
    assert server.connections == 2


def test_a_deadline_leaves_no_alarm_behind(misbehaving: Build) -> None:
    def foreign(*_: object) -> None:
        raise AssertionError("nobody else's alarm goes off")

    before = signal.signal(signal.SIGALRM, foreign)
    try:
        unanswered(misbehaving(silent).url)
        send(misbehaving(lambda connection, _: connection.sendall(answer())).url)
        assert signal.getsignal(signal.SIGALRM) is foreign
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


class Swallowing:
    """An object whose destructor is slow: an exception raised in it is lost."""

    def __del__(self) -> None:
        time.sleep(0.6)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_alarm_that_rings_where_nobody_hears_it_rings_again() -> None:
    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            Swallowing()  # the alarm at 0.3 s is lost in its destructor
            time.sleep(30)
            raise AssertionError(request)

    with pytest.raises(NoAnswer, match="no complete answer"):
        send("http://x/", transport=Transport("upsun-agent/test", Slow()), deadline=0.3)


def test_a_name_server_that_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*_: object, **__: object) -> None:
        time.sleep(20)

    monkeypatch.setattr(socket, "getaddrinfo", silence)
    monkeypatch.setattr("upsun_agent.api.deadline.CONNECT_TIMEOUT", 0.2)
    error = unanswered("http://api.example.test/", deadline=PATIENCE)
    assert "no name server answered" in str(error)
    assert not error.sent
    assert vars(socket)["getaddrinfo"] is silence, "what was wrapped for the request is as it was"


def test_a_name_that_does_not_exist_is_said_and_was_not_sent() -> None:
    error = unanswered("http://nowhere.invalid/", deadline=PATIENCE)
    assert not error.sent
    assert str(error).startswith("cannot connect to nowhere.invalid: ")


def test_outside_the_main_thread_a_silent_server_is_given_up_on_too(misbehaving: Build) -> None:
    server = misbehaving(silent)
    found: list[NoAnswer] = []
    thread = threading.Thread(target=lambda: found.append(unanswered(server.url)))
    thread.start()
    thread.join(PATIENCE)
    assert [error.sent for error in found] == [True]


@pytest.mark.parametrize("how", SLOW)
def test_outside_the_main_thread_a_slow_server_has_the_same_deadline(misbehaving: Build, how: str) -> None:
    server = misbehaving(SLOW[how])
    found: list[NoAnswer] = []
    thread = threading.Thread(target=lambda: found.append(unanswered(server.url)), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert [(error.sent, "no complete answer within" in str(error)) for error in found] == [(True, True)]


# --- what surely was not sent, and what may have been ---------------------------------------------------------


def test_a_refused_connection_was_surely_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = unanswered(f"http://127.0.0.1:{port}/", "POST")
    assert error.sent is False
    assert f"cannot connect to 127.0.0.1:{port}: " in str(error)


BROKEN = {
    "reset": reset,
    "closed without a word": lambda connection, _: connection.close(),
    "half the headers": lambda connection, _: (
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
        connection.close(),
    ),
    "half the body": lambda connection, _: (connection.sendall(answer(body=b"x" * 100)[:-50]), connection.close()),
    "an unfinished chunk": lambda connection, _: (
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort"),
        connection.close(),
    ),
    "no HTTP": lambda connection, _: (connection.sendall(b"220 mail.example ESMTP\r\n" * 10), connection.close()),
    "garbage for gzip": lambda connection, _: connection.sendall(
        answer("200 OK", b"no gzip", "Content-Encoding: gzip")
    ),
    "endless headers": lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50_000),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_answer_that_breaks_off_may_have_been_acted_on_and_is_asked_for_once(misbehaving: Build, how: str) -> None:
    server = misbehaving(BROKEN[how])
    error = unanswered(server.url, "POST", deadline=3.0)
    assert error.sent is True
    assert len(server.heard) == 1, "the request is never repeated by itself"
    assert "canary" not in str(error)


def test_a_kept_connection_that_the_server_closed_does_not_send_a_request_twice(misbehaving: Build) -> None:
    def behave(connection: Any, server: Misbehaving) -> None:
        connection.sendall(answer())
        if len(server.heard) == 1:
            connection.close()

    server = misbehaving(behave)
    transport = Transport("upsun-agent/test")
    send(server.url, transport=transport, deadline=3.0)
    time.sleep(0.1)
    try:
        send(server.url, "POST", transport=transport, deadline=3.0)
    except NoAnswer as error:
        assert error.sent is True  # noqa: PT017  either outcome is right, if the request log agrees
    transport.close()
    assert len([each for each in server.heard if each.startswith(b"POST")]) <= 1


def test_one_connection_serves_several_requests(misbehaving: Build) -> None:
    server = misbehaving(lambda connection, _: connection.sendall(answer()))
    transport = Transport("upsun-agent/test")
    for _ in range(3):
        assert send(server.url, transport=transport, deadline=3.0).status == 200
    transport.close()
    assert (server.connections, len(server.heard)) == (1, 3)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://a..b/",
        "http:///path",
        f"http://{'a' * 80}.invalid/",
        "ftp://127.0.0.1/",
        "nothing.invalid",
    ],
)
def test_an_address_that_is_none_is_no_answer_rather_than_a_traceback(url: str) -> None:
    unanswered(url, deadline=3.0)


# --- bounds -----------------------------------------------------------------------------------------------------


def test_a_body_as_long_as_the_bound_is_read_and_one_byte_more_is_not(misbehaving: Build) -> None:
    def behave(connection: Any, server: Misbehaving) -> None:
        more = 0 if b"/fits" in server.heard[-1] else 1
        connection.sendall(answer(body=b"x" * (BODY_MOST_BYTES + more)))

    server = misbehaving(behave)
    assert len(send(f"{server.url}/fits", deadline=PATIENCE).body) == BODY_MOST_BYTES
    error = unanswered(f"{server.url}/more", deadline=PATIENCE)
    assert isinstance(error, TooLong)
    assert error.sent is True


def test_a_body_without_end_is_cut_off_at_the_bound(misbehaving: Build) -> None:
    def behave(connection: Any, _: Misbehaving) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert "longer than" in str(unanswered(misbehaving(behave).url, deadline=PATIENCE))


def test_a_body_that_unpacks_to_far_more_is_cut_off_too(misbehaving: Build) -> None:
    packed = gzip.compress(b"\x00" * (64 * 1024 * 1024))
    server = misbehaving(lambda connection, _: connection.sendall(answer("200 OK", packed, "Content-Encoding: gzip")))
    assert "longer than" in str(unanswered(server.url, deadline=PATIENCE))


# --- redirects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_an_answer_and_is_not_followed(misbehaving: Build, status: int, method: str) -> None:
    elsewhere = misbehaving(lambda connection, _: connection.sendall(answer()))
    moved = answer(f"{status} Moved", b"", f"Location: {elsewhere.url}/taken")
    server = misbehaving(lambda connection, _: connection.sendall(moved))
    assert send(server.url, method, deadline=3.0).status == status
    assert len(server.heard) == 1
    assert elsewhere.connections == 0, "and so the bearer never reached the other host"


# --- what is said -----------------------------------------------------------------------------------------------


def test_a_request_says_who_we_are_and_carries_no_cookies(misbehaving: Build) -> None:
    server = misbehaving(lambda connection, _: connection.sendall(answer("200 OK", b"{}", "Set-Cookie: a=b")))
    transport = Transport("upsun-agent/1.2.3")
    for _ in range(2):
        send(f"{server.url}/path?a=b%2Fc", "POST", transport=transport, deadline=3.0)
    transport.close()
    first = server.heard[0]
    assert first.startswith(b"POST /path?a=b%2Fc HTTP/1.1\r\n")
    assert b"\r\nuser-agent: upsun-agent/1.2.3\r\n" in first.lower()
    assert b"\r\naccept: application/json\r\n" in first.lower()
    assert first.endswith(b'{"safe": true}')


def test_the_http_library_logs_nothing_of_requests(misbehaving: Build, caplog: pytest.LogCaptureFixture) -> None:
    server = misbehaving(lambda connection, _: connection.sendall(answer()))
    with caplog.at_level(logging.INFO):
        send(f"{server.url}/secret-path", deadline=3.0)
        unanswered("http://127.0.0.1:1/secret-path")
    assert [record for record in caplog.records if record.name.startswith("http")] == []
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore").isEnabledFor(logging.INFO)


def test_a_reply_shows_no_body_where_it_is_printed(misbehaving: Build) -> None:
    server = misbehaving(lambda connection, _: connection.sendall(answer(body=b'{"access_token": "canary"}')))
    assert "canary" not in repr(send(server.url, deadline=3.0))


def test_a_sigterm_that_arrives_just_before_the_wait_for_the_answer_ends_it(misbehaving: Build) -> None:
    """Python calls a handler when the system call returns; one that waits already when the signal is noted does not.

    The signal goes to a second thread, so it is noted, as in that moment, while no call of the main thread ends.
    """
    asked, over = threading.Event(), threading.Event()

    def behave(_: Any, server: Misbehaving) -> None:
        asked.set()
        if not server.closing.wait(PATIENCE):
            over.set()

    def receive() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        asked.wait(PATIENCE)
        time.sleep(0.2)  # the main thread waits for the answer by now
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    receiver = threading.Thread(target=receive)
    receiver.start()
    url = misbehaving(behave).url
    try:
        with ended_by_sigterm(), pytest.raises(Terminated):
            send(url, deadline=3 * PATIENCE)
        assert not over.is_set(), "the request ended because the server closed the connection, not by the signal"
    finally:
        receiver.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
