"""All keys of the journal's notes: facts that are kept beside the events (``Journal.note``, ``noted``, ``notes``).

A key that ends with a colon is the beginning of keys; what follows it is said on its line. No note holds a secret.
Times are ISO 8601 with their zone where nothing else is said.
"""

from __future__ import annotations

from datetime import UTC, datetime

from upsun_agent.platform.paths import LAST_MOMENT

# --- who works on the journal: journal/sqlite.py (on a server, the journal's own row says it) -----------------------

#: Who holds the lease and until when: seconds since 1970, a space, the holder. Deleted when the lease is released.
LEASE = "lease"
#: When a lease that ends later than any can was first seen: seconds since 1970, a space, the lease's text.
LEASE_SEEN = "lease-seen"

# --- is the journal of the present? runtime/tick.py, runtime/clock_repair.py -----------------------------------------

#: The identity of the container of the last tick (journal/lock.py: host, boot, PID name space).
CONTAINER = "container"
#: Since when it is unknown whether a restore rewound the journal. Deleted once it is known.
UNSURE_SINCE = "unsure-since"
#: When `upsun-agent run` last worked on a journal that no tick has worked on: seconds since 1970.
LAST_BY_HAND = "last-by-hand"

# --- what the platform said: runtime/advance.py ----------------------------------------------------------------------

#: How many manual backups the project keeps, as it was last seen: a number.
MANUAL_BACKUP_LIMIT = "manual-backup-limit"

# --- jobs that are paused or suspended: runtime/suspension.py --------------------------------------------------------

#: + job: why the job is paused or suspended now, and since when, in words. Kept when a journal is set aside.
SUSPENDED = "suspended:"
#: + job, colon, since when: until when it was, a space, why. One for each time in the past.
SUSPENDED_BEFORE = "suspended-before:"

# --- runs: runtime/admission.py, journal/counters.py ------------------------------------------------------------------

#: + run: the seal of an open run's events (journal/seals.py). Deleted with the event that closes the run.
SEAL = "seal:"
#: Says that runs of this journal are sealed: a code of the journal's identity.
SEALED = "sealed"
#: + job, colon, outcome: of the runs that were pruned how many, how many seconds they took, when the first was opened.
FORGOTTEN = "forgotten:"

# --- a journal that took another's place: journal/replacement.py ------------------------------------------------------

#: When the journal was begun in another's place, the kind (damaged, foreign, rewound) and why. Never deleted.
BEGUN_ANEW = "begun-anew"
#: Why the journal before this one was lost. Deleted once people were notified.
LOSS_UNTOLD = "lost:why"
#: + run: the JSON of the opening event of a run that was in flight in the lost journal. Deleted once it is closed here.
LOST_RUN = "lost:run:"

# --- a journal that is moved to another place: journal/move_marks.py --------------------------------------------------

#: The prefix of both marks; a move copies neither.
MOVE_MARKS = "move:"
#: On the source: the place it was moved to.
MOVED_TO = f"{MOVE_MARKS}to"
#: On the target, while the move lasts: the place it is moved from.
MOVING_FROM = f"{MOVE_MARKS}from"

# --- notifications: notify/outbox.py ----------------------------------------------------------------------------------

#: What the keys of both kinds of outbox notes begin with, to read them at once.
OUTBOX_ALL = "outbox"
#: + message: the JSON of a message that waits for delivery. Deleted when it is delivered or given up.
OUTBOX = f"{OUTBOX_ALL}:"
#: + channel: as JSON how many messages were given up since one was last delivered, when the last was, and why.
OUTBOX_LOST = f"{OUTBOX_ALL}-lost:"
#: When the dead-man's switch was last pinged.
LAST_PING = "heartbeat"


def moment_of(text: str | None) -> datetime | None:
    """Return the time that a note holds; None if it is not ISO 8601 with a zone."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def moment_at(seconds: float | None) -> datetime | None:
    """Return the time for seconds since 1970; None if there is no value, or it is not a possible time."""
    if seconds is None or not 0 < seconds < LAST_MOMENT:
        return None
    return datetime.fromtimestamp(seconds, UTC)
