"""Send HTTP requests. The only module that imports httpx.

httpx bounds each read, not a whole request, and logs URLs. Here a request has one deadline for everything, bounds on
head and body (packed, unpacked, and around it), no redirects, and nothing is logged.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from msgspec import Struct

from upsun_agent.api.cookieless import COOKIEJAR, PATHS, REQUEST, NoCookies
from upsun_agent.api.deadline import OverDeadline, alarm, names_resolved_in_a_thread, silence
from upsun_agent.api.meter import Meter, MeteredBackend, OverBytes, OverTime
from upsun_agent.api.network import Proxy, Settings, SettingsError, trust_remedy
from upsun_agent.api.shorten import Shortener
from upsun_agent.api.status import StatusKind, kind_at_start, kind_of
from upsun_agent.api.unpack import NotUnpackable, unpacked
from upsun_agent.lazy_imports import held_back
from upsun_agent.limits import BODY_MOST_BYTES, CONNECT_TIMEOUT, PIECES_MOST, RAW_MOST_BYTES
from upsun_agent.log.foreign_text import one_line

with held_back(COOKIEJAR, REQUEST, PATHS):
    import httpx

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


class NoAnswer(Exception):
    """No complete answer arrived. ``sent`` is false only if the request certainly never left this machine.

    ``remedy`` says what helps where the reason is on this side of the API.
    """

    def __init__(self, message: str, *, sent: bool, remedy: str = "") -> None:
        super().__init__(message)
        self.sent = sent
        self.remedy = remedy


class SettingsUnusable(NoAnswer):
    """A network variable of this machine is not usable; the message names it, and nothing was sent."""


class TooLong(NoAnswer):
    """The answer is too long; the part that was read is discarded."""


class Reply(Struct, frozen=True):
    """An answer. Header names are lower case. ``secrets`` are values that messages about it must not repeat.

    ``whole`` is false only where part of an answer was asked for and there may be more of it; ``fault`` says why the
    rest did not come, if anything went wrong.
    """

    #: The HTTP status.
    status: int
    #: The headers; their names are in lower case.
    headers: Mapping[str, str]
    #: The body, decompressed.
    body: bytes
    #: Values that its words may not repeat.
    secrets: frozenset[str] = frozenset()
    #: Whether all of it came; False only if a part was asked for and there may be more.
    whole: bool = True
    #: Why the rest did not come; empty if nothing went wrong.
    fault: str = ""

    def __repr__(self) -> str:
        """Return it without the body and the secrets."""
        return f"Reply(status={self.status!r}, headers={self.headers!r}, whole={self.whole!r}, fault={self.fault!r})"


class Transport:
    """Requests over one kept-alive connection per host.

    Args:
        user_agent: the User-Agent header.
        inner: another httpx transport, for tests and rehearsals; None means the network.
    """

    def __init__(self, user_agent: str, inner: httpx.BaseTransport | None = None) -> None:
        self._user_agent = user_agent
        self._inner = inner
        self._client: httpx.Client | None = None
        self._network: Network | None = None
        self._meter = Meter()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        deadline: float,
        shorten: int = 0,
    ) -> Reply:
        """Return the whole answer within ``deadline`` seconds; raise NoAnswer otherwise.

        With ``shorten`` texts of the JSON document that are longer are emptied as they arrive, so that a long log does
        not make an answer too large.

        Args:
            method: the HTTP method.
            url: the URL.
            headers: the headers beside those that every request has.
            content: the body; None: there is none.
            deadline: the time limit for the whole answer, in seconds.
            shorten: texts of the answer's JSON document that are longer, in bytes, are emptied; 0: none.
        """
        with self._translated_errors(url, deadline):
            most = RAW_MOST_BYTES if shorten else BODY_MOST_BYTES
            response = self._open(method, url, headers, content, deadline, most)
            try:
                body = bytearray()
                for piece in _shortened(_unpacked(response), shorten):
                    body += piece
                    if len(body) > BODY_MOST_BYTES:
                        raise TooLong(f"the answer is longer than {BODY_MOST_BYTES} bytes", sent=True)
                return Reply(response.status_code, dict(response.headers.items()), bytes(body))
            finally:
                response.close()

    def some(self, url: str, *, headers: Mapping[str, str], most: int = BODY_MOST_BYTES, deadline: float) -> Reply:
        """Return what arrives in time of an endless answer, about ``most`` bytes; raise NoAnswer without its head.

        Args:
            url: the URL.
            headers: the headers beside those that every request has.
            most: how many bytes of the body are read, about.
            deadline: the time limit, in seconds.
        """
        response: httpx.Response | None = None
        body, whole, fault = bytearray(), False, ""
        try:
            with self._translated_errors(url, deadline):
                response = self._open("GET", url, headers, None, deadline, most)
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
            if not whole:
                self.close()  # the rest of the answer is not waited for
        return Reply(response.status_code, dict(response.headers.items()), bytes(body[:most]), whole=whole, fault=fault)

    def status(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, deadline: float
    ) -> Reply:
        """Return the head of an answer; its body is discarded, in any encoding and even if it is incomplete.

        Raises NoAnswer where no whole head came within ``deadline`` seconds.

        Args:
            method: the HTTP method.
            url: the URL.
            headers: the headers beside those that every request has.
            content: the body; None: there is none.
            deadline: the time limit for the head, in seconds.
        """
        try:
            with self._translated_errors(url, deadline):
                response = self._open(method, url, headers, content, deadline, 0)
            return Reply(response.status_code, dict(response.headers.items()), b"", whole=False)
        finally:
            self.close()  # what is left of the answer is not to be taken for the next one

    @contextmanager
    def _translated_errors(self, url: str, deadline: float) -> Iterator[None]:
        """Translate httpx's errors in the block into ours, and limit its time."""
        try:
            with bounded(deadline):
                yield
        except NoAnswer:
            self.close()
            raise
        except OverTime:
            self.close()
            raise NoAnswer(_late(deadline), sent=True) from None
        except OverBytes as error:
            self.close()
            raise (TooLong if error.part == "body" else NoAnswer)(str(error), sent=True) from None
        except SettingsError as error:
            raise SettingsUnusable(str(error), sent=False, remedy=error.remedy) from error
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            UnicodeError,  # a host name that no resolver takes
        ) as error:
            raise self._unconnected(url, error) from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            self.close()
            raise NoAnswer(_words(error), sent=True) from error

    def _unconnected(self, url: str, error: Exception) -> NoAnswer:
        """Return the error for a connection that could not be made: the address, the reason and the remedy."""
        said, proxy = _words(error), self._network.proxy_of(url) if self._network is not None else None
        if isinstance(error, httpx.ProxyError) and proxy is not None:
            if kind_at_start(said) is StatusKind.PROXY_LOGIN:
                return _login_wanted(proxy)
            text = f"the proxy of {proxy.variable} ({proxy.address}) refuses the connection: {said}"
            return NoAnswer(text, sent=False, remedy=f"check {proxy.variable}, and ask who runs the proxy")
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return NoAnswer(f"cannot connect to {_place(url)}: {said}", sent=False, remedy=trust_remedy(said))
        if proxy is not None:
            text = f"cannot connect to the proxy of {proxy.variable} ({proxy.address}): {said}"
            return NoAnswer(text, sent=False, remedy=f"check {proxy.variable} and NO_PROXY")
        return NoAnswer(f"cannot connect to {_place(url)}: {said}", sent=False)

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, deadline: float, most: int
    ) -> httpx.Response:
        """Return the answer with its head read and its body, of at most ``most`` bytes, not read yet."""
        if self._client is None:
            self._client = self._new_client()
        timeout = httpx.Timeout(deadline, connect=min(CONNECT_TIMEOUT, deadline))
        request = self._client.build_request(method, url, headers=dict(headers), content=content, timeout=timeout)
        self._meter.begin(deadline)
        response = self._client.send(request, stream=True)
        self._meter.expect_body(most)
        return response

    def _new_client(self) -> httpx.Client:
        if self._inner is None:
            self._network = Network(Settings(os.environ), self._meter)
        return httpx.Client(
            transport=self._inner or self._network,
            trust_env=False,  # the variables are read by Settings: httpx fails on some of their values
            cookies=cast("Any", NoCookies()),
            follow_redirects=False,
            headers={"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"},
        )

    def close(self) -> None:
        """Close the connections; the next request makes new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close()


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body as received; raise TooLong if it arrives in far more pieces than its size needs."""
    for number, piece in enumerate(response.iter_raw()):
        if number >= PIECES_MOST:
            raise TooLong(f"the answer came in more than {PIECES_MOST} pieces", sent=True)
        yield piece


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Yield the unpacked body in pieces of limited size; httpx would unpack each read piece to any size."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        yield from _pieces(response)
        return
    if coding not in {"gzip", "x-gzip"}:
        raise httpx.DecodingError(f"the answer has the encoding {coding[:40]!r}, which was not requested")
    try:
        yield from unpacked(_pieces(response))
    except NotUnpackable as error:
        raise httpx.DecodingError(str(error)) from error


def _shortened(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Yield the pieces with texts of more than ``most`` bytes emptied; 0 leaves them as they are."""
    if most == 0:
        yield from pieces
        return
    shortener, length = Shortener(most), 0
    for piece in pieces:
        length += len(piece)
        if length > RAW_MOST_BYTES:
            raise TooLong(f"the answer is longer than {RAW_MOST_BYTES} bytes", sent=True)
        yield shortener.feed(piece)
    yield shortener.rest()


class Network(httpx.BaseTransport):
    """The network with this machine's settings: each request goes directly or through its proxy."""

    def __init__(self, settings: Settings, meter: Meter) -> None:
        self._settings = settings
        self._meter = meter
        self._doors: dict[tuple[bool, Proxy | None], httpx.BaseTransport] = {}
        self._trusted: ssl.SSLContext | None = None

    def proxy_of(self, url: str) -> Proxy | None:
        """Return the proxy that a request to the URL takes, if any."""
        try:
            return self._proxy(httpx.URL(url))
        except httpx.InvalidURL:
            return None

    def _proxy(self, url: httpx.URL) -> Proxy | None:
        return self._settings.proxy_for(url.scheme, url.host, url.port)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request; raise SettingsError if a variable that it needs is not usable."""
        proxy = self._proxy(request.url)
        response = self._door(request.url.scheme == "https", proxy).handle_request(request)
        if kind_of(response.status_code) is StatusKind.PROXY_LOGIN and proxy is not None:
            response.close()
            raise _login_wanted(proxy)
        return response

    def _door(self, secure: bool, proxy: Proxy | None) -> httpx.BaseTransport:  # noqa: FBT001  one of two
        if (secure, proxy) not in self._doors:
            # Certificate authorities that cannot be read are no trouble where no certificate is looked at.
            secured = secure or (proxy is not None and proxy.url.startswith("https:"))
            context = self._authorities() if secured else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            through = None
            if proxy is not None:
                own = context if proxy.url.startswith("https:") else None
                through = httpx.Proxy(proxy.url, ssl_context=own)
            door = httpx.HTTPTransport(verify=context, trust_env=False, proxy=through)
            pool: Any = door._pool  # noqa: SLF001  httpx takes a backend in no other way; tests meter every kind of door
            pool._network_backend = MeteredBackend(pool._network_backend, self._meter)  # noqa: SLF001  same
            self._doors[secure, proxy] = door
        return self._doors[secure, proxy]

    def _authorities(self) -> ssl.SSLContext:
        """Return the TLS context with this machine's authorities, or httpx's default if nothing is configured."""
        if self._trusted is None:
            self._trusted = self._settings.certificates() or httpx.create_ssl_context(trust_env=False)
        return self._trusted

    def close(self) -> None:
        """Close every connection."""
        for door in self._doors.values():
            door.close()


def _login_wanted(proxy: Proxy) -> SettingsUnusable:
    text = f"the proxy of {proxy.variable} ({proxy.address}) asks for a user and a password (407)"
    remedy = f"put them into {proxy.variable}: http://USER:PASSWORD@HOST:PORT, percent-encoded"
    return SettingsUnusable(text, sent=False, remedy=remedy)


def _place(url: str) -> str:
    """Return host and port of a URL for a message."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "an address that is not valid"
    return (parsed.netloc.decode("ascii", "replace").rpartition("@")[2] or "an address without a host")[:200]


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Limit network use in the block to that many seconds; raise NoAnswer after that."""
    try:
        with alarm(seconds), names_resolved_in_a_thread():
            yield
    except OverDeadline:
        silence()  # once more: it may have rung while it was being turned off
        raise NoAnswer(_late(seconds), sent=True) from None


def _late(seconds: float) -> str:
    return f"no complete answer within {seconds:.0f} s"


def in_process(app: Callable[..., Any], cut: type[Exception]) -> httpx.BaseTransport:
    """Return a transport that calls a WSGI application in this process.

    An exception ``cut`` becomes a lost connection.
    """
    wsgi = httpx.WSGITransport(app=app)

    class InProcess(httpx.BaseTransport):
        """A transport that returns the application's answers as if they came from the network."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            """Return one request, one answer, or a lost connection."""
            try:
                return wsgi.handle_request(request)
            except cut as error:
                raise httpx.ReadError(str(error)) from error

    return InProcess()


def _words(error: Exception) -> str:
    """Return the error's text as one short line; httpx's texts never contain headers or bodies."""
    return one_line(str(error), 200) or type(error).__name__
