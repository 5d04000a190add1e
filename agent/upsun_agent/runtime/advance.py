"""Continue an open run: decide, perform, record, until it waits or is over."""

from __future__ import annotations

from contextlib import suppress
from typing import assert_never

from msgspec.structs import replace

from upsun_agent.engine.bounds import CLOCK_AHEAD
from upsun_agent.engine.decide import Background, Execute, Look, Record, Rest, Send, Wait, decide, overdue
from upsun_agent.engine.fold import InconsistentEvents, newest_moment
from upsun_agent.engine.policy import manual_limit
from upsun_agent.engine.run import Run
from upsun_agent.errors import BadReply, Bug
from upsun_agent.journal.codec import EventUnreadable
from upsun_agent.journal.notes import MANUAL_BACKUP_LIMIT
from upsun_agent.limits import PASS_MOST
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Answer, LookAtActivity, LookAtRetention, Observation, Question, Trouble
from upsun_agent.model.failures import FailureKind
from upsun_agent.runtime.admission import Foreign
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.executor import Executor
from upsun_agent.runtime.recorder import Recorder
from upsun_agent.runtime.tick_report import TickReport
from upsun_agent.schedule import zone_of
from upsun_agent.steps import KINDS


class Runner:
    """Continue runs and write their state into the report."""

    def __init__(self, context: TickContext, recorder: Recorder, executor: Executor, report: TickReport) -> None:
        self._context = context
        self._recorder = recorder
        self._executor = executor
        self._report = report

    def advance(self, run_id: str) -> Run | None:
        """Continue one run as far as possible now; return its new state, None if it is foreign or not a run."""
        try:
            run = self._recorder.admitted(run_id)
        except InconsistentEvents as error:
            self._close_senseless(run_id, str(error))
            return None
        if isinstance(run, Foreign):
            self._close_foreign(run)
            return None
        run = self._dated(run)
        seen = Observation()
        claimed = set(self._recorder.journal.claimed())
        for _ in range(PASS_MOST):
            try:
                decision = decide(run, self._context.clock.now(), seen, KINDS, self._background(run, claimed))
            except (ArithmeticError, AttributeError, BadReply, LookupError, TypeError, ValueError) as error:
                # The snapshot holds settings that no job file can. Raised on, it would stop this tick and every later.
                self._close_senseless(run_id, f"nothing can be decided on it ({type(error).__name__})")
                return None
            if isinstance(decision, Execute) and not self._executor.has_time_for(decision):
                decision = Wait(FailureKind.BUDGET, "this tick has no time left for the command")
            if isinstance(decision, Wait | Rest):
                run = self._waiting(run, decision) if isinstance(decision, Wait) else run
                self._recorder.flush()
                self._report.runs[run.id] = run
                return run
            run, seen = self._carry_out(run, decision, seen)
        self._recorder.flush()
        raise Bug(f"run {run.id} did not settle within {PASS_MOST} decisions")

    def _dated(self, run: Run) -> Run:
        """Return the run; if a clock that was ahead dated it, add an event that measures its times from now."""
        now = self._context.clock.now()
        if run.closed is not None or newest_moment(run) - now <= CLOCK_AHEAD:
            return run
        text = (
            f"a clock that was ahead dated this run {newest_moment(run):%Y-%m-%d %H:%M} UTC: its time counts from now"
        )
        return self._recorder.record(run, ev.WaitBegun(at=now, on="clock", message=text))

    def expire(self, run_id: str, trouble: Trouble) -> None:
        """Close the run, or begin its rollback, if it is past its limits; make no request and run no command.

        This is for a journal of which it cannot be found out whether a restore rewound it. What is written here is set
        aside with the journal if one did; people then hear of a failure that may not have been one, and of the run
        once more. To hear nothing for as long as the platform is away would be worse.
        """
        try:
            run = self._recorder.admitted(run_id)
            if isinstance(run, Foreign):
                return  # closed by the next tick that may act
            now = self._context.clock.now()
            if newest_moment(run) - now > CLOCK_AHEAD or not overdue(run, now, KINDS):
                self._report.waits[run.id] = Wait(trouble.kind, trouble.message, trouble)
                return
            for _ in range(PASS_MOST):
                background = replace(self._background(run, set()), may_read=False)
                decision = decide(run, now, Observation(), KINDS, background)
                if not isinstance(decision, Record):
                    break
                run = self._recorder.record(run, decision.event)
        except (InconsistentEvents, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return  # closed as senseless by the next tick that may act
        self._recorder.flush()
        self._report.runs[run.id] = run

    def _carry_out(
        self, run: Run, decision: Look | Record | Send | Execute, seen: Observation
    ) -> tuple[Run, Observation]:
        """Carry out one decision; return the new run and everything seen so far."""
        record, flush = self._recorder.record, self._recorder.flush
        match decision:
            case Look():
                flush()
                return run, seen.plus(decision.question, self._look(run, decision.question))
            case Record():
                # A rollback rests on what is read after it began, not on what led to it.
                fresh = Observation() if isinstance(decision.event, ev.RollbackBegun) else seen
                return record(run, decision.event), fresh
            case Send():
                run = record(run, decision.intent)
                flush()
                event, activity = self._executor.send(decision)
                seen = seen.environments()  # what was listed before a request says nothing about it
                if activity is not None:
                    seen = seen.plus(LookAtActivity(activity.id), activity)
                return record(run, event), seen
            case Execute():
                run = record(run, decision.intent)
                flush()
                return record(run, self._executor.execute(decision)), Observation()  # all may be different now
            case _:
                assert_never(decision)

    def _close_senseless(self, run_id: str, why: str) -> None:
        """Close a run with impossible events or an impossible snapshot, so that it blocks no other run."""
        text = f"the events of this run do not fit together: {why}"
        closed = ev.RunClosed(
            at=self._context.clock.now(),
            outcome=ev.RunOutcome.FAILED,
            failure=FailureKind.JOURNAL,
            message=text,
            remedy=FailureKind.JOURNAL.remedy,
        )
        self._recorder.close_unread(run_id, run_id.partition("@")[0], closed)
        self._report.senseless.append(run_id)

    def close_foreign(self) -> None:
        """Close the open runs that the agent did not write itself, so that no slot is skipped because of one."""
        for row in self._recorder.journal.rows(open_only=True, most=1000):
            with suppress(InconsistentEvents, EventUnreadable):  # for ``advance`` to say
                found = self._recorder.admitted(row.run)
                if isinstance(found, Foreign):
                    self._close_foreign(found)

    def _close_foreign(self, found: Foreign) -> None:
        """Close a foreign run and notify: somebody else can write the state."""
        now = self._context.clock.now()
        closed = ev.RunClosed(
            at=now,
            outcome=ev.RunOutcome.FAILED,
            failure=FailureKind.FOREIGN,
            message=found.message,
            remedy=FailureKind.FOREIGN.remedy,
        )
        self._recorder.close_unread(found.run, found.run.partition("@")[0], closed)
        self._report.senseless.append(found.run)

    def _look(self, run: Run, question: Question) -> Answer:
        answer = self._executor.look(question)
        if isinstance(question, LookAtRetention):
            limit = manual_limit(run.job, answer)
            if limit is not None:
                self._recorder.journal.note(MANUAL_BACKUP_LIMIT, str(limit))
        return answer

    def _waiting(self, run: Run, wait: Wait) -> Run:
        if (run.waits_on, run.wait_message) != (wait.on, wait.message):
            event = ev.WaitBegun(at=self._context.clock.now(), on=wait.on, message=wait.message)
            run = self._recorder.record(run, event)
        if wait.trouble is not None:
            self._context.log.warning("trouble", job=run.job.name, run=run.id, trouble=wait.on, message=wait.message)
        self._report.waits[run.id] = wait
        return run

    def _background(self, run: Run, claimed: set[str]) -> Background:
        """Return what decisions may know besides the run; ``claimed`` leaves out the current step's own activity."""
        claimed.update(step.activity for step in run.steps if step.activity)
        current = {step.activity for step in run.steps if step.activity and not step.over}
        known = self._recorder.journal.noted(MANUAL_BACKUP_LIMIT)
        limit = int(known) if known and known.isdigit() else None
        return Background(frozenset(claimed - current), limit, zone_of(run.job), self._executor.platform_now)
