"""Read the activities of an environment or project page by page; the pages are smaller if activities are large.

A push carries its log and its whole deployment, so ten of them can be a megabyte. A list that cannot be read whole is
returned as far as it goes, marked as not complete: what was found in it can still be judged.

A page begins with the moment at which the one before ended, so that nothing of that moment is left out, whether or not
the API counts the moment itself in. Where a page of one moment brings nothing new, a larger one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from upsun_agent.api.http import Reply
from upsun_agent.api.models import read_activity, read_list
from upsun_agent.api.replies import TooLarge, document, server_time
from upsun_agent.engine.bounds import CLOCKS_APART
from upsun_agent.errors import BadReply
from upsun_agent.limits import ACTIVITIES_MOST, PAGE_LARGEST, PAGE_SIZE, PAGES_MOST
from upsun_agent.model.answers import Activity, ActivityList

FEWER = 3  # a page that is too large is asked for again with a third of its items
MOMENT = timedelta(microseconds=1)  # the least that two dates of the API differ by


def activities(
    page: Callable[[int, str | None], Reply],
    now: datetime,
    *,
    types: Collection[str] = (),
    since: datetime | None = None,
    incomplete: bool = False,
) -> ActivityList:
    """Return activities, newest first: back to ``since``, all that are incomplete, or one page.

    Raises:
        TooLarge: not even the newest one can be read.
        BadReply: the answer is not a list of activities.

    Args:
        page: asks for so many activities that were created before a moment; raises TooLarge.
        now: the time where the server does not say its own.
        types: what ``page`` asks for; an unreadable activity of another type does not matter.
        since: the moment up to which the list has to reach.
        incomplete: whether ``page`` asks for running ones only. Then one that cannot be read is a BadReply: nobody
            may act beside it.
    """
    found: dict[str, Activity] = {}
    server_at, before, whole = now, None, True
    count, largest = PAGE_SIZE, PAGE_LARGEST
    for _ in range(PAGES_MOST):
        try:
            reply = page(count, before)
            items = read_list(document(reply, "activities"), "activities")
        except TooLarge:
            if count == 1 and not found:
                raise
            if count == 1:
                return ActivityList(tuple(found.values()), server_at, complete=False)
            largest = count = max(count // FEWER, 1)
            continue
        if before is None:
            server_at = server_time(reply, server_at)
        read, unread = _readable(items, types, strict=incomplete)
        whole = whole and not unread
        fresh = [each for each in read if each.id not in found]
        found.update({each.id: each for each in fresh})
        oldest = min((each.created_at for each in read if each.created_at), default=None)
        if len(items) < count or (not incomplete and (since is None or _reaches(oldest, since))):
            return ActivityList(tuple(found.values()), server_at, complete=whole)
        if oldest is None or (not fresh and (count >= largest or len(items) > count)):
            # The same page again, or none to go on from: all of it only where the API counts by itself.
            return ActivityList(tuple(found.values()), server_at, complete=whole and len(items) > count)
        if len(found) >= ACTIVITIES_MOST:
            break
        count = count if fresh else largest
        before = (oldest + MOMENT if count > 1 else oldest).isoformat()  # else the same one would come for ever
    return ActivityList(tuple(found.values()), server_at, complete=False)


def _reaches(oldest: datetime | None, since: datetime) -> bool:
    return oldest is not None and oldest < since - CLOCKS_APART


def _readable(items: list[Any], types: Collection[str], *, strict: bool) -> tuple[list[Activity], int]:
    """Return the readable activities, and how many of the requested ones are not readable."""
    found, unread = [], 0
    for item in items:
        if not isinstance(item, dict):
            raise BadReply("activities: an item of the list is not an object")
        try:
            found.append(read_activity(item))
        except BadReply:
            if strict:
                raise
            unread += not types or not isinstance(item.get("type"), str) or item["type"] in types
    return found, unread
