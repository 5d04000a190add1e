"""The one door to the network, and the only module that imports httpx.

httpx bounds each read but not a whole request, follows no redirect by default, and logs URLs at INFO. Here a request
has one deadline for everything, a bound on the body, no redirects, and nothing is logged.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from agent.late import held_back
from agent.limits import BODY_MOST_BYTES, CONNECT_TIMEOUT, PIECE_MOST_BYTES
from agent.records import LEAN, dataclass, field
from agent.upsun.cookieless import COOKIEJAR, PATHS, REQUEST, NoCookies

with held_back(COOKIEJAR, REQUEST, PATHS):
    import httpx

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


class NoAnswer(Exception):
    """No whole answer came. ``sent`` is false only where the request surely never left this machine."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class TooLong(NoAnswer):
    """The answer is longer than any that makes sense; what came of it was thrown away."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Header names are lower case. ``secrets`` are values that its words may not repeat.

    ``whole`` is false only where part of an answer was asked for and there may be more of it; ``fault`` says why the
    rest did not come, if anything went wrong.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    whole: bool = True
    fault: str = ""


class _OverDeadline(BaseException):
    """The alarm went off. No Exception, so that no handler inside httpx swallows it."""


class Transport:
    """Requests over one kept-alive connection per host.

    Args:
        user_agent: what to say we are.
        inner: another httpx transport, for tests and rehearsals; None means the network.
    """

    def __init__(self, user_agent: str, inner: httpx.BaseTransport | None = None) -> None:
        self._user_agent = user_agent
        self._inner = inner
        self._client: httpx.Client | None = None

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, deadline: float
    ) -> Reply:
        """The whole answer within ``deadline`` seconds; raises NoAnswer otherwise."""
        with self._spoken(deadline):
            response = self._open(method, url, headers, content, deadline)
            try:
                body = bytearray()
                for piece in _unpacked(response):
                    body += piece
                    if len(body) > BODY_MOST_BYTES:
                        raise TooLong(f"the answer is longer than {BODY_MOST_BYTES} bytes", sent=True)
                return Reply(response.status_code, dict(response.headers.items()), bytes(body))
            finally:
                response.close()

    def some(self, url: str, *, headers: Mapping[str, str], most: int, deadline: float) -> Reply:
        """What of an answer that may not end comes in time, and not much more than ``most`` bytes of it.

        Raises NoAnswer where not even its head came.
        """
        response: httpx.Response | None = None
        body, whole, fault = bytearray(), False, ""
        try:
            with self._spoken(deadline):
                response = self._open("GET", url, headers, None, deadline)
                for piece in _unpacked(response):
                    body += piece
                    if len(body) >= most:
                        break
                else:
                    whole = True
        except NoAnswer as error:
            if response is None:
                raise
            fault = str(error)
        finally:
            self.close()  # the rest of the answer is not waited for
        return Reply(response.status_code, dict(response.headers.items()), bytes(body[:most]), whole=whole, fault=fault)

    def status(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, deadline: float
    ) -> Reply:
        """The head of an answer; its body decides nothing and is thrown away, however it is packed or ends.

        Raises NoAnswer where no whole head came within ``deadline`` seconds.
        """
        with self._spoken(deadline):
            response = self._open(method, url, headers, content, deadline)
        reply = Reply(response.status_code, dict(response.headers.items()), b"", whole=False)
        try:
            with self._spoken(min(DRAIN_PATIENCE, deadline)):  # a short body is read, to use the connection again
                size = 0
                for piece in response.iter_raw():
                    size += len(piece)
                    if size > PIECE_MOST_BYTES:
                        break
                response.close()
        except NoAnswer:
            self.close()
        return reply

    @contextmanager
    def _spoken(self, deadline: float) -> Iterator[None]:
        """Httpx's errors within the block said as ours; it ends in time."""
        try:
            with bounded(deadline):
                yield
        except NoAnswer:
            self.close()
            raise
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            UnicodeError,  # a host name that no resolver takes
        ) as error:
            raise NoAnswer(f"cannot connect: {_words(error)}", sent=False) from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            self.close()
            raise NoAnswer(_words(error), sent=True) from error

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, deadline: float
    ) -> httpx.Response:
        """The answer with its head read and its body to come."""
        if self._client is None:
            self._client = self._new_client()
        timeout = httpx.Timeout(deadline, connect=min(CONNECT_TIMEOUT, deadline))
        request = self._client.build_request(method, url, headers=dict(headers), content=content, timeout=timeout)
        return self._client.send(request, stream=True)

    def _new_client(self) -> httpx.Client:
        inner = self._inner or _network()
        return httpx.Client(
            transport=inner,
            trust_env=self._inner is None,
            cookies=cast("Any", NoCookies()),
            follow_redirects=False,
            headers={"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"},
        )

    def close(self) -> None:
        """Let go of the connections; the next request makes new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close()


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces of bounded size: httpx unpacks what it has read whole, however large that becomes."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        yield from response.iter_raw()
        return
    if coding not in {"gzip", "x-gzip"}:
        raise httpx.DecodingError(f"the answer is packed as {coding[:40]!r}, which was not asked for")
    unpacking, came = zlib.decompressobj(wbits=31), False  # gzip only
    try:
        for chunk in response.iter_raw():
            packed, came = chunk, came or bool(chunk)
            while packed:
                yield unpacking.decompress(packed, PIECE_MOST_BYTES)
                packed = unpacking.unconsumed_tail
                if unpacking.eof and unpacking.unused_data.startswith(b"\x1f\x8b"):  # another member
                    packed, unpacking = unpacking.unused_data, zlib.decompressobj(wbits=31)
        yield unpacking.flush()
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer does not unpack: {error}") from error
    if came and not unpacking.eof:  # an empty body needs no unpacking
        raise httpx.DecodingError("the packed answer ends too soon")


DRAIN_PATIENCE = 1.0  # seconds for a body that decides nothing
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def _network() -> httpx.BaseTransport | None:
    """A light TLS context: hashed certificate directories are read lazily, bundles are parsed at every start.

    None (httpx's own choice) where a proxy is set, so that its mounts apply, or there is no such directory.
    """
    proxied = any(os.environ.get(name) for name in _PROXIES)
    directory = os.environ.get("SSL_CERT_DIR") or "/etc/ssl/certs"
    if proxied or os.environ.get("SSL_CERT_FILE") or not _is_hashed(directory):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=directory)
    context.set_alpn_protocols(["http/1.1"])
    with held_back(LEAN):  # the layers below httpx are imported only here
        return httpx.HTTPTransport(verify=context)


def _is_hashed(directory: str) -> bool:
    """Whether OpenSSL can look certificates up in the directory: names like ``0a1b2c3d.0``."""
    try:
        with os.scandir(directory) as entries:
            return any(len(entry.name) == len("0a1b2c3d.0") and entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt whatever runs after that many seconds: the only bound that covers dripped headers.

    It rings again every second until it is heard: an exception raised in a destructor is lost. Signals reach the main
    thread only; elsewhere the per-read timeouts must do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _OverDeadline

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 1.0)
    try:
        yield
    finally:
        _silence()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Whatever talks to the network within the block ends after that many seconds; raises NoAnswer then."""
    try:
        with _alarm(seconds), _names_looked_up_aside():
            yield
    except _OverDeadline:
        _silence()  # once more: it may have rung while it was being turned off
        raise NoAnswer(f"no whole answer within {seconds:.0f} s", sent=True) from None


def _silence() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _names_looked_up_aside() -> Iterator[None]:
    """Look names up in a thread of their own: ``getaddrinfo`` waits in C, where no signal interrupts it.

    So neither the deadline nor SIGTERM has to wait for a name server that says nothing. httpx offers no place to hang
    this in that also serves proxies; it is this process's own resolver that is wrapped, for the time of one request.
    """
    inner = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **settings: Any) -> Any:
        answers: list[Any] = []
        if isinstance(host, str) and host.isascii():
            host = host.encode()  # or the interpreter imports a codec for other names

        def ask() -> None:
            try:
                answers.append(inner(host, *arguments, **settings))
            except Exception as error:  # noqa: BLE001  raised below, where somebody hears it
                answers.append(error)

        thread = threading.Thread(target=ask, daemon=True, name="name look-up")
        thread.start()
        thread.join(CONNECT_TIMEOUT)
        if not answers:
            raise socket.gaierror(socket.EAI_AGAIN, f"no name server answered within {CONNECT_TIMEOUT:.0f} s")
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    socket.getaddrinfo = look_up
    try:
        yield
    finally:
        socket.getaddrinfo = inner


def in_process(app: Callable[..., Any], cut: type[Exception]) -> httpx.BaseTransport:
    """A transport that calls a WSGI application in this process; its exception ``cut`` becomes a lost connection."""
    wsgi = httpx.WSGITransport(app=app)

    class InProcess(httpx.BaseTransport):
        """The application's answers as if from the network."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            """One request, one answer, or a lost connection."""
            try:
                return wsgi.handle_request(request)
            except cut as error:
                raise httpx.ReadError(str(error)) from error

    return InProcess()


def _words(error: Exception) -> str:
    """The error's own words in one short line; httpx's never hold headers or bodies."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
