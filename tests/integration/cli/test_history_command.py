"""``history``: which runs it lists, in which order, and how it is told to choose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

from tests.harness.cli_app import App

OUTCOMES = ("succeeded", "failed", "missed", "skipped", "cancelled", None)


@pytest.fixture
def past(app: App) -> App:
    """Thirty hours of runs, one an hour, each outcome in turn; the newest in flight."""
    app.state.mkdir(parents=True)
    journal = SqliteJournal(str(app.state), ("abcdefgh1234z", "main", "app"))
    now = datetime.now(UTC)
    for hours in range(1, 31):
        at = now - timedelta(hours=hours)
        job = Job(("nightly", "hand", "gone")[hours % 3], (StepPlan("backup", {}),))
        run, outcome = f"{job.name}@{hours}", OUTCOMES[hours % 6 - 1]
        opened = ev.RunOpened(
            at=at, run=run, environment="main", slot=None, due_at=at, trigger=ev.Trigger.MANUAL, job=job.to_json()
        )
        done = ev.StepDone(
            at=at + timedelta(minutes=4), step=0, outcome=ev.StepOutcome.DONE, message=f"backup b{hours} proved"
        )
        failed = ev.StepFailed(at=at, step=0, failure="activity-failed", message="out of space", remedy="free some")
        known: dict[str, list[ev.Event]] = {"succeeded": [done], "failed": [failed]}
        later = known.get(outcome or "", [])
        if outcome:
            later.append(ev.RunClosed(at=at + timedelta(minutes=5), outcome=outcome, message="so it is"))  # type: ignore[arg-type]
        assert journal.open_run(opened, later)
    journal.close()
    return app


def listed(app: App, *arguments: str) -> list[str]:
    return [run["run"] for run in app.call("history", *arguments, "--json").document["runs"]]


def test_the_newest_come_first_and_twenty_unless_told_otherwise(past: App) -> None:
    runs = listed(past)
    assert len(runs) == 20
    assert [int(run.partition("@")[2]) for run in runs] == list(range(1, 21))
    assert past.call("history", "--json").document["found"] == 30
    assert len(listed(past, "--limit", "3")) == 3
    assert len(listed(past, "--limit", "1000")) == 30


def test_it_can_be_one_job_even_one_that_is_not_in_the_job_file_any_more(past: App) -> None:
    for job in ("nightly", "gone"):
        runs = listed(past, job)
        assert len(runs) == 10
        assert {run.partition("@")[0] for run in runs} == {job}
    said = past.call("history", "never")
    assert said.code == 78
    assert "the jobs in the job file are: nightly, hand" in said.err


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "missed", "skipped", "cancelled", "in-flight"])
def test_it_can_be_one_outcome(past: App, outcome: str) -> None:
    runs = past.call("history", "--outcome", outcome, "--json").document["runs"]
    assert len(runs) == 5
    assert {run["outcome"] for run in runs} == {None if outcome == "in-flight" else outcome}


def test_outcomes_add_up(past: App) -> None:
    assert len(listed(past, "--outcome", "failed", "--outcome", "missed")) == 10


def test_since_takes_lengths_days_and_moments(past: App) -> None:
    assert len(listed(past, "--since", "5h30m")) == 5
    assert len(listed(past, "--since", "1d", "--limit", "100")) == 23
    yesterday = datetime.now(UTC) - timedelta(hours=10)
    assert len(listed(past, "--since", f"{yesterday:%Y-%m-%dT%H:%M}")) in {9, 10}
    assert len(listed(past, "--since", yesterday.isoformat())) in {9, 10}
    assert listed(past, "--since", "2099-01-01") == []


@pytest.mark.parametrize("since", ["soon", "5 h", "-1d", "99999d", "2026-13-01", "", "24", "9999-12-31T23:59-12:00"])
def test_a_since_that_is_no_time_is_a_usage_error(past: App, since: str) -> None:
    said = past.call("history", f"--since={since}")
    assert said.code == 64, said.out
    assert "2026-11-24" in said.err


def test_a_day_is_one_of_the_jobs_own_zone(app: App) -> None:
    app.write_jobs(
        '\n[jobs.tokyo]\nschedule = "0 3 * * *"\ntimezone = "Asia/Tokyo"\n[[jobs.tokyo.steps]]\nbackup = {}\n'
    )
    app.state.mkdir(parents=True)
    journal = SqliteJournal(str(app.state), ("abcdefgh1234z", "main", "app"))
    at = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)  # the second of March in Tokyo
    job = Job("tokyo", (StepPlan("backup", {}),)).to_json()
    journal.open_run(
        ev.RunOpened(at=at, run="r", environment="main", slot=None, due_at=at, trigger=ev.Trigger.MANUAL, job=job)
    )
    journal.close()
    assert listed(app, "tokyo", "--since", "2026-03-02") == ["r"]
    assert listed(app, "--since", "2026-03-02") == []


def test_a_run_says_how_long_it_and_its_steps_took_and_why_it_ended_so(past: App) -> None:
    runs = {run["outcome"]: run for run in past.call("history", "--json").document["runs"]}
    good, bad, missed = runs["succeeded"], runs["failed"], runs["missed"]
    assert good["duration_s"] == 300
    assert good["steps"][0]["duration_s"] == 0
    assert (bad["message"], bad["steps"][0]["remedy" if "remedy" in bad["steps"][0] else "message"]) == (
        "so it is",
        "out of space",
    )
    assert missed["duration_s"] is None


def test_it_is_a_table_for_people(past: App) -> None:
    lines = past.call("history", "--outcome", "failed").out.splitlines()
    assert lines[0].split() == ["RUN", "OPENED", "TOOK", "OUTCOME", "WHAT", "HAPPENED"]
    assert len(lines) == 6
    assert all("backup: out of space" in line for line in lines[1:])
    assert "10 more; choose with --limit" in past.call("history").out


def test_nothing_yet_is_no_error_and_leaves_nothing_behind(app: App) -> None:
    assert app.call("history").out == "No run yet. For the next slots: upsun-agent next\n"
    assert app.call("history", "hand").out == "No run of hand yet. For the next slots: upsun-agent next hand\n"
    assert app.call("history", "hand", "--outcome", "failed").code == 0
    assert listed(app) == []
    assert not app.state.exists()


def test_what_leaves_every_run_out_is_named(past: App) -> None:
    kept = len(listed(past, "--limit", "1000"))
    said = past.call("history", "--since", "1s").out
    assert said == f"No run matches: --since and --outcome exclude all of {kept} runs.\n"


def test_a_run_whose_events_make_no_sense_is_listed_with_the_others(past: App) -> None:
    journal = SqliteJournal(str(past.state), ("abcdefgh1234z", "main", "app"))
    journal.append("hand@1", ev.Warned(at=datetime.now(UTC), message="after the end"))
    journal.close()
    first = past.call("history", "--json").document["runs"][0]
    assert first["failure"] == "journal"
    assert "is inconsistent" in first["message"]
    assert "is inconsistent" in past.call("history", "--limit", "1").out


def test_a_night_that_was_played_is_in_the_history(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.make_due()
    app.call("tick")
    (run,) = app.call("history", "nightly", "--json").document["runs"]
    assert run["slot"] == app.slot
    assert [step["outcome"] for step in run["steps"]] == ["done", "done"]
    assert all(step["duration_s"] >= 0 for step in run["steps"])
    shown = app.call("show", "nightly", "--json").document
    assert shown["steps"] == run["steps"]
    assert "took: backup" in app.call("show", "nightly").out


def test_times_are_on_the_jobs_own_clock_and_say_which_it_is(app: App) -> None:
    app.jobs.write_text(
        '[jobs.tokyo]\nschedule = "0 3 * * *"\ntimezone = "Asia/Tokyo"\n[[jobs.tokyo.steps]]\nbackup = {}\n'
    )
    app.state.mkdir(parents=True)
    journal = SqliteJournal(str(app.state), ("abcdefgh1234z", "main", "app"))
    at = datetime(2026, 11, 26, 18, 0, 7, tzinfo=UTC)
    again = ev.RetryPlanned(
        at=at, step=0, failure="proof-failed", again_at=at + timedelta(minutes=15), message="no room"
    )
    for name, zone in (("tokyo", "Asia/Tokyo"), ("hand", "UTC")):
        job = Job(name, (StepPlan("backup", {}),), timezone=zone)
        opened = ev.RunOpened(
            at=at,
            run=f"{name}@x",
            environment="main",
            slot=None,
            due_at=at,
            trigger=ev.Trigger.MANUAL,
            job=job.to_json(),
        )
        assert journal.open_run(opened, [again])
    journal.close()
    lines = {line.partition("@")[0]: line for line in app.call("history").out.splitlines()}
    assert "2026-11-27 03:00 JST" in lines["tokyo"]
    assert "2026-11-26 18:00 UTC" in lines["hand"]
    shown = app.call("show", "tokyo").out
    assert "tokyo@x on main, 2026-11-27 (times are Asia/Tokyo)" in shown
    assert "03:00:07" in shown
    assert "next attempt after 03:15:07 JST" in shown
    assert "18:" not in shown
    assert " JST (in " in app.call("status").out
