"""Counters never fall by a little and lengths are never below 0, whatever the clock does; only ticks count as ticks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from upsun_agent.clock import VirtualClock
from upsun_agent.journal.directory import reading
from upsun_agent.journal.state import MountState
from upsun_agent.report.metrics import measure
from upsun_agent.report.prometheus import text
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.tick import run_tick, ticking
from upsun_agent.runtime.tick_report import TickReport

from tests.harness.stage import JOB, SLOT, START, Stage

QUICK = (
    '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\ncommand = { run = ["true"], changes = false }\n'
)


class Creeping(VirtualClock):
    """A clock as it is: no two looks give the same moment. With ``back`` it is set back all the while."""

    looks = 0
    back = False

    def now(self) -> datetime:
        self.looks += 1
        step = timedelta(microseconds=7 * self.looks)
        return super().now() - step if self.back else super().now() + step


def creeping(stage: Stage, *, back: bool = False) -> TickContext:
    clock = Creeping(stage.manual_clock)
    clock.back = back
    return replace(stage.site(), clock=clock)


def tick(stage: Stage, *, back: bool = False) -> TickReport:
    site = creeping(stage, back=back)
    try:
        return run_tick(site)
    finally:
        site.client.close()


def metrics(stage: Stage) -> dict[str, str]:
    site = stage.site()
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        page = text(measure(site, journal))
    site.client.close()
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {re.sub(r"project=.*?app=\"app\",?", "", name): number for name, _, number in lines}


@pytest.mark.parametrize("back", [False, True], ids=["forward", "set back all the while"])
def test_what_never_ran_took_no_time_and_no_length_is_below_0(make: Callable[..., Stage], back: bool) -> None:  # noqa: FBT001  a parameter
    stage = make(QUICK + QUICK.replace("[jobs.nightly", "[jobs.weekday").replace('"\n', '"\nonly-on = ["sat"]\n', 0))
    stage.at(START).tick()
    stage.at(SLOT + timedelta(days=3, hours=8))
    tick(stage, back=back)
    stage.at(SLOT + timedelta(days=4, seconds=3))
    tick(stage, back=back)
    found = metrics(stage)
    lengths = {name: number for name, number in found.items() if "seconds_total" in name or "duration" in name}
    assert lengths
    assert [number for number in lengths.values() if number.startswith("-")] == []
    assert {number for name, number in lengths.items() if 'outcome="missed"' in name} <= {"0", "0.0"}
    durations = [line["duration_s"] for line in stage.logged() if line["event"] == "run-closed"]
    assert durations
    assert all(str(each)[0] != "-" for each in durations), "in the log neither, not even -0.0"


def test_the_seconds_of_runs_are_the_sum_of_what_history_shows(make: Callable[..., Stage]) -> None:
    stage = make(QUICK)
    stage.at(START).tick()
    for day in range(5):
        stage.at(SLOT + timedelta(days=day, seconds=3))
        tick(stage)
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        (tally,) = journal.tallies()
        rows = journal.rows(job="nightly")
    shown = sum((row.closed_at - row.opened_at).total_seconds() for row in rows if row.closed_at)
    assert tally.runs == len(rows) == 5
    assert tally.seconds == pytest.approx(shown, abs=0.001 * len(rows))


def test_after_a_restore_every_counter_begins_at_0_again(stage: Stage) -> None:
    stage.at(START).tick()
    saved = stage.directory.with_name("saved")
    for _ in range(4):
        stage.later(seconds=1).tick()
    shutil.copytree(stage.directory, saved)
    stage.at(SLOT + timedelta(seconds=7)).ticks()
    before = int(float(metrics(stage)["upsun_agent_ticks_total{}"]))
    stage.simulator.start_activity(type="environment.restore", seconds=1)
    shutil.rmtree(stage.directory)
    shutil.copytree(saved, stage.directory)
    stage.at(SLOT + timedelta(days=1)).tick()
    assert len(stage.set_aside()) == 1
    after = metrics(stage)
    assert (before > 5, after["upsun_agent_ticks_total{}"]) == (True, "1")
    assert {number for name, number in after.items() if "runs_total" in name} <= {"0", "1"}


def test_after_a_loss_ticks_are_counted_on_and_runs_from_0(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).ticks()
    before = int(float(metrics(stage)["upsun_agent_ticks_total{}"]))
    (stage.directory / "journal.sqlite").write_bytes(b"")
    stage.later(minutes=5).tick()
    after = metrics(stage)
    assert int(float(after["upsun_agent_ticks_total{}"])) == before + 1
    assert {number for name, number in after.items() if "runs_total" in name} == {"0"}


# --- what counts as a tick ------------------------------------------------------------------------------------------


def by_hand(stage: Stage, job: str = "nightly") -> str:
    site = stage.site()
    with ticking(site) as tick:
        tick.verify_state()
        run = tick.open_by_hand(site.job_file.job(job))
        tick.advance(run)
        tick.finish(by_hand=True)
    site.client.close()
    return run


def test_a_run_by_hand_is_no_sign_that_the_cron_works(make: Callable[..., Stage]) -> None:
    stage = make(QUICK)
    stage.at(START)
    by_hand(stage)
    found = metrics(stage)
    assert found["upsun_agent_ticks_total{}"] == "0"
    assert "upsun_agent_last_tick_timestamp_seconds{}" not in found
    stage.later(minutes=5).tick()
    assert metrics(stage)["upsun_agent_ticks_total{}"] == "1"


def test_a_restore_is_noticed_too_where_only_runs_by_hand_work_on_the_state(make: Callable[..., Stage]) -> None:
    stage = make(JOB)
    stage.at(START)
    by_hand(stage)
    stage.simulator.start_activity(type="environment.restore", seconds=1)
    stage.later(hours=2)
    by_hand(stage)
    assert [name.split(".")[2].split("-")[0] for name in stage.set_aside()] == ["rewound"]
