"""The bounds that decisions rest on, with the reason beside each. Seconds unless the name says otherwise."""

from __future__ import annotations

from datetime import timedelta

ATTEMPTS_MOST = 3  # requests of one step that may vanish without a trace before a human should look

#: An unanswered request shows in the activity list by then: the request's deadline of 25 s plus a list that lags
#: 30 s, doubled.
SETTLE = timedelta(seconds=120)

#: How far two clocks of the platform may be apart: a Date header knows whole seconds only and may come from another
#: host than the one that dates activities.
CLOCKS_APART = timedelta(seconds=10)

#: An answer that may be a passing one (an activity that is not found, ends without a result, or is missing in the
#: list) is believed only if it is still the same after this long: the platform's reads can lag by minutes, and three
#: ticks come in between.
DOUBT_SETTLE = timedelta(seconds=900)

#: A clear failure is read once more before a rollback or another request follows: at the next tick, at the earliest.
RECHECK_PAUSE = timedelta(seconds=60)

#: A push that a source operation causes shows by then. With a source integration it goes to the external repository
#: first and comes back as a push of its own (https://developer.upsun.com/docs/configure-apps/source-operations).
JUDGE_SETTLE = timedelta(seconds=180)

#: A backup whose activity has ended shows by then.
BACKUP_APPEAR = timedelta(seconds=120)

#: A commit without any sign of a deployment for this long is a failure.
DEPLOY_APPEAR = timedelta(seconds=1800)

#: How late a slot is still on time: what the platform itself causes (20 min offset, a backup in the way, one tick).
ON_TIME = timedelta(seconds=1800)

#: The longest pause before a step is tried again, however often it failed.
RETRY_PAUSE_MOST = timedelta(hours=6)

#: A moment later than now by more than this was kept by a clock that was ahead. Two machines that share a journal may
#: differ by some minutes.
CLOCK_AHEAD = timedelta(hours=1)

#: Another clock than the platform's by more than this is wrong, and the platform's is used.
CLOCK_WRONG = timedelta(minutes=5)

#: A gap between ticks longer than this asks whether the state was rewound by a restore.
TICK_GAP = timedelta(seconds=1800)

#: How long a run whose steps are all done stays open to read what changed: until the next tick.
CHANGES_WITHIN = timedelta(seconds=240)

#: Changes of packages of one commit that are kept, some 150 bytes each; the rest is counted.
CHANGES_MOST = 500
