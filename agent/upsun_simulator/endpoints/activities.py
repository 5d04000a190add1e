"""Lists of activities, single ones, their logs, and cancelling."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from upsun_simulator.activity_queue import settle
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.activity import activity as activity_document
from upsun_simulator.documents.activity import log_items, shown_state
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.operations import deployments
from upsun_simulator.permissions import allowed

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from upsun_simulator.activity import Activity
    from upsun_simulator.call import Call

MOST = 100
LOG_POLL_SECONDS = 0.05
LINES = "application/x-ndjson"
FILTERS = ("type", "state", "result")


def project_activities(call: Call) -> Response:
    """Answer with the project's activities, newest first."""
    return _listing(call, None)


def environment_activities(call: Call) -> Response:
    """Answer with an environment's activities, newest first."""
    return _listing(call, named_environment(call).id)


def _listing(call: Call, environment: str | None) -> Response:
    found = islice(_matching(call, environment), _count(call))
    return document([activity_document(call.state, one) for one in found])


def _matching(call: Call, environment: str | None) -> Iterator[Activity]:
    """Return the activities that the query asks for, the newest first; at the same time, the last one first.

    `starts_at` is the latest moment of creation that is wanted, so that moment is included: the official client calls
    it the maximum created date, and drops by its id what a page repeats. So paging by the last item's `created_at`
    loses no activity, unless more than a page have the same one.
    """
    before = _starts_at(call)
    wanted = {name: call.target.query.get(name) for name in FILTERS}
    for one in reversed(call.state.activities):
        if environment is not None and not one.listed_for(environment):
            continue
        if one.visible_from > call.now or (before is not None and one.created_at > before):
            continue
        seen = {"type": one.type, "state": shown_state(call.state, one), "result": one.result}
        if all(values is None or seen[name] in values for name, values in wanted.items()):
            yield one


def _count(call: Call) -> int:
    text = call.first("count")
    if text is None:
        return max(1, call.state.scenario.page_size)
    if not text.isdigit():
        raise Refusal(HTTPStatus.BAD_REQUEST, "The parameter count must be a number.")
    # The official CLI asks for 0 when it wants as many as possible.
    return min(int(text) or MOST, MOST)


def _starts_at(call: Call) -> datetime | None:
    text = call.first("starts_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The parameter starts_at must be a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _named_activity(call: Call) -> Activity:
    environment = named_environment(call).id if "environment" in call.values else None
    one = call.state.by_id.get(call.values["activity"])
    if one is None or one.readable_from > call.now or (environment is not None and not one.listed_for(environment)):
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such activity.")
    return one


def activity(call: Call) -> Response:
    """Answer with one activity."""
    return document(activity_document(call.state, _named_activity(call)))


def cancel(call: Call) -> Response:
    """Cancel a pending or running activity."""
    one = _named_activity(call)
    if not allowed(call.state, call.state.environments[one.environment], call.bearer().user):
        raise Refusal(HTTPStatus.FORBIDDEN, "You do not have permission to cancel this activity.")
    deployments.cancel(call.state, one)
    return accepted(call, one)


def log(call: Call) -> Response:
    """Answer with the activity's log, a line of JSON each; sealed, and so complete, once the activity is over."""
    one = _named_activity(call)
    start, most, delay = (_whole(call, name) for name in ("start_at", "max_items", "max_delay"))
    unknown = set(call.target.query) - {"start_at", "max_items", "max_delay"}
    if unknown:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Unknown parameters: {', '.join(sorted(unknown))}.")
    if one.unfinished and call.closing is not None:
        lines = _follow(call, call.closing, one, start, most, delay)
        return Response(lines, content_type=LINES)
    return Response("".join(_known_lines(one, start, most)), content_type=LINES)


def _whole(call: Call, name: str) -> int:
    text = call.first(name)
    try:
        return int(text or 0)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The parameter {name} must be a number.") from None


def _known_lines(one: Activity, start: int, most: int) -> list[str]:
    items = log_items(one)[start:]
    lines = [json.dumps(item) + "\n" for item in (items[:most] if most > 0 else items)]
    whole = not one.unfinished and len(lines) == len(items)
    return [*lines, json.dumps({"seal": True}) + "\n"] if whole else lines


def _follow(call: Call, closing: threading.Event, one: Activity, start: int, most: int, delay: int) -> Iterator[str]:
    """Write lines as they come, until the seal, enough items, or `delay` seconds (0 or less: no limit)."""
    platform = call.platform
    given_up_at = time.monotonic() + delay if delay > 0 else None
    sent = 0
    while not closing.is_set():
        with platform.lock:
            settle(platform.state, platform.clock.now())
            lines = _known_lines(one, start + sent, most - sent if most > 0 else 0)
        yield from lines
        sent += len(lines)
        sealed = bool(lines) and "seal" in json.loads(lines[-1])
        enough = 0 < most <= sent
        late = given_up_at is not None and time.monotonic() >= given_up_at
        if sealed or enough or late:
            return
        closing.wait(LOG_POLL_SECONDS)
