"""One journal of a database or directory, as a row of the fleet's table."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from upsun_agent.journal import Identity


class Member(Struct, frozen=True):
    """One journal of a database or directory, in the figures of its newest run and tick."""

    #: The owner of the journal: project, environment and app.
    identity: Identity
    #: When its last tick was; None if there was none.
    last_tick: datetime | None = None
    #: When its next tick has to look closer, as its last one worked it out; None if that is not known.
    next_due: datetime | None = None
    #: How many runs are open.
    in_flight: int = 0
    #: The job of the last run; None if there was none.
    last_job: str | None = None
    #: When the last run was opened; None if there was none.
    last_opened: datetime | None = None
    #: How the last run ended; None if it has not, or there was none.
    last_outcome: str | None = None
    #: The name of the last verified backup; None if there is none.
    proved_backup: str | None = None
    #: When it was verified; None if there is none.
    proved_at: datetime | None = None
