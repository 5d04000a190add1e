"""Change answers as a fault demands."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from upsun_simulator.answers import challenge, error, unauthorised, unknown_client, unknown_token
from upsun_simulator.compression import packed
from upsun_simulator.faults import CUTS, ConnectionCut
from upsun_simulator.permissions import MFA

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator.call import Call
    from upsun_simulator.faults import Fault

ELSEWHERE = "https://elsewhere.invalid"
HTML = "text/html; charset=utf-8"
PAGE = "<!doctype html><title>Sorry</title><p>We are down for maintenance.</p>"
GATEWAY = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {phrase}</h1></center>\r\n"
    "<hr><center>gateway</center>\r\n</body>\r\n</html>\r\n"
)
CAPTIVE = (
    "<!DOCTYPE html><html><head><title>Guest network</title></head><body><h1>Sign in to the network</h1>"
    '<form method="post" action="/login"><input name="user"><input name="password" type="password"></form>'
    "</body></html>"
)
# How activities look through a fault, whatever they are in truth.
LOOKS: dict[str, dict[str, Any]] = {
    "complete-null": {"state": "complete", "result": None, "failure_reason": None},
    "unknown-result": {"state": "complete", "result": "partial", "failure_reason": None},
    "unknown-state": {"state": "finished", "result": "success", "failure_reason": None},
}


def corrupted(fault: Fault, answer: Response | None, call: Call) -> Response | None:
    """Return the answer changed by the fault; raise ConnectionCut if none is sent.

    Args:
        fault: what happens to the answer.
        answer: the whole answer; None: the request was not carried out.
        call: the request.
    """
    if fault.kind in CUTS:
        cut = ConnectionCut(fault.kind, seconds=fault.pause)
        if answer is not None:
            cut.body = packed(call.request, answer).get_data()
            answer.date = call.now
            cut.status, cut.headers = answer.status, list(answer.headers)
        raise cut
    if fault.kind in INSTEAD:
        answer = INSTEAD[fault.kind](fault)
    elif fault.kind == "redirect":
        answer = Response(status=fault.status or HTTPStatus.FOUND)
        answer.headers["Location"] = ELSEWHERE + call.target.raw
    elif answer is not None and fault.kind in ("empty", "json"):
        answer.set_data(fault.body or "")
        answer.status_code = fault.status or answer.status_code
    elif answer is not None and fault.kind in (*LOOKS, "not-listed"):
        _change(answer, fault.kind, call)
    if answer is not None and fault.retry_after is not None:
        answer.headers["Retry-After"] = fault.retry_after
    return answer


def _status(fault: Fault) -> Response:
    return error(fault.status or HTTPStatus.INTERNAL_SERVER_ERROR, "A simulated fault.")


def _gateway(fault: Fault) -> Response:
    status = fault.status or HTTPStatus.FORBIDDEN
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return Response(GATEWAY.format(status=int(status), phrase=phrase), status=int(status), content_type="text/html")


# What is answered instead of what the platform would say.
INSTEAD: dict[str, Callable[[Fault], Response]] = {
    "status": _status,
    "status-after": _status,
    "expired-bearer": lambda _: unauthorised("The access token has expired.").response(),
    "html": lambda fault: Response(PAGE, status=fault.status, content_type=HTML),
    "gateway": _gateway,
    "refused-empty": lambda fault: Response(status=fault.status),
    "captive": lambda _: Response(CAPTIVE, status=HTTPStatus.OK, content_type=HTML),
    "step-up": lambda _: challenge(MFA).response(),
    "absent": lambda _: error(HTTPStatus.NOT_FOUND, "The requested resource does not exist."),
    "invalid-grant": lambda _: unknown_token("invalid_grant").response(),
    "request-unauthorized": lambda _: unknown_token("request_unauthorized").response(),
    "invalid-client": lambda _: unknown_client().response(),
}


def _change(answer: Response, kind: str, call: Call) -> None:
    """Change the activities or the items in an answer; leave other answers unchanged."""
    try:
        content = json.loads(answer.get_data())
    except ValueError:
        return
    if kind == "not-listed":
        content = content[1:] if isinstance(content, list) else content
    else:
        for one in _activities(content):
            done_at = one["completed_at"] or call.now.isoformat(timespec="microseconds")
            one.update(LOOKS[kind], completion_percent=100, completed_at=done_at)
    answer.set_data(json.dumps(content))


def _activities(content: Any) -> list[dict[str, Any]]:
    """Return the activities in an answer: itself, its items, or embedded ones."""
    if isinstance(content, dict):
        embedded = content.get("_embedded", {}).get("activities", [])
        found = [content, *embedded]
    else:
        found = content if isinstance(content, list) else []
    return [one for one in found if isinstance(one, dict) and "completion_percent" in one]
