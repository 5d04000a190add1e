"""What ``status`` and ``next`` promise is what ticks will do, and slots that were missed together are counted."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from upsun_agent.journal import Cursor
from upsun_agent.journal.notes import UNSURE_SINCE
from upsun_agent.report.snapshot import snapshot
from upsun_agent.report.status_text import overview
from upsun_agent.report.status_view import snapshot_view
from upsun_agent.runtime.slots import Judge

from tests.harness.past_runs import NOW, Ledger

JOB = '[jobs.look]\nschedule = "{schedule}"\n{more}\n[[jobs.look.steps]]\nbackup = {{}}\n'


def ledger(tmp_path: Path, schedule: str, more: str = "") -> Ledger:
    return Ledger(str(tmp_path / "state"), JOB.format(schedule=schedule, more=more))


def coming(place: Ledger, count: int = 3) -> list[str]:
    job = place.job_file.jobs["look"]
    schedule = place.schedule(job)
    assert schedule is not None
    return [slot.name for slot in islice(Judge(job, schedule, place.journal, "main").coming(NOW), count)]


@pytest.mark.parametrize(
    ("schedule", "when", "slots"),
    [
        ("0 3 * * *", 'days = ["fri"]', ["2026-11-27T03:00", "2026-12-04T03:00", "2026-12-11T03:00"]),
        (
            "0 3 * * *",
            'not-on = ["2026-11-25/2026-11-27"]',
            ["2026-11-28T03:00", "2026-11-29T03:00", "2026-11-30T03:00"],
        ),
        ("* * * * *", 'window = "03:00-03:02"', ["2026-11-25T03:00", "2026-11-25T03:01", "2026-11-26T03:00"]),
        ("0 3 1 1 *", 'not-on = ["2027-01-01"]', ["2028-01-01T03:00", "2029-01-01T03:00", "2030-01-01T03:00"]),
        ("* * * * *", 'branches = ["release-*"]', []),
        ("0 3 * * *", 'window = "04:00-05:00"', []),
    ],
)
def test_slots_that_conditions_leave_out_are_not_promised(
    tmp_path: Path, schedule: str, when: str, slots: list[str]
) -> None:
    place = ledger(tmp_path, schedule, f"when = {{ {when} }}")
    assert coming(place) == slots
    (standing,) = snapshot(place.context, place.journal).jobs
    assert (standing.slot.name if standing.slot else None) == (slots[0] if slots else None)
    text = "\n".join(line.text for line in overview(snapshot(place.context, place.journal)))
    assert ("no slot soon" in text) is (not slots)


def test_once_a_day_promises_no_second_slot_of_the_day_on_which_the_job_succeeded(tmp_path: Path) -> None:
    place = ledger(tmp_path, "0 */2 * * *", "when = { once-a-day = true }")
    place.run("look", NOW - timedelta(minutes=30))
    today, tomorrow = f"{NOW:%Y-%m-%d}", f"{NOW + timedelta(days=1):%Y-%m-%dT00:00}"
    first = coming(place, 1)
    assert first == [tomorrow]
    assert not first[0].startswith(today)


def test_slots_that_are_judged_already_are_not_promised(tmp_path: Path) -> None:
    place = ledger(tmp_path, "*/5 * * * *")
    place.journal.set_cursor(Cursor("look", "*/5 * * * *|UTC", NOW + timedelta(minutes=12)))
    assert coming(place, 1)[0] > f"{NOW + timedelta(minutes=12):%Y-%m-%dT%H:%M}"
    place.journal.set_cursor(Cursor("look", "*/5 * * * *|UTC", NOW + timedelta(days=900)))
    assert coming(place, 1)[0] < f"{NOW + timedelta(minutes=6):%Y-%m-%dT%H:%M}", "the next tick corrects them"


def test_status_says_how_many_slots_were_missed_together(tmp_path: Path) -> None:
    place = ledger(tmp_path, "0 3 * * *")
    place.run("look", NOW - timedelta(hours=3), "missed", detail={"first": "2026-11-12T03:00", "count": 13})
    seen = snapshot(place.context, place.journal)
    assert any("13 missed" in line.text for line in overview(seen))
    assert [run.slots for run in snapshot_view(seen, None).jobs[0].runs] == [13]


def test_status_says_since_when_no_tick_could_make_sure_of_the_state(tmp_path: Path) -> None:
    place = ledger(tmp_path, "0 3 * * *")
    place.journal.note(UNSURE_SINCE, (NOW - timedelta(hours=4)).isoformat())
    seen = snapshot(place.context, place.journal)
    said = "no tick could check whether a restore reset the state"
    assert any(said in line.text for line in overview(seen))
    assert snapshot_view(seen, None).unsure_since == NOW - timedelta(hours=4)
