"""When a run reads what its commits changed, what it records of that, and how long it waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from upsun_agent.engine.changes import unread
from upsun_agent.engine.decide import Background, Decision, Look, Record, Wait, decide
from upsun_agent.engine.fold import InconsistentEvents, apply
from upsun_agent.engine.run import Run
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Answer, LookAtRetention, Retention, Trouble
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.packages import (
    Change,
    ChangeKind,
    Ecosystem,
    LockFileChange,
    LookAtChanges,
    PackageChanges,
    counted,
    ordered,
    step_of,
    summary,
)
from upsun_agent.steps import KINDS

from tests.harness.builders import PROVED, accepted, at, intended, run, seen

BASE, HEAD = "aaaaaaaa1", "bbbbbbbb2"
ROOM = (LookAtRetention(), Retention({"production": 4}))


def made(detail: Mapping[str, Any]) -> ev.StepDone:
    return ev.StepDone(at=at(5), step=1, outcome=ev.StepOutcome.DONE, message="live", detail=detail)


UPDATED = run(*PROVED, intended(1), accepted(1), made({"commit": HEAD}))
QUESTION = LookAtChanges(UPDATED.steps[1].head or "", HEAD, (), 500)


def change(
    name: str, kind: str = "patch", before: str | None = "1.0", after: str | None = "1.1", *, direct: bool | None = None
) -> Change:
    return Change(
        ecosystem=Ecosystem.COMPOSER, name=name, before=before, after=after, kind=ChangeKind(kind), direct=direct
    )


def file(path: str, *changes: Change, more: int = 0) -> LockFileChange:
    return LockFileChange(path=path, format="composer", changes=changes, more=more)


def next_for(of: Run, answer: Answer | None, minutes: float = 5, **background: Any) -> Decision:
    """Return the decision once the question has that answer."""
    known = [] if answer is None else [(QUESTION, answer)]
    return decide(of, at(minutes), seen(*known, ROOM), KINDS, Background(**background))


def read_of(decision: Decision) -> ev.ChangesRead:
    """Return the event that is recorded."""
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.ChangesRead)
    return decision.event


def test_a_commit_is_read_first_of_all() -> None:
    assert next_for(UPDATED, None) == Look(QUESTION)


def test_where_nothing_may_be_asked_nothing_is_read() -> None:
    decision = next_for(UPDATED, None, may_read=False)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)


@pytest.mark.parametrize("detail", [{}, {"commit": None}, {"commit": "unknown"}, {"commit": 1}])
def test_a_step_without_a_new_commit_has_nothing_to_read(detail: dict[str, Any]) -> None:
    assert unread(run(*PROVED, intended(1), accepted(1), made(detail))) is None


def test_what_was_read_is_recorded_once() -> None:
    found = PackageChanges((file("composer.lock", change("a/b")),), warnings=("odd",))
    event = read_of(next_for(UPDATED, found))
    assert (event.step, event.head, event.whole, event.warnings) == (1, HEAD, True, ("odd",))
    assert event.message == "a/b 1.0 → 1.1"
    of = apply(UPDATED, event)
    assert unread(of) is None
    with pytest.raises(InconsistentEvents, match="after all changes of step 1 were read"):
        apply(of, event)


@pytest.mark.parametrize("events", [PROVED, (*PROVED, intended(1), accepted(1))], ids=["ready", "accepted"])
@pytest.mark.parametrize("step", [1, 2, -1])
def test_changes_of_a_step_that_is_not_done_make_no_sense(events: tuple[ev.Event, ...], step: int) -> None:
    event = ev.ChangesRead(at=at(5), step=step, base=BASE, head=HEAD, message="")
    with pytest.raises(InconsistentEvents, match="which is not done"):
        apply(run(*events), event)


def test_a_part_is_recorded_and_the_rest_asked_for() -> None:
    event = read_of(next_for(UPDATED, PackageChanges((file("composer.lock", change("a/b")),), "time")))
    assert not event.whole
    of = apply(UPDATED, event)
    assert next_for(of, None) == Look(LookAtChanges(QUESTION.base, HEAD, ("composer.lock",), 499))


def test_without_time_a_run_that_is_done_waits_for_the_next_tick_and_no_longer() -> None:
    assert isinstance(next_for(UPDATED, PackageChanges((), "time")), Wait)
    event = read_of(next_for(UPDATED, PackageChanges((), "time"), minutes=10))
    assert event.warnings == ("what changed is not known: there was no time to read all lock files",)


@pytest.mark.parametrize("answer", [PackageChanges((), "absent"), Trouble(FailureKind.UNREACHABLE, "no route")])
def test_for_anything_else_a_run_does_not_wait(answer: Answer) -> None:
    assert read_of(next_for(UPDATED, answer)).warnings


def test_changes_in_words() -> None:
    major, minor, patch = change("m/m", "major", "1.0", "2.0"), change("i/i", "minor"), change("a/a")
    gone, new = change("g/g", "removed", "1.0", None), change("n/n", "added", None, "1.0")
    files = (file("a", patch, gone), file("b", major, minor, new, more=3))
    assert [each.name for each in ordered(files)] == ["m/m", "i/i", "a/a", "n/n", "g/g"]
    assert summary(files) == "m/m 1.0 → 2.0, 7 others, 1 major"
    assert counted(files) == "8 packages: 1 major, 1 minor, 1 patch, 1 added, 1 removed, 3 more"
    assert (step_of(gone), step_of(new)) == ("1.0 removed", "1.0 added")
    assert summary((file("a", patch, minor),)) == "i/i 1.0 → 1.1, 1 other, no major"
    assert (summary(()), counted(())) == ("no package changed", "")


def test_those_that_the_project_requires_come_first_within_their_kind() -> None:
    found = ordered((file("a", change("a/a"), change("z/z", direct=True)),))
    assert [each.name for each in found] == ["z/z", "a/a"]
