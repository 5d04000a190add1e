"""The lines about a run: stable names and keys, pinned here; whoever changes them changes this file and the docs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import fields
from upsun_agent.log.lines import KEYS, LogLine, line_of, lines_of
from upsun_agent.model import events as ev

AT = datetime(2026, 3, 2, 3, 0, 7, 123456, tzinfo=UTC)
JOB = {"name": "nightly", "steps": [{"kind": "backup", "settings": {}}]}


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


STORY: list[ev.Event] = [
    ev.RunOpened(
        at=AT,
        run="nightly@x",
        environment="main",
        slot="2026-03-02T03:00",
        due_at=AT,
        trigger=ev.Trigger.SCHEDULE,
        job=JOB,
    ),
    ev.IntentRecorded(at=after(1), step=0, attempt=1, server_at=AT, head="abc"),
    ev.RequestUnanswered(at=after(2), step=0, message="cut"),
    ev.ActivityAdopted(at=after(3), step=0, activity="act1", how="the only one", backup="bk1"),
    ev.WaitBegun(at=after(4), on="activity", message="in progress"),
    ev.ActivityEnded(at=after(31), step=0, activity="act1", state="complete", result="success"),
    ev.Warned(at=after(32), message="quota"),
    ev.StepDone(at=after(33.5), step=0, outcome=ev.StepOutcome.DONE, message="proved"),
    ev.RunClosed(at=after(34), outcome=ev.RunOutcome.SUCCEEDED, message=""),
]
WHERE = {"job": "nightly", "run": "nightly@x", "slot": "2026-03-02T03:00"}


def test_the_story_of_a_run_as_lines() -> None:
    found = [
        (line.level, line.event, {k: v for k, v in line.keys.items() if k not in WHERE}) for line in lines_of(STORY)
    ]
    assert all(WHERE.items() <= line.keys.items() for line in lines_of(STORY))
    assert [line.at for line in lines_of(STORY)] == [event.at for event in STORY]
    assert found == [
        ("info", "run-opened", {}),
        ("info", "intent-recorded", {"step": 1, "attempt": 1}),
        ("warning", "request-unanswered", {"step": 1, "message": "cut"}),
        ("info", "activity-adopted", {"step": 1, "activity": "act1", "how": "the only one", "backup": "bk1"}),
        ("info", "wait-begun", {"on": "activity", "message": "in progress"}),
        ("info", "activity-ended", {"step": 1, "activity": "act1", "duration_s": 30.0}),
        ("warning", "warned", {"message": "quota"}),
        (
            "info",
            "step-done",
            {"step": 1, "activity": "act1", "outcome": "done", "message": "proved", "duration_s": 32.5},
        ),
        ("info", "run-closed", {"outcome": "succeeded", "duration_s": 34.0}),
    ]


def test_failures_are_errors_and_missed_or_skipped_runs_warn() -> None:
    def level(event: ev.Event) -> str:
        return line_of(event, "run", "job").level

    assert level(ev.StepFailed(at=AT, step=0, failure="x", message="y")) == "error"
    assert level(ev.RequestRefused(at=AT, step=0, failure="x", message="y", again_at=None)) == "warning"
    levels = {"succeeded": "info", "failed": "error", "missed": "warning", "skipped": "warning", "cancelled": "info"}
    assert {each: level(ev.RunClosed(at=AT, outcome=each, message="")) for each in ev.RunOutcome} == levels


def test_a_run_by_hand_has_no_slot() -> None:
    assert "slot" not in line_of(STORY[1], "run", "job").keys


def test_events_that_make_no_sense_are_lines_all_the_same() -> None:
    found = list(lines_of([STORY[0], STORY[5], STORY[7], STORY[-1]]))
    assert [line.event for line in found] == ["run-opened", "activity-ended", "step-done", "run-closed"]
    assert all("duration_s" not in line.keys for line in found)
    assert [line.keys["run"] for line in lines_of(STORY[-1:])] == [""]


def test_every_event_has_a_line_and_only_documented_keys() -> None:
    values = {
        "at": AT,
        "step": 0,
        "attempt": 1,
        "detail": {},
        "job": JOB,
        "due_at": AT,
        "server_at": AT,
        "again_at": AT,
        "files": (),
        "warnings": (),
    }
    for event in ev.EVENTS.values():
        given: dict[str, Any] = {each.name: values.get(each.name, f"a {each.name}") for each in fields(event)}
        made = event(**given)
        line = line_of(made, "run", "job", "slot")
        assert isinstance(line, LogLine)
        assert set(line.keys) <= set(KEYS)
        assert line.event == event.kind


def test_the_keys_are_these() -> None:
    """Programs read them: one that goes or changes its meaning is a new major version."""
    assert list(KEYS) == [
        "job", "run", "slot", "step", "activity", "outcome", "failure", "message", "remedy", "attempt", "on", "backup",
        "how", "exit_code", "output", "granted", "by", "changes",
        "warnings", "duration_s",
    ]  # fmt: skip
