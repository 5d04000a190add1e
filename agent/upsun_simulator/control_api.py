"""Control of a running simulator over its own socket: for tests whose client is another process."""

from __future__ import annotations

import hmac
import inspect
import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from upsun_simulator.activity import Activity
from upsun_simulator.answers import JSON, Refusal, document
from upsun_simulator.backup import Backup
from upsun_simulator.body import parsed
from upsun_simulator.clock import ManualClock
from upsun_simulator.environment import Environment
from upsun_simulator.faults import Fault
from upsun_simulator.tokens import ApiToken
from upsun_simulator.user import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Request, Response

    from upsun_simulator.clock import Clock

PREFIX = "/_simulator/"
SECRET = "Simulator-Secret"  # the header that holds the secret of this start  # noqa: S105  its name  # nosec B105
ACTS = (
    "start-activity",
    "finish-activity",
    "cancel-activity",
    "add-environment",
    "add-backup",
    "drop-backup",
    "push",
    "synchronize",
    "merge",
    "restore",
    "branch",
    "activate",
    "resume",
    "deploy",
    "run-operation",
    "run-task",
    "redeploy",
    "deploy-staged",
    "set-status",
    "pause",
    "set-crons",
    "add-user",
    "add-team",
    "add-domain",
    "set-permissions",
    "accept-invitation",
    "add-variable",
    "remove-variable",
    "rotate-authority",
    "revoke-certificates",
    "add-token",
    "revoke-token",
    "expire-bearers",
)


class Controlled(Protocol):
    """What control requests need of a simulator; the actions of `ACTS` are looked up by name."""

    #: The clock; only a `ManualClock` can be moved.
    clock: Clock
    #: The faults that are planted.
    faults: list[Fault]
    #: The secret that control requests need.
    control_secret: str

    def request_log(self) -> dict[str, Any]:
        """Return the requests that reached the simulator and their answers, as JSON."""

    def change(self, **changes: Any) -> None:
        """Change fields of the scenario."""

    def add_fault(self, fault: Fault | str) -> Fault:
        """Add a fault."""


def wanted(request: Request) -> bool:
    """Return whether a request is for the simulator's control API, not for the simulated platform."""
    return request.path.startswith(PREFIX)


def answer(simulator: Controlled, request: Request) -> Response:
    """Carry out a control request; only a process on this machine that knows the secret is accepted."""
    try:
        _check_from_here(request)
        _check_secret(simulator, request)
        return document(_done(simulator, request))
    except Refusal as refusal:
        return refusal.response()
    except (ValueError, TypeError) as error:
        return Refusal(HTTPStatus.BAD_REQUEST, str(error)).response()


def _check_from_here(request: Request) -> None:
    try:
        here = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        here = False
    if not here:
        raise Refusal(HTTPStatus.FORBIDDEN, "Control requests are only answered on this machine.")


def _check_secret(simulator: Controlled, request: Request) -> None:
    """Raise a refusal without this process's secret, or for a body that an HTML form could send."""
    given = (request.headers.get(SECRET) or "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, simulator.control_secret.encode()):
        raise Refusal(HTTPStatus.FORBIDDEN, f"Control requests need the header {SECRET}: see what simulate prints.")
    if request.method != "GET" and request.mimetype != JSON:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body of a control request is {JSON}.")


def _done(simulator: Controlled, request: Request) -> Any:
    actions: dict[str, Callable[[Controlled, Any], Any]] = {
        "GET request-log": lambda one, _: one.request_log(),
        "POST scenario": _change,
        "POST faults": _plant,
        "POST clock": _turn,
        "POST act": _act,
    }
    name = f"{request.method} {request.path.removeprefix(PREFIX)}"
    if name not in actions:
        raise Refusal(HTTPStatus.NOT_FOUND, f"{name} is not one of {', '.join(actions)}.")
    return actions[name](simulator, _body(request))


def _body(request: Request) -> Any:
    text = request.get_data().decode("utf-8", "replace")
    if not text:
        return {}
    try:
        return parsed(text)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None


def _change(simulator: Controlled, body: Any) -> Any:
    simulator.change(**_object(body))
    return {"changed": sorted(body)}


def _plant(simulator: Controlled, body: Any) -> Any:
    if not isinstance(body, list) or not all(isinstance(text, str) for text in body):
        raise ValueError("the body must be a list of faults as texts")
    for fault in [Fault.parse(text) for text in body]:
        simulator.add_fault(fault)
    return {"faults": len(simulator.faults)}


def _turn(simulator: Controlled, body: Any) -> Any:
    if not isinstance(simulator.clock, ManualClock):
        raise Refusal(HTTPStatus.CONFLICT, "The simulator runs on the time of the machine.")
    seconds = _object(body).get("advance")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError("advance must be a number of seconds")
    return {"now": simulator.clock.advance(seconds).isoformat()}


def _act(simulator: Controlled, body: Any) -> Any:
    wishes = dict(_object(body))
    name = wishes.pop("do", None)
    if name not in ACTS:
        raise ValueError(f"do is {name!r}, not one of {', '.join(ACTS)}")
    action = getattr(simulator, str(name).replace("-", "_"))
    inspect.signature(action).bind(**wishes)
    return {"result": _named(action(**wishes))}


def _named(result: Any) -> Any:
    """Return the created object's id."""
    if isinstance(result, list):
        return [_named(one) for one in result]
    return result.id if isinstance(result, Activity | Backup | Environment | User | ApiToken) else None


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body
