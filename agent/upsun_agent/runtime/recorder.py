"""Write events and their notifications to the journal, then log them.

This is the one door to the journal's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from upsun_agent.engine.fold import InconsistentEvents, apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.journal import Journal, Notes
from upsun_agent.journal.codec import EventUnreadable, cleaned, decode
from upsun_agent.journal.notes import LOSS_UNTOLD, LOST_RUN
from upsun_agent.log.foreign_text import safe
from upsun_agent.log.lines import LogLine, line_of, lines_of
from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind
from upsun_agent.runtime.admission import Admission, Foreign
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.session import JournalSession
from upsun_agent.runtime.suspension import suspending, suspension

E = TypeVar("E", bound=ev.Event)

#: The texts of an event that may name files and commands of one product.
WORDED = ("message", "remedy")


class Recorder:
    """Write the events of runs, log them and queue their notifications."""

    def __init__(self, context: TickContext, session: JournalSession) -> None:
        self._context = context
        self._session = session
        self._admission = Admission(context)
        self._unwritten: list[tuple[Run, ev.Event]] = []

    @property
    def journal(self) -> Journal:
        """The journal in use."""
        return self._session.journal

    def admitted(self, run: str) -> Run | Foreign:
        """Return the run folded from its events, or why it is foreign; raise as ``Admission.admit`` does."""
        return self._admission.admit(self.journal, run)

    def open_run(
        self,
        opened: ev.RunOpened,
        later: Sequence[ev.Event] = (),
        *,
        told: bool = False,
        silent: bool = False,
        notes: Notes | None = None,
    ) -> bool:
        """Open a run with its first events; ``told``: its opening was notified before.

        ``silent``: people hear nothing of it, only the log does. ``notes`` are facts to keep with it. False where the
        job already has a run for the slot.

        Args:
            opened: the event that opens the run.
            later: the events that follow at once, in order.
            told: whether people heard of its opening before.
            silent: whether people hear nothing of it; the log does.
            notes: notes to write in the same transaction; None: none.
        """
        later = [self._worded(each) for each in later]
        events = (opened, *later)
        news = {} if silent else self._news(opened.run, str(opened.job["name"]), events)
        seal = self._admission.sealed(opened.run, events, begins=True)
        if not self.journal.open_run(opened, later, notes={**(notes or {}), **news, **seal}):
            return False
        self._admission.keep(opened.run, seal)
        for number, (line, event) in enumerate(zip(lines_of(events), events, strict=True)):
            if number or not told:
                self._tell(line, event)
        return True

    def record(self, run: Run, event: ev.Event) -> Run:
        """Return the run after the event; ``flush`` writes the event to disk before the next request is sent."""
        event = self._worded(event)
        after = apply(run, event)
        self._unwritten.append((after, event))
        return after

    def flush(self) -> None:
        """Write the events recorded since the last flush in one synced transaction, then log and notify.

        What is lost with a process in between is only what was concluded from answers, and is concluded again.
        """
        if not self._unwritten:
            return
        written, self._unwritten = self._unwritten, []
        run, events = written[-1][0], [event for _, event in written]
        reason = self._broken_circuit(run)
        notes = self._news(run.id, run.job.name, events, reason)
        if reason is not None:
            notes = {**notes, **suspending(run.job.name, reason, self._context.clock.now())}
        seal = self._admission.sealed(run.id, events)
        notes = {**notes, **seal}
        self.journal.append(run.id, *events, notes=notes)
        self._admission.keep(run.id, seal)
        for after, event in written:
            self._tell(line_of(event, run.id, run.job.name, run.slot, after), event)
        if reason is not None:
            self._context.log.error("job-suspended", job=run.job.name, run=run.id, reason=reason)

    def close_unread(self, run: str, job: str, closed: ev.RunClosed) -> None:
        """Close a run that cannot be folded, or that is foreign.

        Args:
            run: the id of the run.
            job: the name of the job.
            closed: the event that closes the run.
        """
        self.flush()
        closed = self._worded(closed)
        notes = {**self._news(run, job, (closed,)), **self._admission.sealed(run, (closed,))}
        self.journal.append(run, closed, notes=notes)
        self._tell(line_of(closed, run, job), closed)

    def tell_losses(self) -> list[Run]:
        """Notify that the previous journal was lost; close and return the runs that were in flight in it.

        It was found by this process, or by one before that was killed or only looked after a pause.
        """
        journal, found = self.journal, []
        for key, data in journal.notes(LOST_RUN).items():
            run = self._close_lost(key, data)
            if run is not None:
                found.append(run)
        why = journal.noted(LOSS_UNTOLD)
        if why is not None:
            notifier, now = self._context.notifier, self._context.clock.now()
            news = {} if notifier is None else notifier.loss(journal, safe(why), now)
            journal.append("", notes={**news, LOSS_UNTOLD: None})
        return found

    def _close_lost(self, key: str, data: str) -> Run | None:
        """Close a run that was in flight in a lost journal; return None if there is nothing to close."""
        try:
            opened = decode("run-opened", data)
            run = fold([opened])
        except (EventUnreadable, InconsistentEvents):
            run, opened = None, None
        if run is None or not isinstance(opened, ev.RunOpened):
            self.journal.note(key, None)
            return None
        closed = ev.RunClosed(
            at=self._context.clock.now(),
            outcome=ev.RunOutcome.FAILED,
            failure=FailureKind.LOST,
            message="the journal was lost while this run was in flight: what it had done is not known",
            remedy=FailureKind.LOST.remedy,
        )
        if not self.open_run(opened, [closed], told=True, notes={key: None}):
            self.journal.note(key, None)
            return None
        return apply(run, closed)

    def _worded(self, event: E) -> E:
        """Return the event as it is stored: cleaned, with the product's name in its message and remedy."""
        event, reword = cleaned(event), self._context.reword
        texts = {name: text for name in WORDED if isinstance(text := getattr(event, name, None), str)}
        changed = {name: words for name, text in texts.items() if (words := reword(text)) != text}
        return replace(event, **changed) if changed else event

    def _news(self, run: str, job: str, events: Iterable[ev.Event], reason: str | None = None) -> Notes:
        """Return the notifications for these events, to be queued until delivery; empty if there are none."""
        notifier = self._context.notifier
        return {} if notifier is None else notifier.news(self.journal, run, job, events, reason)

    def _broken_circuit(self, run: Run) -> str | None:
        """Return why the job must be suspended now (too many runs in a row failed), or None."""
        after = run.job.suspend_after
        if not after or run.closed is None or run.closed.outcome != ev.RunOutcome.FAILED:
            return None
        rows = self.journal.rows(job=run.job.name, most=after * 10)
        ended = [row.outcome for row in rows if row.outcome in {ev.RunOutcome.SUCCEEDED, ev.RunOutcome.FAILED}][
            : after - 1
        ]
        if ended != [ev.RunOutcome.FAILED] * (after - 1) or suspension(self.journal, run.job.name) is not None:
            return None
        return f"the last {after} runs failed (suspend-after)"

    def _tell(self, line: LogLine, event: ev.Event) -> None:
        """Write a log line of the same name for every recorded event."""
        line.write(self._context.log)
        if self._context.on_event is not None:
            self._context.on_event(line.keys["run"], event)
