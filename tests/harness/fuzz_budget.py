"""How many examples each fuzzer draws, each with a bound of time, and the request log of how many it really drew.

In CI they are always the same ones; with ``UPSUN_SOAK=1`` five times as many, and other ones each time.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.harness import bounded

SOAK = os.environ.get("UPSUN_SOAK") == "1"

EXAMPLES = {
    "random text as a job file": 3000,
    "a job file with a few characters changed": 3000,
    "structures in the likeness of a job file": 900,
    "variables of a container": 700,
    "arguments": 700,
    "bytes of a journal overwritten": 200,
    "an event's JSON": 1600,
    "events in any order": 400,
    "rows of a journal": 50,
}


def fuzz(name: str, **strategies: Any) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run the test for so many examples, and fail where fewer were really drawn."""
    wanted = EXAMPLES[name] * (5 if SOAK else 1)

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        drawn = 0

        @settings(
            max_examples=wanted,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(**strategies)
        def draw(**example: Any) -> None:
            nonlocal drawn
            drawn += 1
            with bounded.time():
                test(**example)

        @functools.wraps(test)
        def whole() -> None:
            nonlocal drawn
            drawn = 0
            draw()
            print(f"{name}: {drawn} examples")
            assert drawn >= wanted, f"only {drawn} examples of {wanted} were drawn"

        del whole.__wrapped__  # or pytest would take the strategies for fixtures
        return whole

    return decorate
