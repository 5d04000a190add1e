"""Whole runs that tell people: the tick's stage, with channels to real receivers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.harness import canaries
from tests.harness.environment import bare_environment
from tests.harness.receivers import Mailbox, Receiver, mailbox, receiver
from tests.harness.stage import JOB, START, Stage, build

__all__ = ["bare_environment"]


@pytest.fixture
def ear() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
    for request in found.requests:
        canaries.search(request.body, "a ping's body")
        signed = {name: value for name, value in request.headers.items() if name != "host"}
        canaries.search(str(signed), "a ping's headers")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as found:
        yield found
    for mail in found.mails:
        canaries.search(mail.as_bytes(), "a mail")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Stage]:
    numbers = count()

    def build_here(more: str, *, jobs: str = JOB, environ: dict[str, str] | None = None, **scenario: Any) -> Stage:
        place = tmp_path / str(next(numbers))
        place.mkdir(parents=True)
        stage = build(place, START, f"{more}\n{jobs}", **scenario)
        stage.environ = environ or {}
        return stage

    return build_here
