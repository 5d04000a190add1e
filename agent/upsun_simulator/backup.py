"""A backup as the platform stores it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.variable import Variable


@dataclass(kw_only=True, eq=False)
class Backup:
    """A copy of one environment; only manual ones count towards the limit."""

    #: The name of the backup.
    id: str
    #: Its place in the order of creation.
    number: int
    #: The id of its environment.
    environment: str
    #: When it was complete.
    created_at: datetime
    #: The head of the environment at that moment.
    commit_id: str
    #: Whether the app was stopped for it (False: a live backup).
    safe: bool
    #: Whether it can be restored.
    restorable: bool
    #: Whether the platform's schedule made it; only manual ones count towards the limit.
    automated: bool
    #: The id of the activity that made it; None for one that a test added.
    activity: str | None = None
    #: Whether somebody asked to delete it.
    status: Literal["CREATED", "DELETING"] = "CREATED"
    #: When it was removed; None while it exists.
    evicted_at: datetime | None = None
    #: The variables that were deployed when it was taken. A restore deploys them
    #: too (https://developer.upsun.com/docs/environments/restore).
    variables: list[Variable] = field(default_factory=list)
