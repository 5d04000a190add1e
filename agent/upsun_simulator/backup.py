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

    id: str
    number: int
    environment: str
    created_at: datetime
    commit_id: str
    safe: bool
    restorable: bool
    automated: bool
    activity: str | None = None
    status: Literal["CREATED", "DELETING"] = "CREATED"
    evicted_at: datetime | None = None
    # A restore deploys the variables of the backup, too (https://developer.upsun.com/docs/environments/restore).
    variables: list[Variable] = field(default_factory=list)
