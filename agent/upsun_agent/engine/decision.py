"""What can be decided, as values; and what a decision may know beyond the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from upsun_agent.model import events as ev
from upsun_agent.model.answers import Question, Trouble


class Look(Struct, frozen=True):
    """Find the answer to a question, then decide again."""

    question: Question


class Send(Struct, frozen=True):
    """Write and sync the intent, then make this one request, then record what came of it."""

    intent: ev.IntentRecorded
    activity_type: str
    path: str
    body: Mapping[str, Any]


class Execute(Struct, frozen=True):
    """Write and sync the intent, then run this one command here, then record how it ended.

    ``command`` holds the arguments, or one text for the shell; ``within`` is its time limit in seconds; ``keep`` names
    the variables that it gets even where they hold the API token.
    """

    intent: ev.IntentRecorded
    command: tuple[str, ...] | str
    directory: str
    within: int
    variables: Mapping[str, str]
    keep: tuple[str, ...] = ()


class Record(Struct, frozen=True):
    """Append the event, then decide again.

    ``doubtful``: it rests on an answer that may be a passing one, so it is recorded only if the answer stays.
    """

    event: ev.Event
    doubtful: bool = False


class Wait(Struct, frozen=True):
    """Nothing more can be done now; ``trouble`` is set where that is because of a fault."""

    on: str
    message: str
    trouble: Trouble | None = None


class Rest(Struct, frozen=True):
    """The run is closed."""


Decision = Look | Send | Execute | Record | Wait | Rest


class Background(Struct, frozen=True):
    """What is known beyond the run.

    ``claimed``: activities of other steps and runs. ``manual_limit``: the backup quota last seen. ``zone``: the job's.
    ``platform_now``: the platform's clock at its last answer in this tick, None where none told it.
    """

    claimed: frozenset[str] = frozenset()
    manual_limit: int | None = None
    zone: tzinfo = UTC
    platform_now: datetime | None = None
