"""Retry a request that changes nothing after a temporary fault."""

from __future__ import annotations

import random
from collections.abc import Callable

from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.errors import AGAIN, classify
from upsun_agent.api.http import NoAnswer, Reply, TooLong
from upsun_agent.api.replies import TooLarge, retry_after
from upsun_agent.backoff import pause
from upsun_agent.clock import Clock
from upsun_agent.errors import Unreachable
from upsun_agent.limits import BACKOFF_FIRST, BACKOFF_MOST, READ_ATTEMPTS, RETRY_AFTER_MOST


def repeated(
    attempt: Callable[[], Reply], what: str, endpoints: Endpoints, clock: Clock, left: Callable[[], float]
) -> Reply:
    """Return the reply of a request that changes nothing; retry after temporary faults.

    Args:
        attempt: makes the request once.
        what: what the request is for, in messages.
        endpoints: where the services are, for remedies.
        clock: the time.
        left: returns for how many seconds requests may still be made.

    Raises:
        Unreachable: no attempt had a usable answer.
        TooLarge: the answer is too long.
    """
    for number in range(1, READ_ATTEMPTS + 1):
        wish: float | None = None
        try:
            reply = attempt()
        except TooLong as error:
            raise TooLarge(f"{what}: {error}") from None
        except NoAnswer as error:
            fault = Unreachable(f"{what}: {error}", remedy=endpoints.remedy(error.remedy))
        else:
            if classify(reply) not in AGAIN:
                return reply
            fault = Unreachable(f"{what}: the API answers {reply.status}", remedy="the next tick tries again")
            wish = retry_after(reply, clock.now())
        rest = pause(
            number,
            wish,
            random.random(),  # noqa: S311  spreads load, keeps no secret  # nosec B311
            first=BACKOFF_FIRST,
            most=BACKOFF_MOST,
            wish_most=RETRY_AFTER_MOST,
        )
        if number == READ_ATTEMPTS or rest is None or rest >= left() - 1:
            raise fault
        clock.sleep(rest)
    raise Unreachable(what)  # pragma: no cover  the loop above returns or raises
