"""Which messages an event calls for. Events and what the job file says in, messages out: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct, json
from msgspec.structs import replace

from upsun_agent.config.notifications import Channel, Notify
from upsun_agent.model import events as ev

#: What a message is about. Started, skipped and cancelled are told to healthchecks only.
EventType = Literal[
    "started", "succeeded", "recovered", "failed", "missed", "suspended", "skipped", "cancelled", "state-lost", "test"
]

#: Outcomes that say how a job stands; a skipped or cancelled run says nothing about it.
TELLING = frozenset({"succeeded", "failed", "missed"})


class Message(Struct, frozen=True):
    """One thing to tell on one channel. It holds no text of the run: that is read from the journal when it leaves.

    ``id`` is the same whenever the same thing is told on the same channel, so that a receiver can drop a double.
    ``attempts`` have failed so far, the last one for ``reason``; the next may be made from ``again_at`` on.
    ``to`` names the recipients that are left where others have got it; empty means all of the channel.
    """

    #: An id that is the same whenever the same thing is told on the same channel.
    id: str
    #: The name of the channel.
    channel: str
    #: The kind of event that it is about.
    moment: EventType
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
        """Return the message as the outbox keeps it."""
        return json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Message:
        """Return the message of an outbox's entry; raise ValueError where it is not one."""
        try:
            return json.decode(text, type=cls)
        except RecursionError as error:
            raise ValueError(f"not a message: {error}") from None


def run_uuid(owner: Iterable[str], run: str) -> str:
    """A UUID that belongs to this run of this environment, whenever it is asked for."""
    return str(uuid5(NAMESPACE_URL, "/".join(["upsun-agent", *owner, run])))


def messages(
    notify: Notify, owner: tuple[str, str, str], run: str, job: str, events: Iterable[ev.Event], before: str | None
) -> list[Message]:
    """What these new events of a run call for, channel by channel.

    Args:
        notify: what the job file says about telling.
        owner: project, environment and app.
        run: the run's id.
        job: its job's name.
        events: the events that are about to be written.
        before: the last outcome of the job that says how it stood (succeeded, failed, missed), if there is one.
    """
    batch = list(events)
    closed = next((each for each in batch if isinstance(each, ev.RunClosed)), None)
    if closed is not None:
        subject = Message("", "", _moment(closed, before), job, run, closed.at, closed.message)
        return list(_to_each(notify, owner, subject))
    opened = next((each for each in batch if isinstance(each, ev.RunOpened)), None)
    if opened is None:
        return []
    return list(_to_each(notify, owner, Message("", "", "started", job, run, opened.at)))


def suspended(notify: Notify, owner: tuple[str, str, str], run: str, job: str, at: datetime, why: str) -> list[Message]:
    """What it calls for that too many failed runs have suspended the job."""
    return list(_to_each(notify, owner, Message("", "", "suspended", job, run, at, why)))


def state_lost(notify: Notify, owner: tuple[str, str, str], at: datetime, why: str) -> list[Message]:
    """What it calls for that the journal was lost or damaged: one message a channel, about no job and no run."""
    text = f"{IN_FLIGHT}; a new journal was begun: {why}"  # what to do comes first: a subject may be cut
    what = Message("", "", "state-lost", "", "", at, text)
    return [
        replace(each, id=run_uuid((*owner, each.channel, "state-lost"), at.isoformat()))
        for each in _to_each(notify, owner, what)
    ]


IN_FLIGHT = "runs in flight were lost: look at the environment's activities"


def _moment(closed: ev.RunClosed, before: str | None) -> EventType:
    if closed.outcome == "succeeded" and before in {"failed", "missed"}:
        return "recovered"
    return closed.outcome


def _to_each(notify: Notify, owner: tuple[str, str, str], what: Message) -> Iterator[Message]:
    """The message for every channel that is to hear of it."""
    wanted = notify.notices(what.job)
    for channel in notify.channels.values():
        if channel.name in wanted.to and _hears(channel, what.moment, wanted.on):
            identity = run_uuid((*owner, channel.name, what.moment), what.run)
            yield replace(what, id=identity, channel=channel.name)


def _hears(channel: Channel, moment: EventType, on: frozenset[str]) -> bool:
    """Whether the channel is told: a check of healthchecks needs every start and end, people what they asked for."""
    if moment == "state-lost":  # a check of one job learns nothing from it
        return not channel.per_job and (bool(on) or channel.kind == "healthchecks")
    if channel.kind == "healthchecks":
        return moment != "suspended"  # the failed run before it was told
    return moment in on or (moment == "recovered" and "succeeded" in on)
