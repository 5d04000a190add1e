"""Decide whether a stored run may be continued: only if the agent wrote it itself.

State is data. What a run does next comes from its events, and they come from a file or a database that others may be
able to write. So a run is admitted if its seal holds (journal/seals.py). One without a valid seal, as the release
before wrote them, is admitted if its job is exactly that of the job file of now and nobody decided on it. Every other
one is foreign: it is closed, and nothing is requested or executed for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from upsun_agent.engine.fold import InconsistentEvents, fold
from upsun_agent.engine.run import Run
from upsun_agent.journal import Journal
from upsun_agent.journal.codec import decode, encode
from upsun_agent.journal.notes import SEAL, SEALED
from upsun_agent.journal.seals import job_text
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job
from upsun_agent.runtime.context import TickContext

#: Events that allow a run to do more: an approval, and the begin of the rollback.
DECISIONS = (ev.ApprovalGiven, ev.RollbackBegun)


class Foreign(Struct, frozen=True):
    """A run that this agent did not write, or that was changed since; ``why`` says how that is known."""

    #: The id of the run.
    run: str
    #: What shows that this agent did not write it.
    why: str

    @property
    def message(self) -> str:
        """Return the message that says that the run is foreign."""
        return f"the run is foreign: {self.why}. Nothing more is requested or executed for it"


class Admission:
    """Admits the runs of one journal, and keeps their seals as events are added."""

    def __init__(self, context: TickContext) -> None:
        self._context = context
        self._seals = context.seals
        self._known: dict[str, str] = {}

    def admit(self, journal: Journal, run_id: str) -> Run | Foreign:
        """Return the run folded from its events, or why it is foreign.

        Raises:
            InconsistentEvents: the events are no run.
            EventUnreadable: this version cannot read an event.
        """
        if not self._seals:
            return self._unsealed(run_id, journal.events(run_id), sealable=False)
        written = journal.written(run_id)
        self._known.pop(run_id, None)
        seal = journal.noted(SEAL + run_id)
        renewed = self._seals.renewed(seal, run_id, written) if seal is not None else None
        if renewed is not None:
            self._known[run_id] = renewed
            return fold(decode(kind, data) for kind, data in written)
        if self._seals.is_mark(journal.noted(SEALED)):
            why = "its record differs from what this agent wrote" if seal is not None else "this agent did not write it"
            return Foreign(run_id, f"{why}: its seal is {'wrong' if seal is not None else 'missing'}")
        found = self._unsealed(run_id, [decode(kind, data) for kind, data in written], sealable=True)
        if isinstance(found, Run):
            self._known[run_id] = self._seals.seal(run_id, written)
            journal.append(run_id, notes=self._notes(run_id, self._known[run_id]))
        return found

    def _unsealed(self, run_id: str, events: Sequence[ev.Event], *, sealable: bool) -> Run | Foreign:
        """Return a run without a valid seal, if it matches a job of the current job file."""
        run, opened = fold(events), events[0]
        job = self._context.job_file.jobs.get(run.job.name)
        if not isinstance(opened, ev.RunOpened) or opened.run != run_id:
            raise InconsistentEvents("the run's first event is about another run")
        if job is None:
            return Foreign(run_id, f"it has no valid seal, and the job file has no job '{run.job.name}'")
        if job_text(Job.from_json(opened.job).to_json()) != job_text(job.to_json()):
            return Foreign(run_id, "it has no valid seal, and its job differs from the one in the job file")
        if run.closed is not None:
            return Foreign(run_id, "it has no valid seal, and had already ended")
        if run.environment != self._context.environment:
            return Foreign(run_id, "it has no valid seal, and is about another environment")
        if sealable and any(isinstance(event, DECISIONS) for event in events):
            return Foreign(run_id, "it has no valid seal, so its approval or rollback is not accepted")
        return run

    def sealed(self, run: str, events: Iterable[ev.Event], *, begins: bool = False) -> dict[str, str | None]:
        """Return the notes to write with these events, so that the run is admitted next time.

        A run that was not admitted here gets no new seal: whatever is added to it, it stays foreign.

        Args:
            run: the id of the run.
            events: the events that are about to be written.
            begins: whether they begin the run.
        """
        batch = list(events)
        if any(isinstance(event, ev.RunClosed) for event in batch):
            return {} if begins else {SEAL + run: None}
        if not self._seals or (not begins and run not in self._known):
            return {}
        written = [(event.kind, encode(event)) for event in batch]
        return self._notes(run, self._seals.seal(run, written, None if begins else self._known[run]))

    def _notes(self, run: str, seal: str) -> dict[str, str | None]:
        return {SEAL + run: seal, SEALED: self._seals.mark()}

    def keep(self, run: str, notes: dict[str, str | None]) -> None:
        """Remember the seal that was written: the seal of the next events continues it."""
        seal = notes.get(SEAL + run)
        if seal is not None:
            self._known[run] = seal
