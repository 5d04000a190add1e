"""Record the verdicts on slots: one run for each due slot, and one for each batch of other slots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.engine.due import ExcludeSlots, MissSlots, OpenSlot, Slot, SlotVerdict
from upsun_agent.engine.fold import fold
from upsun_agent.journal import Journal
from upsun_agent.journal.counters import counted
from upsun_agent.journal.notes import FORGOTTEN, LAST_BY_HAND
from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.recorder import Recorder
from upsun_agent.runtime.slots import Judge
from upsun_agent.runtime.tick_report import TickReport
from upsun_agent.schedule import zone_of


class Booking(Struct, frozen=True):
    """Open runs of one job, and close at once those that only record missed or skipped slots."""

    #: The context of the tick.
    context: TickContext
    #: The recorder of events.
    recorder: Recorder
    #: The judge of the job's slots.
    judge: Judge

    def book(self, verdicts: Iterable[SlotVerdict], report: TickReport) -> None:
        """Record all verdicts. Of several batches of one kind, only the last causes a notification."""
        found = [each for each in verdicts if not (isinstance(each, ExcludeSlots) and each.failure is None)]
        missed = [each for each in found if isinstance(each, MissSlots)]
        last = {type(each): each for each in found}
        for verdict in found:
            closed = self._closed(verdict)
            if verdict is last.get(MissSlots) and len(missed) > 1:
                total = sum(each.count for each in missed)
                text = f"{closed[0].message}; with those before, {total} slots since {missed[0].first.name} were missed"
                closed = [replace(closed[0], message=text)]
            self._open(verdict, closed, report, told=verdict is last[type(verdict)])

    def _closed(self, verdict: SlotVerdict) -> list[ev.RunClosed]:
        """Return the event that closes the run of missed or skipped slots; None if a run begins."""
        if isinstance(verdict, OpenSlot):
            return []
        now, text = self.context.clock.now(), verdict.reason
        if isinstance(verdict, MissSlots | ExcludeSlots):
            if verdict.count > 1:
                text = f"{verdict.count} slots from {verdict.first.name} to {verdict.slot.name}: {text}"
            first_at = verdict.first.due_at.isoformat()
            detail = {"first": verdict.first.name, "first_at": first_at, "count": verdict.count}
            if isinstance(verdict, MissSlots):
                return [
                    ev.RunClosed(
                        at=now, outcome=ev.RunOutcome.MISSED, message=text, failure=FailureKind.MISSED, detail=detail
                    )
                ]
            more = detail if verdict.count > 1 else {}
            return [
                ev.RunClosed(at=now, outcome=ev.RunOutcome.SKIPPED, message=text, failure=verdict.failure, detail=more)
            ]
        return [ev.RunClosed(at=now, outcome=ev.RunOutcome.SKIPPED, message=text, failure=FailureKind.OVERLAP)]

    def _open(self, verdict: SlotVerdict, closed: list[ev.RunClosed], report: TickReport, *, told: bool) -> None:
        """Open the run. If a slot of another zone has the same name, add the offset from UTC to the name."""
        job, slot = self.judge.job, verdict.slot
        notes = self._counted(closed)
        opened = opened_by(self.context, job, f"{job.name}@{slot.name}", slot, ev.Trigger.SCHEDULE)
        done = self.recorder.open_run(opened, closed, notes=notes, silent=not told)
        if not done and self._is_another(opened):
            slot = Slot(slot.due_at, f"{slot.name}{slot.due_at.astimezone(zone_of(job)).isoformat()[-6:]}")
            opened = opened_by(self.context, job, f"{job.name}@{slot.name}", slot, ev.Trigger.SCHEDULE)
            done = self.recorder.open_run(opened, closed, notes=notes, silent=not told)
        if done:
            report.runs[opened.run] = fold([opened, *closed])

    def _is_another(self, opened: ev.RunOpened) -> bool:
        """Return whether the run with that name is for another instant, because the job had another zone then."""
        known = next(iter(self.judge.journal.events(opened.run)), None)
        return isinstance(known, ev.RunOpened) and known.due_at != opened.due_at

    def _counted(self, closed: list[ev.RunClosed]) -> dict[str, str | None]:
        """Return the notes that count the slots of a batch that have no run of their own."""
        more = closed[0].detail.get("count", 1) - 1 if closed else 0
        if not more:
            return {}
        name, outcome = self.judge.job.name, closed[0].outcome
        known = self.judge.journal.notes(f"{FORGOTTEN}{name}:")
        return dict(counted(known, name, outcome, more, closed[0].at))


def opened_by(context: TickContext, job: Job, run: str, slot: Slot, trigger: ev.Trigger) -> ev.RunOpened:
    """Return the event that opens a run of the job now.

    Args:
        context: what the tick works with.
        job: the job.
        run: the id of the run.
        slot: the slot; for a run by hand the present.
        trigger: what causes the run.
    """
    return ev.RunOpened(
        at=context.clock.now(),
        run=run,
        environment=context.environment,
        slot=slot.name or None,
        due_at=slot.due_at,
        trigger=trigger,
        job=job.to_json(),
    )


def mark_looked(journal: Journal, now: datetime, *, by_hand: bool) -> None:
    """Record that a process verified the state: as a tick, or in a note if there was no tick yet.

    Args:
        journal: the journal.
        now: the present, in UTC.
        by_hand: whether a person started the process, so that it is no sign of a cron that works.
    """
    if not by_hand:
        journal.mark_tick(now.timestamp())
        if journal.noted(LAST_BY_HAND) is not None:
            journal.note(LAST_BY_HAND, None)
    elif journal.last_tick() is None:
        journal.note(LAST_BY_HAND, str(int(now.timestamp())))
