"""The commands ``notify test`` and ``notify list``: test the channels, and list messages in the outbox."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.config.notifications import HEARTBEAT, Notify
from upsun_agent.errors import EXIT_OK, ConfigInvalid, RunFailed
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.journal.notes import LAST_PING, OUTBOX_ALL, moment_of
from upsun_agent.notify import outbox
from upsun_agent.notify.messages import Message
from upsun_agent.notify.outcome import Delivered, Disabled, Outcome, Partly, Undelivered
from upsun_agent.report.document import Count, Moment, View
from upsun_agent.text.humanize import ago

if TYPE_CHECKING:
    from upsun_agent.notify.notifier import Notifier

WORDS = {Delivered: "delivered", Undelivered: "failed", Partly: "failed", Disabled: "off"}


class ChannelView(View, frozen=True, kw_only=True):
    """A channel of the job file."""

    #: Its name.
    channel: str
    #: The kind of channel.
    kind: str


class TestedView(View, frozen=True, kw_only=True):
    """The result of a test message."""

    #: The name of the channel.
    channel: str
    #: The kind of channel.
    kind: str
    #: The result in a word.
    outcome: str
    #: The details of the result; empty if there are none.
    message: str


class NotifyTestView(View, frozen=True, kw_only=True):
    """What became of a message in this attempt."""

    #: The channels.
    channels: list[TestedView]
    #: The exit code of the command.
    exit_code: Count


class WaitingView(View, frozen=True, kw_only=True):
    """A message that waits."""

    #: The id of the message.
    id: str
    #: The name of the channel.
    channel: str
    #: The event that it tells.
    event: str
    #: The name of the job.
    job: str
    #: The id of the run; null if the message is not about a run.
    run: str | None
    #: When the event happened.
    at: Moment
    #: How many times it was tried.
    attempts: Count
    #: When it is tried again; null for the next tick.
    again_at: Moment | None
    #: Why it was not delivered yet.
    reason: str


class LostView(View, frozen=True, kw_only=True):
    """Messages that were given up."""

    #: The name of the channel.
    channel: str
    #: How many.
    count: Count
    #: Why the last one was not delivered.
    reason: str


class NotifyListView(View, frozen=True, kw_only=True):
    """Channels, and messages that wait."""

    #: The channels.
    channels: list[ChannelView]
    #: The messages that wait.
    waiting: list[WaitingView]
    #: The messages that were given up, by channel.
    lost: list[LostView]
    #: When the dead-man's switch was pinged last; null if it never was.
    heartbeat: str | None


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    notify = commands.add_parser(
        "notify",
        help="test the channels, list waiting messages",
        description="The channels on which the agent reports its runs: [notify.NAME] in the job file.",
    )
    family = notify.add_subparsers(title="commands", metavar="COMMAND", dest="notify_command", required=True)
    test = family.add_parser(
        "test",
        parents=[shared],
        help="send a test message now",
        description="Send a test message now on CHANNEL, or on every channel and the heartbeat, and print the results. "
        "Exit code 1 if one was not delivered; a channel that is disabled here does not count.",
    )
    test.add_argument("channel", metavar="CHANNEL", nargs="?", help=f"one channel only, or {HEARTBEAT}")
    test.set_defaults(run=_test)
    listed = family.add_parser(
        "list",
        parents=[shared],
        help="list messages that wait or were given up",
        description="Show the channels, the messages that wait in the outbox with the last error, and how many "
        "messages were given up since one was last delivered.",
    )
    listed.set_defaults(run=_list)


def _notify(context: Context) -> Notify:
    found = context.job_file.notify
    if found is None:
        remedy = (
            'add one, such as: [notify.team] with slack = { url-variable = "SLACK_URL" }; '
            "all kinds: docs/how-to/notifications.md"
        )
        raise ConfigInvalid(f"{context.job_file.path} names no channel: nobody is notified of anything", remedy=remedy)
    return found


# --- test --------------------------------------------------------------------------------------------------------


class Tested(Struct, frozen=True):
    """The result of a test message."""

    #: The name of the channel.
    channel: str
    #: The kind of channel.
    kind: str
    #: What became of the message.
    outcome: Outcome

    @property
    def word(self) -> str:
        """The result in a word."""
        return WORDS[type(self.outcome)]

    @property
    def message(self) -> str:
        """The details of the result; "" if there are none."""
        return self.outcome.remark if isinstance(self.outcome, Delivered) else self.outcome.reason


def _test(context: Context) -> Answer:
    notify, wanted = _notify(context), context.options.channel
    notifier = context.notifier(context.log(quiet=True))
    known = [*notify.channels, *([HEARTBEAT] if notify.heartbeat else [])]
    if wanted is not None and wanted not in known:
        raise ConfigInvalid(f"there is no channel '{wanted}'", remedy=f"the channels are: {', '.join(known) or 'none'}")
    if notifier is None:
        raise ConfigInvalid("the job file names no channel")
    with closing(notifier):
        found = list(_tests(notify, notifier, [wanted] if wanted is not None else known))
    code = RunFailed.exit_code if any(isinstance(each.outcome, Undelivered | Partly) for each in found) else EXIT_OK
    listed = [
        TestedView(channel=each.channel, kind=each.kind, outcome=each.word, message=each.message) for each in found
    ]
    return Answer(NotifyTestView(channels=listed, exit_code=code), lambda: _tell_tested(context, found), code)


def _tell_tested(context: Context, found: list[Tested]) -> None:
    for each in found:
        tone = "good" if each.word == "delivered" else "odd" if each.word == "off" else "bad"
        said = f": {each.message}" if each.message else ""
        context.terminal.say(f"{each.channel} ({each.kind}): {each.word}{said}", tone)  # type: ignore[arg-type]  # one of three tones


def _tests(notify: Notify, notifier: Notifier, names: list[str]) -> Iterator[Tested]:
    for name in names:
        if name == HEARTBEAT:
            yield Tested(name, HEARTBEAT, notifier.beat())
        else:
            channel = notify.channels[name]
            yield Tested(name, channel.kind, notifier.test(channel, str(uuid4())))


# --- list --------------------------------------------------------------------------------------------------------


def _list(context: Context) -> Answer:
    notify = _notify(context)
    with reading_if_any(context.state, context.container.identity) as journal:
        facts, beat = journal.notes(OUTBOX_ALL), journal.noted(LAST_PING)
    waiting, lost = outbox.waiting(facts), outbox.lost(facts)
    view = NotifyListView(
        channels=[ChannelView(channel=each.name, kind=each.kind) for each in notify.channels.values()],
        waiting=[_waiting_view(each) for each in waiting],
        lost=[LostView(channel=each.channel, count=each.count, reason=each.reason) for each in lost.values()],
        heartbeat=beat,
    )
    return Answer(view, lambda: _say_list(context, notify, waiting, lost, beat))


def _waiting_view(message: Message) -> WaitingView:
    return WaitingView(
        id=message.id,
        channel=message.channel,
        event=message.event_type,
        job=message.job,
        run=message.run,
        at=message.at,
        attempts=message.attempts,
        again_at=message.again_at,
        reason=message.reason,
    )


def _say_list(
    context: Context,
    notify: Notify,
    waiting: list[Message],
    lost: dict[str, outbox.Loss],
    beat: str | None,
) -> None:
    now, terminal = context.clock.now(), context.terminal
    if notify.channels:
        terminal.table(("CHANNEL", "KIND"), [(each.name, each.kind) for each in notify.channels.values()])
    rows = [
        (each.channel, each.event_type, each.run, ago(each.at, now), str(each.attempts), each.reason)
        for each in waiting
    ]
    if rows:
        terminal.say()
        terminal.table(("WAITS FOR", "EVENT", "RUN", "SINCE", "ATTEMPTS", "LAST ERROR"), rows)
    else:
        terminal.say("No message waits.", "dim")
    for each in lost.values():
        terminal.say(f"{each.channel}: {counted(each.count, 'message')} given up; last error: {each.reason}", "bad")
    if notify.heartbeat is not None:
        terminal.say(f"heartbeat: last pinged {ago(moment_of(beat), now)}", "dim")
