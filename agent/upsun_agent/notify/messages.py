"""Decide which messages events call for. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct, json
from msgspec.structs import replace

from upsun_agent.config.notifications import Channel, Notify
from upsun_agent.model import events as ev

#: Outcomes that tell whether a job works; a skipped or cancelled run does not.
TELLING = frozenset({ev.RunOutcome.SUCCEEDED, ev.RunOutcome.FAILED, ev.RunOutcome.MISSED})


class Message(Struct, frozen=True):
    """One thing to tell on one channel. It holds no text of the run: that is read from the journal when it leaves.

    ``id`` is the same for the same notification on the same channel, so that a receiver can drop a duplicate.
    ``attempts`` have failed so far, the last one for ``reason``; the next may be made from ``again_at`` on.
    ``to`` names the remaining recipients if others already got it; empty means all of the channel.
    """

    #: An id that is the same whenever the same thing is told on the same channel.
    id: str
    #: The name of the channel.
    channel: str
    #: The kind of event that it is about.
    event_type: ev.EventType
    #: The name of the job; empty if it is about no job.
    job: str
    #: The id of the run; empty if it is about no run.
    run: str
    #: When it happened.
    at: ev.Moment
    #: What is told beside the run's own words.
    text: str = ""
    #: How many attempts to deliver it have failed.
    attempts: int = 0
    #: When the next attempt may be made; None for at once.
    again_at: ev.Moment | None = None
    #: Why the last attempt failed; empty if there was none.
    reason: str = ""
    #: The recipients that are left; empty for all of the channel.
    to: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the message as JSON for the outbox."""
        return json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Message:
        """Return the message of an outbox's entry; raise ValueError where it is not one."""
        try:
            return json.decode(text, type=cls)
        except RecursionError as error:
            raise ValueError(f"not a message: {error}") from None


def run_uuid(owner: Iterable[str], run: str) -> str:
    """Return the UUID of this run of this environment: always the same."""
    return str(uuid5(NAMESPACE_URL, "/".join(["upsun-agent", *owner, run])))


def messages(
    notify: Notify, owner: tuple[str, str, str], run: str, job: str, events: Iterable[ev.Event], before: str | None
) -> list[Message]:
    """Return the messages for new events of a run, channel by channel.

    Args:
        notify: the job file's settings of channels.
        owner: project, environment and app.
        run: the run's id.
        job: its job's name.
        events: the new events, not yet written.
        before: the job's last outcome that is succeeded, failed or missed; None if there is none.
    """
    batch = list(events)
    closed = next((each for each in batch if isinstance(each, ev.RunClosed)), None)
    if closed is not None:
        subject = Message("", "", _moment(closed, before), job, run, closed.at, closed.message)
        return list(_to_each(notify, owner, subject))
    opened = next((each for each in batch if isinstance(each, ev.RunOpened)), None)
    if opened is None:
        return []
    return list(_to_each(notify, owner, Message("", "", ev.EventType.STARTED, job, run, opened.at)))


def suspended(notify: Notify, owner: tuple[str, str, str], run: str, job: str, at: datetime, why: str) -> list[Message]:
    """Return the messages for a job that failed runs have suspended.

    Args:
        notify: the job file's settings of channels.
        owner: project, environment and app.
        run: the id of the run that failed last.
        job: the name of the job.
        at: when it was suspended.
        why: the reason, in words.
    """
    return list(_to_each(notify, owner, Message("", "", ev.EventType.SUSPENDED, job, run, at, why)))


def state_lost(notify: Notify, owner: tuple[str, str, str], at: datetime, why: str) -> list[Message]:
    """Return the messages for a lost or damaged journal: one for each channel, without a job or run.

    Args:
        notify: the job file's settings of channels.
        owner: project, environment and app.
        at: when the loss was found.
        why: the reason, in words.
    """
    text = f"{IN_FLIGHT}; a new journal was created: {why}"  # the remedy comes first: a subject may be cut
    what = Message("", "", ev.EventType.STATE_LOST, "", "", at, text)
    return [
        replace(each, id=run_uuid((*owner, each.channel, ev.EventType.STATE_LOST), at.isoformat()))
        for each in _to_each(notify, owner, what)
    ]


IN_FLIGHT = "runs in flight were lost: check the environment's activities"


def _moment(closed: ev.RunClosed, before: str | None) -> ev.EventType:
    if closed.outcome is ev.RunOutcome.SUCCEEDED and before in {ev.RunOutcome.FAILED, ev.RunOutcome.MISSED}:
        return ev.EventType.RECOVERED
    return ev.EventType(closed.outcome)


def _to_each(notify: Notify, owner: tuple[str, str, str], what: Message) -> Iterator[Message]:
    """Yield the message for every channel that gets it."""
    wanted = notify.notices(what.job)
    for channel in notify.channels.values():
        if channel.name in wanted.to and _hears(channel, what.event_type, wanted.on):
            identity = run_uuid((*owner, channel.name, what.event_type), what.run)
            yield replace(what, id=identity, channel=channel.name)


def _hears(channel: Channel, event_type: ev.EventType, on: frozenset[str]) -> bool:
    """Return whether the channel gets the message.

    A healthchecks check needs every start and end; other channels get the events that they name.
    """
    if event_type == ev.EventType.STATE_LOST:  # not about one job, as a check is
        return not channel.per_job and (bool(on) or channel.kind == "healthchecks")
    if channel.kind == "healthchecks":
        return event_type != ev.EventType.SUSPENDED  # the check was pinged for the failed run before it
    return event_type in on or (event_type is ev.EventType.RECOVERED and ev.EventType.SUCCEEDED in on)
