"""Lock file changes of a run's commits: which are not read yet, and how long a run waits for them.

Reading never fails a run and holds back no step. It is tried when a step has made a commit; what there was no time for
is tried again at later looks. A run whose steps are all done waits for it a little before it closes, since people are
told of the changes with its end.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from upsun_agent.engine.bounds import CHANGES_MOST, CHANGES_WITHIN
from upsun_agent.engine.decision import Background, Decision, Look, Record, Wait
from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Observation
from upsun_agent.model.packages import LockFileChange, LookAtChanges, PackageChanges, summary

_HEXADECIMAL = frozenset("0123456789abcdef")


class _Pending(Struct, frozen=True):
    """A commit whose changes are not all read."""

    #: The index of the step that made it.
    step: int
    #: The question for what is missing.
    question: LookAtChanges


def unread(run: Run) -> Step | None:
    """Return the first step that made a commit whose changes are not all read yet."""
    done = {each.step for each in run.changes if each.whole}
    return next((step for step in run.steps if step.index not in done and _commits(step) is not None), None)


def _commits(step: Step) -> tuple[str, str] | None:
    """Return the head before the step and the commit that it made; None if it made none, or either is not known."""
    base, head = step.head, step.detail.get("commit")
    if step.phase != Phase.DONE or not isinstance(base, str) or not isinstance(head, str) or base == head:
        return None
    return (base, head) if base and head and _HEXADECIMAL.issuperset(base + head) else None


def _files(run: Run, step: int) -> list[LockFileChange]:
    """Return the lock files of a step's commit whose changes are read already."""
    return [file for each in run.changes if each.step == step for file in each.files]


def _pending(run: Run, background: Background) -> _Pending | None:
    """Return the first step whose changes are not all read, and the question for them; None if nothing may be read."""
    step = unread(run) if background.may_read else None
    commits = None if step is None else _commits(step)
    if step is None or commits is None:
        return None
    files = _files(run, step.index)
    room = CHANGES_MOST - sum(len(file.changes) for file in files)
    return _Pending(step.index, LookAtChanges(*commits, tuple(file.path for file in files), room))


def reading(run: Run, now: datetime, seen: Observation, background: Background) -> Decision | None:
    """Return the look or event that is needed next to read the changes of the run's commits; None if none is.

    Args:
        run: the run.
        now: the present, in UTC.
        seen: what this pass has seen.
        background: what is known beside the run.
    """
    pending = _pending(run, background)
    if pending is None:
        return None
    answer = seen.get(pending.question)
    if answer is None:
        return Look(pending.question)
    if not isinstance(answer, PackageChanges):
        return None
    if answer.unread and not answer.files:
        return None
    return Record(_read(run, pending, now, answer.files, answer.warnings, whole=not answer.unread))


def before_closing(run: Run, now: datetime, seen: Observation, background: Background) -> Decision | None:
    """Return the next decision on unread changes for a run whose steps are all done; None if all are read.

    Args:
        run: the run.
        now: the present, in UTC.
        seen: what this pass has seen.
        background: what is known beside the run.
    """
    pending = _pending(run, background)
    if pending is None:
        return None
    answer = seen.get(pending.question)
    why = answer.unread if isinstance(answer, PackageChanges) else "no answer"
    if why == "time" and now - run.current_since < CHANGES_WITHIN:
        return Wait("changes", "the lock files are read on, to tell what changed")
    text = "the commit cannot be read yet" if why == "absent" else "there was no time to read all lock files"
    return Record(_read(run, pending, now, (), (f"what changed is not known: {text}",), whole=True))


def _read(
    run: Run, of: _Pending, now: datetime, files: tuple[LockFileChange, ...], warnings: tuple[str, ...], *, whole: bool
) -> ev.ChangesRead:
    return ev.ChangesRead(
        at=now,
        step=of.step,
        base=of.question.base,
        head=of.question.head,
        files=files,
        whole=whole,
        message=summary((*_files(run, of.step), *files)),
        warnings=warnings,
    )
