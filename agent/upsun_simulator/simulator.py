"""The simulator as a WSGI application, with its request log and its faults."""

from __future__ import annotations

import secrets
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request

from upsun_simulator import control_api, router
from upsun_simulator.answers import Refusal
from upsun_simulator.authority import Authority
from upsun_simulator.body import marks
from upsun_simulator.call import Call, body_of, target_of
from upsun_simulator.clock import ManualClock, SystemClock
from upsun_simulator.compression import packed
from upsun_simulator.controls import Controls
from upsun_simulator.corrupted_answers import corrupted
from upsun_simulator.documents.request_log import request_log
from upsun_simulator.faults import Fault
from upsun_simulator.platform import Platform
from upsun_simulator.request_log import MARK_BYTES, REQUEST_BYTES, Entries, RecordedRequest, Redactor
from upsun_simulator.scenario import Scenario
from upsun_simulator.state import PlatformState
from upsun_simulator.tokens import Tokens
from upsun_simulator.variable_changes import without_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.wrappers import Response

    from upsun_simulator.clock import Clock

# Set by the simulator's own server: an event that tells that it closes.
CLOSING = "simulator.closing"


class Simulator(Controls):
    """A stand-in for the Upsun API and its authentication host, with state, time and faults.

    Serve it on a socket with `serve`, or call `wsgi` in process: there, a fault that would break the
    connection raises `ConnectionCut`, and with a `ManualClock` every wait moves the clock instead.
    """

    def __init__(self, scenario: Scenario | None = None, clock: Clock | None = None) -> None:
        scenario = scenario or Scenario()
        self.clock: Clock = clock or SystemClock()
        self.platform = Platform(
            clock=self.clock,
            state=PlatformState(scenario, self.clock.now()),
            tokens=Tokens(),
            authority=Authority(),
        )
        self._add_first_tokens(scenario)
        self.control_secret = secrets.token_urlsafe(32)
        self.requests = Entries()
        self.faults: list[Fault] = []

    def add_fault(self, fault: Fault | str) -> Fault:
        """Add a fault, given as an object or as text."""
        planted = Fault.parse(fault) if isinstance(fault, str) else fault
        with self.platform.lock:
            self.faults.append(planted)
        return planted

    def request_log(self) -> dict[str, Any]:
        """Return every request and the present state of the platform, as JSON."""
        with self._settled():
            found: dict[str, Any] = self._censor().clean(request_log(self.platform, self.requests))
            return found

    @property
    def ssh_authority(self) -> str:
        """Return the public key that signs SSH certificates, for an sshd's `TrustedUserCAKeys`."""
        return self.platform.authority.public_line

    @property
    def ssh_revocations(self) -> str:
        """Return the serials of revoked certificates, for `ssh-keygen -k` to make an sshd's `RevokedKeys` of."""
        with self.platform.lock:
            return self.platform.authority.revocations

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; raise ConnectionCut if a fault prevents a complete answer."""
        request = Request(environ)
        answer = packed(
            request, control_api.answer(self, request) if control_api.wanted(request) else self._serve(request)
        )
        answer.date = self.clock.now()
        return answer(environ, start_response)

    def _serve(self, request: Request) -> Response:
        closing = request.environ.get(CLOSING)
        # Read before the lock is taken: a slow client must not stop the others.
        try:
            body = body_of(request)
        except Refusal as refusal:
            return refusal.response()
        self._wait(self.scenario.latency_seconds, closing)
        with self._settled() as state:
            call = Call(
                platform=self.platform,
                request=request,
                target=target_of(request, state),
                body=body,
                now=self.clock.now(),
                values={},
                closing=closing,
            )
            record = self._record(call)
            hits = [fault for fault in self.faults if fault.hits(request.method, call.target.decoded)]
        fault = hits[0] if hits else None
        if fault is not None and fault.kind == "delay":
            self._wait(fault.pause, closing)
        elif fault is not None:
            # A spoiled answer is made whole first: nothing may hold it open.
            call.closing = None
        with self._settled():
            call.now = self.clock.now()
            return self._answer(call, record, fault)

    def _record(self, call: Call) -> RecordedRequest:
        censor = self._censor()
        record = RecordedRequest(
            number=self.requests.next_number(),
            at=call.now,
            method=call.request.method,
            path=censor.clean(call.target.decoded),
            raw_path=censor.clean(call.target.raw),
            query=censor.clean(call.target.query),
            body=censor.clean(without_values(call)),
            site=censor.clean(call.target.site),
            weight=_weight(call),
        )
        self.requests.keep(record)
        return record

    def _censor(self) -> Redactor:
        censor = Redactor()
        for secret in (*self.platform.tokens.known(), *self.state.variables.secrets):
            censor.learn(secret)
        return censor

    def _answer(self, call: Call, record: RecordedRequest, fault: Fault | None) -> Response:
        """Carry out the request unless a fault prevents it, and change the answer as the fault demands."""
        answer: Response | None = None
        if fault is None or fault.acts:
            answer = router.answer(call)
            record.acted = answer.status_code < HTTPStatus.BAD_REQUEST
        if fault is not None:
            record.fault = fault.kind
            answer = corrupted(fault, answer, call)
        if answer is None:
            raise AssertionError("a fault that does not act gives its own answer")
        record.status = answer.status_code
        return answer

    def _wait(self, seconds: float, closing: threading.Event | None) -> None:
        if seconds <= 0:
            return
        if closing is None and isinstance(self.clock, ManualClock):
            self.clock.advance(seconds)
        else:
            (closing or threading.Event()).wait(seconds)


def _weight(call: Call) -> int:
    """Return about how many bytes of memory the request log needs for a request."""
    text = call.request.get_data(as_text=True)
    return (
        REQUEST_BYTES
        + 4 * len(call.target.raw)
        + 4 * len(text)
        + MARK_BYTES * (marks(text) + call.target.raw.count("&"))
    )
