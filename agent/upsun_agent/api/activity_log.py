"""Read the platform's log of an activity, lines of JSON with an end mark, within limits of size and time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from upsun_agent.api.client import Client
from upsun_agent.limits import ACTIVITY_LOG_DEADLINE, ACTIVITY_LOG_DELAY, ACTIVITY_LOG_MOST_BYTES
from upsun_agent.log.redaction import Redaction
from upsun_agent.model.resource_paths import project_path, segment


class ActivityLog(Struct, frozen=True):
    """The log of an activity; ``sealed`` if the platform marked its end, else more lines may follow."""

    #: The lines of the log.
    lines: tuple[str, ...]
    #: Whether the log is complete.
    sealed: bool


def read_activity_log(client: Client, project: str, activity: str, redaction: Redaction) -> ActivityLog:
    """Return the log of an activity, redacted, as much as arrives within the limits of bytes and time.

    Args:
        client: the API.
        project: the id of the project.
        activity: the id of the activity.
        redaction: hides secrets in the log.

    Raises:
        NotFound: there is no such activity.
        Unreachable: not even the beginning came.
    """
    asked = urlencode({"start_at": 0, "max_items": 0, "max_delay": ACTIVITY_LOG_DELAY})
    path = f"{project_path(project, f'/activities/{segment(activity)}/log')}?{asked}"
    reply = client.some(path, "activity log", ACTIVITY_LOG_MOST_BYTES, ACTIVITY_LOG_DEADLINE)
    lines = reply.body.split(b"\n")
    if not reply.whole:
        lines = lines[:-1]  # the last line may be incomplete
    stream, parts, sealed = redaction.stream(), [], False
    for item in _items(lines):
        if item.get("seal") is True:
            sealed = True
            break
        parts.append(stream.feed(_message(item)))
    text = "".join([*parts, stream.end()])
    return ActivityLog(tuple(without_tabs(text).rstrip("\n").split("\n")) if text else (), sealed)


def without_tabs(text: str) -> str:
    """Return lines of a log without tabs and without trailing blanks."""
    return "\n".join(line.rstrip() for line in text.expandtabs(8).split("\n"))


def _items(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the items of a log, each once; lines that are not valid are skipped."""
    seen: set[str] = set()
    for line in lines:
        try:
            item: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(item, dict):
            continue
        identity = item.get("_id")
        if isinstance(identity, str):
            if identity in seen:
                continue
            seen.add(identity)
        yield item


def _message(item: dict[str, Any]) -> str:
    data = item.get("data")
    message = data.get("message") if isinstance(data, dict) else None
    return message if isinstance(message, str) else ""
