"""The list of planted bugs follows the code; `make bugs` plants them."""

from __future__ import annotations

from tools.planted_bugs import BUGS, CONTROL, is_caught, misplaced


def test_every_planted_bug_can_be_planted() -> None:
    assert misplaced() == []
    assert len(BUGS) >= 20
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_a_planted_bug_is_caught_for_real() -> None:
    bug = next(bug for bug in BUGS if bug.name == "a backup that is not restorable counts")
    caught, by = is_caught(bug, ("tests/unit/engine/test_steps.py",))
    assert caught, by


def test_a_change_that_breaks_nothing_is_not_caught() -> None:
    assert CONTROL.old != CONTROL.new
    caught, by = is_caught(CONTROL)
    assert not caught, by
