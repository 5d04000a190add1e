"""The notifier: stores messages together with the events that cause them, and delivers them at the end of a tick.

Delivery is at least once: a message leaves the outbox after its receiver accepted it, so a process that is killed in
between delivers it again, with the same id. Failures never fail or delay a tick: they are logged, noted in the journal
and retried by a later tick.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.clock import Clock
from upsun_agent.config.notifications import Channel, Notify
from upsun_agent.engine.fold import InconsistentEvents, fold
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal import Journal
from upsun_agent.journal.notes import LAST_PING, OUTBOX_ALL, OUTBOX_LOST
from upsun_agent.limits import NOTICE_DEADLINE, NOTICES_BUDGET, NOTICES_RESERVE, RECHECK
from upsun_agent.model import events as ev
from upsun_agent.notify import outbox
from upsun_agent.notify.channels import healthchecks
from upsun_agent.notify.channels.http import HttpSender, Unusable
from upsun_agent.notify.messages import TELLING, Message, messages, state_lost, suspended
from upsun_agent.notify.outcome import Delivered, Disabled, Outcome, Partly, Undelivered
from upsun_agent.notify.render import Notification

MODULES = {"healthchecks": "healthchecks", "webhook": "webhook", "slack": "slack", "email": "mail"}
ROWS_MOST = 1000  # runs of a job that are searched for its last outcome: a paused job has many skipped runs
SECOND = 1.0  # the least time for a delivery


class Origin(Struct, frozen=True):
    """Where the agent runs, for messages."""

    #: The id of the project.
    project: str
    #: The id of the environment.
    environment: str
    #: The environment type; None if it is not known.
    environment_type: str | None
    #: The name of the app.
    app: str
    #: Whether any job of the job file runs here.
    jobs_here: bool

    @property
    def owner(self) -> tuple[str, str, str]:
        """Project, environment and app."""
        return (self.project, self.environment, self.app)


class Notifier:
    """Sends the notifications that the job file asks for, for one environment."""

    def __init__(self, notify: Notify, whose: Origin, sender: HttpSender, clock: Clock, log: Any) -> None:
        self._notify = notify
        self._whose = whose
        self._door = sender
        self._clock = clock
        self._sure = True
        self._log = log

    # --- with the events ----------------------------------------------------------------------------------------

    def news(
        self, journal: Journal, run: str, job: str, events: Iterable[ev.Event], reason: str | None = None
    ) -> Mapping[str, str | None]:
        """Return the changes of the outbox for these events, to be written in their transaction.

        ``reason`` says why they suspend the job, if they do.

        Args:
            journal: the journal.
            run: the id of the run.
            job: the name of the job.
            events: the events, in order.
            reason: why they suspend the job; None if they do not.
        """
        batch, owner = list(events), self._whose.owner
        closed = next((each for each in batch if isinstance(each, ev.RunClosed)), None)
        before = (
            _standing(journal, job, run) if closed is not None and closed.outcome == ev.RunOutcome.SUCCEEDED else None
        )
        found = messages(self._notify, owner, run, job, batch, before)
        if closed is not None and reason is not None:
            found += suspended(self._notify, owner, run, job, closed.at, reason)
        return outbox.added(journal.notes(OUTBOX_ALL), found, self._clock.now()) if found else {}

    def loss(self, journal: Journal, why: str, at: datetime) -> Mapping[str, str | None]:
        """Return the changes of the outbox for a lost journal; none if no job runs here.

        Args:
            journal: the journal.
            why: why the journal was set aside, in words.
            at: when it was noticed.
        """
        if not self._whose.jobs_here:
            return {}
        return outbox.added(journal.notes(OUTBOX_ALL), state_lost(self._notify, self._whose.owner, at, why), at)

    # --- at the end of a tick -----------------------------------------------------------------------------------

    def keep_time(self, clock: Clock) -> None:
        """Use the tick's clock from now on; it may have been corrected by the platform's."""
        self._clock = clock

    def tell(self, journal: Journal, left: float, *, sure: bool = True, beats: bool = True) -> None:
        """Deliver waiting messages; never raises.

        Args:
            journal: holds the outbox.
            left: seconds that are left of the tick; its end needs some of them.
            sure: whether the clock is trusted; if not, no message is given up for its age.
            beats: also ping the heartbeat, if it is time.
        """
        self._sure = sure
        end = self._clock.monotonic() + min(NOTICES_BUDGET, left - NOTICES_RESERVE)
        try:
            if beats:
                self._beat(journal, end)
            self._deliver_all(journal, end)
        except StateNotWritable as error:  # the rest of the tick fails with it too and reports it
            self._log.warning("notice-delayed", message=str(error))
        finally:
            self.close()

    def close(self) -> None:
        """Close connections."""
        self._door.transport.close()

    def next_at(self, journal: Journal) -> datetime:
        """Return when a tick must deliver a message or ping the heartbeat; far in the future if nothing waits."""
        now, facts = self._clock.now(), journal.notes(OUTBOX_ALL)
        found = outbox.waiting(facts)
        heads = {each.channel: each for each in reversed(found) if not each.to}  # the others wait for these
        partly = [each for each in found if each.to]
        moments = [outbox.next_attempt(message, now) for message in [*heads.values(), *partly]]
        heartbeat = self._notify.heartbeat
        if heartbeat is not None and self._whose.jobs_here:
            moments.append(outbox.next_beat(journal.notes(LAST_PING), heartbeat.every, now))
        return min(moments, default=now + timedelta(seconds=RECHECK))

    def _beat(self, journal: Journal, end: float) -> None:
        """Ping the heartbeat if it is time and a job runs here.

        A child environment that inherits the variable must not ping in place of its parent.
        """
        heartbeat, now = self._notify.heartbeat, self._clock.now()
        if heartbeat is None or not self._whose.jobs_here:
            return
        if outbox.next_beat(journal.notes(LAST_PING), heartbeat.every, now) > now or self._room(end) < SECOND:
            return
        outcome = self.beat(min(NOTICE_DEADLINE, self._room(end)))
        if isinstance(outcome, Delivered):
            journal.note(LAST_PING, now.isoformat(timespec="seconds"))
        elif isinstance(outcome, Undelivered):
            self._log.warning("heartbeat-failed", message=outcome.reason)

    def beat(self, seconds: float = NOTICE_DEADLINE) -> Outcome:
        """Ping the heartbeat now, and return the result."""
        heartbeat = self._notify.heartbeat
        if heartbeat is None:
            return Disabled("the job file names no heartbeat")
        said = f"a tick on {self._whose.environment} ({self._whose.project})"
        return _guarded(lambda: healthchecks.beat(heartbeat.url_variable, said, self._door, seconds))

    def alarm(self, reason: str) -> None:
        """Report to the heartbeat that a tick could not work; never raises.

        Such a tick cannot open the journal, which holds the outbox and the time of the last ping.
        """
        heartbeat = self._notify.heartbeat
        if heartbeat is None or not self._whose.jobs_here:
            return
        said = f"a tick on {self._whose.environment} ({self._whose.project}) could not work: {reason}"
        variable, sender = heartbeat.url_variable, self._door
        try:
            outcome = _guarded(lambda: healthchecks.beat(variable, said, sender, NOTICE_DEADLINE, failed=True))
        finally:
            self.close()
        if isinstance(outcome, Undelivered):
            self._log.warning("heartbeat-failed", message=outcome.reason)

    def _deliver_all(self, journal: Journal, end: float) -> None:
        facts, now = journal.notes(OUTBOX_ALL), self._clock.now()
        for key in outbox.unreadable(facts):
            self._log.error("notice-lost", message=f"{key} cannot be read")
            journal.note(key, None)
        held_up: set[str] = set()
        for message in outbox.waiting(facts):
            if self._room(end) < SECOND:
                return
            if outbox.rests(message, now):
                if message.to:
                    continue  # most recipients have it: later messages need not wait
                held_up.add(message.channel)  # later messages on the channel wait for it
            if message.channel in held_up:
                continue
            if not self._deliver(journal, message, min(NOTICE_DEADLINE, self._room(end))) and not message.to:
                held_up.add(message.channel)

    def _room(self, end: float) -> float:
        return end - self._clock.monotonic()

    def _deliver(self, journal: Journal, message: Message, seconds: float) -> bool:
        """Try to deliver the message once and record the result; return False if the channel should not be used now."""
        keys = {"channel": message.channel, "event_type": message.event_type, "job": message.job, "run": message.run}
        began, now = self._clock.monotonic(), self._clock.now()
        channel = self._notify.channels.get(message.channel)
        if channel is None:
            self._change(journal, message, outbox.dropped(message))
            self._log.info("notice-dropped", **keys, reason="the job file names no such channel any more")
            return True
        if self._sure and outbox.is_stale(message, now):
            return self._lose(journal, message, message.reason or "no tick could deliver it in time", keys)
        outcome = self._attempt(journal, channel, message, seconds)
        took = round(self._clock.monotonic() - began, 3)
        match outcome:
            case Delivered(remark):
                self._change(journal, message, outbox.delivered(message))
                more = {"message": remark} if remark else {}
                self._log.info("notice-told", **keys, attempt=message.attempts + 1, duration_s=took, **more)
                return True
            case Disabled(reason):
                self._change(journal, message, outbox.dropped(message))
                self._log.info("notice-dropped", **keys, reason=reason)
                return True
            case Partly(reason, again, refused):
                lost = outbox.given_up(journal.notes(OUTBOX_LOST), message, reason, now) if refused else {}
                if refused:
                    self._log.warning("notice-refused", **keys, message=reason, attempt=message.attempts + 1)
                if again:
                    self._delay(journal, replace(message, to=again), reason, keys, lost)
                else:
                    self._change(journal, message, lost)
                return True
            case Undelivered(reason, for_good):
                if for_good:
                    return self._lose(journal, message, reason, keys)
                return self._delay(journal, message, reason, keys)

    def _delay(
        self,
        journal: Journal,
        message: Message,
        reason: str,
        keys: Mapping[str, str],
        lost: Mapping[str, str | None] | None = None,
    ) -> bool:
        """Let the message wait for another attempt, or give it up; return whether it was given up.

        ``lost`` are further changes, for recipients that were given up already.
        """
        spread = random.random()  # noqa: S311  spreads load, keeps no secret  # nosec B311
        later = outbox.failed(message, reason, self._clock.now(), spread)
        if later is None:
            return self._lose(journal, message, reason, keys)
        self._change(journal, message, {**(lost or {}), **outbox.kept(later)})
        again = later.again_at.isoformat(timespec="seconds") if later.again_at else None
        self._log.warning("notice-delayed", **keys, message=reason, attempt=later.attempts, again_at=again)
        return False

    def _lose(self, journal: Journal, message: Message, reason: str, keys: Mapping[str, str]) -> bool:
        """Give the message up, and return True: the next message may still be delivered."""
        now = self._clock.now()
        self._change(journal, message, outbox.given_up(journal.notes(OUTBOX_LOST), message, reason, now))
        self._log.error("notice-lost", **keys, message=reason, attempt=message.attempts + 1)
        return True

    @staticmethod
    def _change(journal: Journal, message: Message, changes: Mapping[str, str | None]) -> None:
        journal.append(message.run, notes=changes)  # without an event, but all changes in one transaction

    def _attempt(self, journal: Journal, channel: Channel, message: Message, seconds: float) -> Outcome:
        missing = outbox.lost(journal.notes(OUTBOX_LOST)).get(channel.name)
        try:
            events = journal.events(message.run) if message.run else []
            run = fold(events) if events else None
        except (InconsistentEvents, StateNotWritable):
            events, run = [], None  # the message's own text says why a tick closed the run
        whose = self._whose
        notification = Notification(
            message,
            whose.project,
            whose.environment,
            whose.environment_type,
            whose.app,
            run,
            tuple(events),
            missing.count if missing else 0,
        )
        return self.send(notification, channel, seconds)

    def send(self, notification: Notification, channel: Channel, seconds: float = NOTICE_DEADLINE) -> Outcome:
        """Try to deliver a notification now, and return the result.

        Args:
            notification: what is told.
            channel: the channel.
            seconds: the time limit.
        """
        module = import_module(f"upsun_agent.notify.channels.{MODULES[channel.kind]}")  # import only the kinds in use
        return _guarded(lambda: module.deliver(notification, channel, self._door, seconds))

    def test(self, channel: Channel, identity: str) -> Outcome:
        """Send a test message on the channel now, without the outbox, and return the result."""
        message = Message(
            identity, channel.name, ev.EventType.TEST, "", "", self._clock.now(), "asked for by `notify test`"
        )
        whose = self._whose
        notification = Notification(message, whose.project, whose.environment, whose.environment_type, whose.app)
        return self.send(notification, channel)


def _guarded(attempt: Callable[[], Outcome]) -> Outcome:
    """Return the result of an attempt; errors of a delivery must not reach the tick."""
    try:
        return attempt()
    except Unusable as error:
        return Undelivered(str(error))
    except Exception as error:  # noqa: BLE001  its text may quote what the receiver sent: only its kind is told
        return Undelivered(f"unexpected {type(error).__name__}")


def _standing(journal: Journal, job: str, run: str) -> str | None:
    """Return the job's last outcome before this run that is succeeded, failed or missed; None without one."""
    rows = journal.rows(job=job, most=ROWS_MOST)
    return next((row.outcome for row in rows if row.run != run and row.outcome in TELLING), None)
