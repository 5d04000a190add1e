"""All decisions as values, and what a decision may use besides the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from upsun_agent.model import events as ev
from upsun_agent.model.answers import Question, Trouble


class Look(Struct, frozen=True):
    """Find the answer to a question, then decide again."""

    #: What must be read before anything can be decided.
    question: Question


class Send(Struct, frozen=True):
    """Write and sync the intent, then make this one request, then record its answer."""

    #: The event that is written and synced before the request.
    intent: ev.IntentRecorded
    #: The kind of activity that the request starts.
    activity_type: str
    #: The path of the request.
    path: str
    #: The body of the request.
    body: Mapping[str, Any]


class Execute(Struct, frozen=True):
    """Write and sync the intent, then run this one command here, then record how it ended.

    ``command`` holds the arguments, or one text for the shell; ``within`` is its time limit in seconds; ``keep`` names
    the variables that it gets even where they hold the API token.
    """

    #: The event that is written and synced before the command starts.
    intent: ev.IntentRecorded
    #: The arguments, or one text for the shell.
    command: tuple[str, ...] | str
    #: The directory that it runs in.
    directory: str
    #: Its time limit, in seconds.
    within: int
    #: The variables that it gets on top of the container's.
    variables: Mapping[str, str]
    #: The names of variables that it gets even if they hold the API token.
    keep: tuple[str, ...] = ()


class Record(Struct, frozen=True):
    """Append the event, then decide again.

    ``doubtful``: it rests on an answer that may be a passing one, so it is recorded only if the answer stays.
    """

    #: The event to append.
    event: ev.Event
    #: Whether it rests on an answer that may pass, so that the answer must stay before it is recorded.
    doubtful: bool = False


class Wait(Struct, frozen=True):
    """Nothing more can be done now; ``trouble`` is set if a fault is the reason."""

    #: A stable word for what the run waits for.
    on: str
    #: The same, in words.
    message: str
    #: The fault that is the reason; None if there is none.
    trouble: Trouble | None = None


class Rest(Struct, frozen=True):
    """The run is closed."""


Decision = Look | Send | Execute | Record | Wait | Rest


class Background(Struct, frozen=True):
    """What a decision may use besides the run.

    ``claimed``: activities of other steps and runs. ``manual_limit``: the backup quota last seen. ``zone``: the job's.
    ``platform_now``: the platform's clock at its last answer in this tick, None where none told it.
    """

    #: The ids of activities that belong to other steps and runs.
    claimed: frozenset[str] = frozenset()
    #: How many manual backups the project keeps, as last seen; None if that is not known.
    manual_limit: int | None = None
    #: The time zone of the job.
    zone: tzinfo = UTC
    #: The platform's clock at its last answer in this tick; None if there was no answer.
    platform_now: datetime | None = None
    #: Whether what commits changed may be read; False where nothing may be asked.
    may_read: bool = True
