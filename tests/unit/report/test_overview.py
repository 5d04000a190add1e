"""What ``status`` and ``history`` are made of: lines that fit, times in words, durations."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.model import events as ev
from upsun_agent.model.durations import span
from upsun_agent.report.snapshot import last_proofs, snapshot
from upsun_agent.report.status_text import frame, overview
from upsun_agent.runtime.suspension import pause_job
from upsun_agent.text.columns import breadth, cut, folded, shortened, table
from upsun_agent.text.durations import StepSpan, step_spans
from upsun_agent.text.humanize import ago, coming

from tests.harness.past_runs import NOW, Ledger, months

LONG = "nightly-update-of-the-main-site-with-a-name-as-long-as-any-{:02}"
MANY = "".join(
    f'[jobs.{LONG.format(n)}]\nschedule = "{n} 3 * * *"\ntimezone = "America/Argentina/ComodRivadavia"\n'
    f"[[jobs.{LONG.format(n)}.steps]]\nbackup = {{}}\n"
    for n in range(30)
)


@pytest.fixture
def crowd(tmp_path: Path) -> Ledger:
    """Thirty jobs with the longest names: run, failed, in flight, held back."""
    ledger = Ledger(str(tmp_path), text=MANY)
    for number, name in enumerate(ledger.job_file.jobs):
        when = NOW - timedelta(hours=1 + number * 7)
        ledger.run(name, when, ("succeeded", "failed", "missed", None)[number % 4], minutes=number * 13)
        if number % 7 == 0:
            pause_job(ledger.journal, name, "a reason that goes on and on, " * 6, NOW)
    return ledger


@pytest.mark.parametrize("room", [40, 60, 80, 132])
def test_no_line_of_status_is_longer_than_the_terminal(crowd: Ledger, room: int) -> None:
    lines = overview(snapshot(crowd.context, crowd.journal), room)
    assert max(breadth(line.text) for line in lines) <= room
    assert len([line for line in lines if line.text.startswith("nigh")]) >= 30


def test_long_names_can_still_be_told_apart_at_80_columns(crowd: Ledger) -> None:
    names = {line.text.split("  ")[0] for line in overview(snapshot(crowd.context, crowd.journal), 80)[1:31]}
    assert len(names) == 30


def test_without_a_terminal_nothing_is_shortened(crowd: Ledger) -> None:
    text = "\n".join(line.text for line in overview(snapshot(crowd.context, crowd.journal)))
    assert all(name in text for name in crowd.job_file.jobs)
    assert "…" not in text


@pytest.mark.parametrize("height", [5, 10, 24, 200])
def test_a_frame_fits_the_screen_and_says_what_it_leaves_out(crowd: Ledger, height: int) -> None:
    lines = frame(snapshot(crowd.context, crowd.journal), 80, height)
    assert len(lines) <= height
    assert ("the terminal is too short" in lines[-1].text) == (height < 200)


def test_status_tells_what_ran_how_long_the_backup_and_what_comes(tmp_path: Path) -> None:
    ledger = months(Ledger(str(tmp_path)))
    lines = [line.text for line in overview(snapshot(ledger.context, ledger.journal), 80)]
    assert lines[:4] == [
        "JOB             LAST RUN                  TOOK        BACKUP      NEXT SLOT",
        "nightly-update  succeeded 12 h ago        8 min 42 s  12 h        03:12 CET (in…",
        "hourly-backup   succeeded 2 h 17 min ago  3 min 12 s  2 h 19 min  18:40 UTC (in…",
        "by-hand         in flight                 9 min       -           manual only",
    ]
    assert "last proved backup of main: b2611241243, 2 h 19 min ago" in lines


def test_no_proof_yet_is_said(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    assert "no backup of main was ever proved" in [
        line.text for line in overview(snapshot(ledger.context, ledger.journal))
    ]


def test_a_proof_is_found_behind_any_number_of_steps_that_proved_nothing(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    proved = ledger.run("nightly-update", NOW - timedelta(days=300))
    bare = ledger.run("by-hand", NOW - timedelta(days=200), None)
    done = ev.StepDone(at=NOW, step=0, outcome=ev.StepOutcome.NOTHING_TO_DO, message="", detail={"commit": None})
    ledger.journal.append(bare, *[done] * 500)
    found = last_proofs(ledger.journal, "main")["nightly-update"]
    assert (found.run, found.environment) == (proved, "main")
    assert found.age(NOW) > timedelta(days=299)
    assert "by-hand" not in last_proofs(ledger.journal, "main")


def test_a_proof_of_another_environment_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.run("by-hand", NOW - timedelta(hours=5))
    ledger.run("hourly-backup", NOW - timedelta(hours=2), detail={"environment": "staging"})
    seen = snapshot(ledger.context, ledger.journal)
    assert {name: proof.run.partition("@")[0] for name, proof in seen.proofs.items()} == {
        "main": "by-hand",
        "staging": "hourly-backup",
    }


# --- layout -----------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=6), st.integers(30, 120))
def test_a_table_fits_its_room_whatever_stands_in_it(rows: list[tuple[str, str, str]], room: int) -> None:
    lines = table(("A", "B", "C"), rows, room=room, flexible=(0, 1, 2))
    assert len(lines) == len(rows) + 1
    assert all(breadth(line) <= room for line in lines)


@given(TEXTS, st.integers(1, 70))
def test_a_text_that_is_cut_fits_and_one_that_fits_stays(text: str, room: int) -> None:
    for found in (cut(text, room), shortened(text, room)):
        assert breadth(found) <= room
        assert found == text or breadth(text) > room


@given(TEXTS, st.integers(20, 70))
def test_folding_loses_no_word(text: str, room: int) -> None:
    lines = folded(text, room, "  ")
    assert all(breadth(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_the_middle_of_a_name_is_left_out() -> None:
    assert shortened("nightly-update-production", 15) == "nightly…duction"
    assert breadth("日本") == 4


# --- times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (73, "1 min 13 s"),
        (3599, "59 min"),
        (3600, "1 h"),
        (6840, "1 h 54 min"),
        (599, "9 min 59 s"),
        (600, "10 min"),
        (5999, "1 h 39 min"),
        (172799, "1 d 23 h"),
        (172800, "2 d"),
        (36000, "10 h"),
        (863999, "9 d 23 h"),
        (864000, "10 d"),
    ],
)
def test_lengths_are_told_alike_everywhere(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
    assert ago(NOW - timedelta(seconds=max(seconds, 0)), NOW) == f"{said} ago"
    if seconds > 0:
        assert ago(NOW + timedelta(seconds=seconds), NOW) == f"in {said}"
        assert coming("2026-11-26T03:12", NOW + timedelta(seconds=seconds), NOW, "UTC").endswith(f"(in {said})")


@pytest.mark.parametrize(
    ("hours", "said"),
    [(5, "03:12 CET (in 5 h)"), (30, "26 Nov 03:12 CET (in 1 d 6 h)"), (24 * 320, "Nov 2026 03:12 CEST (in 320 d)")],
)
def test_a_coming_slot_has_a_date_only_where_it_is_a_day_away(hours: int, said: str) -> None:
    assert coming("2026-11-26T03:12", NOW + timedelta(hours=hours), NOW, "Europe/Paris") == said


# --- durations -------------------------------------------------------------------------------------------------


def test_a_step_lasts_from_its_first_event_over_its_retries_to_its_end() -> None:
    at = [NOW + timedelta(minutes=n) for n in range(10)]
    events: list[ev.Event] = [
        ev.IntentRecorded(at=at[1], step=0, attempt=1, server_at=at[1], head=None),
        ev.RequestAccepted(at=at[1], step=0, activity="a"),
        ev.RetryPlanned(at=at[3], step=0, failure="f", message="", again_at=at[4]),
        ev.IntentRecorded(at=at[4], step=0, attempt=2, server_at=at[4], head=None),
        ev.StepDone(at=at[6], step=0, outcome=ev.StepOutcome.DONE, message=""),
        ev.IntentRecorded(at=at[7], step=1, attempt=1, server_at=at[7], head=None),
    ]
    assert step_spans(events) == {0: StepSpan(at[1], at[6]), 1: StepSpan(at[7], None)}
    assert step_spans(events)[0].length == timedelta(minutes=5)
    assert (
        step_spans([ev.StepDone(at=at[2], step=0, outcome=ev.StepOutcome.DONE, message="reused")])[0].length
        == timedelta()
    )
