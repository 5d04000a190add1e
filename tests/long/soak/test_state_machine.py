"""Anything that can happen, in any order: the real tick, journal, lock and client against the simulator.

After every rule the simulator's own state is asked for P1 and P2 (``scene.Door`` judges each request as it is acted
on); at the end the world is made healthy, and ticks alone must close every run (P3). With ``UPSUN_SOAK=1`` 5,000
stories are drawn, else 60 that are always the same.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from upsun_agent.errors import Busy
from upsun_agent.schedule import Schedule
from upsun_simulator.user import MACHINE

from tests.harness.soak_stage import TOKEN, Scene

SOAK = os.environ.get("UPSUN_SOAK") == "1"
EXAMPLES = int(os.environ.get("UPSUN_SOAK_EXAMPLES", "5000")) if SOAK else 60
START = datetime(2026, 3, 28, 16, 50, tzinfo=UTC)  # the night of the change to summer time
CHILD = "feature/login"
TICKS_MOST = 16  # of 20 minutes: the run's time limit of four hours, and a few more

JOB = """
[jobs.nightly]
schedule = "{schedule}"
timezone = "Europe/Paris"
environment-types = ["production", "development"]
misfire-grace = "2h"
timeout = "4h"
{more}
[[jobs.nightly.steps]]
backup = {{ {backup} }}
[[jobs.nightly.steps]]
source-operation = {{ name = "update"{update} }}
"""


def job(schedule: str = "0 */6 * * *", more: str = "", backup: str = "", update: str = "") -> str:
    return JOB.format(schedule=schedule, more=more, backup=backup, update=update)


JOBS = (
    job(),
    job(backup="retries = 0"),
    job(backup='retries = 3, retry-after = "1m"'),
    job(backup='reuse-within = "1h"'),
    job(backup='live = true, on-failure = "continue"'),
    job(backup='timeout = "10m"'),
    job(update=', retries = 2, retry-after = "1m"'),
    job(more='overlap = "wait"'),
    job(more="suspend-after = 2"),
    job(more='catch-up = "none"'),
    job(schedule="30 */3 * * *"),
    job(schedule="H H * * *"),
    job().replace("nightly", "other"),
)

#: Faults of one request each. Lies are not among them: an answer that says 4xx or «nothing there» is believed.
WRITES = ("POST */backup", "POST */source-operation")
READS = (
    "POST /oauth2/token",
    "GET */environments/*",
    "GET */activities",
    "GET */activities/*",
    "GET */backups/*",
    "GET *",
)
CUTS = ("cut-before", "cut-after", "half-headers", "half-body", "reset", "reset-after", "drip")
ANSWERS = (
    "500", "502", "503", "504", "408", "401", "403", "409", "423", "429 retry-after=90", "429 retry-after=999999999",
    "status-after status=500", "status-after status=504", "status-after status=408",
    "html", "redirect", "empty", "empty status=202", "expired-bearer", "delay seconds=20", "delay seconds=70",
    "json body={}", "json body=NaN", 'json body={"id": null}',
)  # fmt: skip

SLOTS = Schedule("0 */6 * * *", "Europe/Paris")
SEEN: Counter[str] = Counter()


class World(RuleBasedStateMachine):
    """One container, its mount, its clones, and everybody else on the platform."""

    @initialize(
        late=st.integers(0, 20),
        scenario=st.sampled_from(({}, {"links_vanish_when_busy": True}, {"deploy_mode": "inclusive"})),
    )
    def begin(self, late: int, scenario: dict[str, Any]) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="upsun-agent-soak-")
        self.scene = Scene(START, JOBS[0], self.directory.name, **scenario)
        self.simulator = self.scene.simulator
        self.clones = 0
        self.clone: Any = None
        self.scene.tick()
        self.scene.manual_clock.advance(600 + late)

    # --- the agent ----------------------------------------------------------------------------------------------

    @rule(moved=st.booleans())
    def tick(self, *, moved: bool) -> None:
        said = self.scene.tick(moved=moved)
        assert not isinstance(said, Exception) or isinstance(said, Busy), said

    @rule(number=st.integers(1, 30), after=st.booleans(), moved=st.booleans())
    def tick_is_killed(self, *, number: int, after: bool, moved: bool) -> None:
        SEEN["kills"] += self.scene.killed_tick(number, after=after, moved=moved)

    @rule(seconds=st.sampled_from((5, 20, 60, 300)), numbers=st.lists(st.integers(1, 30), min_size=1, max_size=4))
    def kill_after_kill(self, seconds: int, numbers: list[int]) -> None:
        for number in numbers:
            self.scene.manual_clock.advance(seconds)
            SEEN["kills"] += self.scene.killed_tick(number, after=number % 2 == 0)

    @rule(ticks=st.integers(1, 4), late=st.sampled_from((0, 7, 61, 1190)), well=st.booleans())
    def slot_comes_and_crons_run(self, *, ticks: int, late: int, well: bool) -> None:
        if well:
            self.all_is_well()
        self.next_slot_comes(late)
        self.tick(moved=False)
        self.crons_run(ticks)

    @rule(number=st.integers(1, 30), after=st.booleans(), what=st.sampled_from(("", *CUTS)))
    def slot_comes_and_tick_is_killed(self, *, number: int, after: bool, what: str) -> None:
        self.all_is_well()
        self.next_slot_comes(7)
        if what:
            self.simulator.add_fault(f"{WRITES[number % 2]} {what}")
        self.tick_is_killed(number=number, after=after, moved=False)

    @rule(ticks=st.integers(2, 6))
    def crons_run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.scene.manual_clock.advance(300)
            self.tick(moved=False)

    @rule(jobs=st.sampled_from(JOBS))
    def job_file_is_edited(self, jobs: str) -> None:
        self.scene.mount.jobs = jobs

    @rule()
    def state_is_cloned(self) -> None:
        self.clones += 1
        self.clone = self.scene.clone(self.scene.mount, f"{self.directory.name}/clone{self.clones}", CHILD)

    @precondition(lambda self: self.clone is not None)
    @rule()
    def clone_ticks(self) -> None:
        said = self.scene.tick(self.clone)
        assert not isinstance(said, Exception) or isinstance(said, Busy), said

    # --- time ---------------------------------------------------------------------------------------------------

    @rule(minutes=st.integers(1, 90))
    def minutes_pass(self, minutes: int) -> None:
        self.scene.manual_clock.advance(minutes * 60)

    @rule()
    def all_is_well(self) -> None:
        self.simulator.add_token(TOKEN)
        good = {"backup_outcome": "success", "update_outcome": "commit", "deploy_outcome": "success"}
        self.simulator.change(role="admin", other_role="admin", backup_seconds=20, **good)
        self.simulator.set_status("active")

    @rule(seconds=st.integers(1, 130))
    def seconds_pass(self, seconds: int) -> None:
        self.scene.manual_clock.advance(seconds)

    @rule(hours=st.sampled_from((2, 3, 5, 13, 30, 24 * 16)))
    def days_pass(self, hours: int) -> None:
        self.scene.manual_clock.advance(hours * 3600)

    @rule(before=st.sampled_from((-30, 7, 61, 1190)))
    def next_slot_comes(self, before: int) -> None:
        now = self.scene.manual_clock.now()
        slot = SLOTS.next(now)
        assert slot is not None
        self.scene.manual_clock.set(max(now, slot.due_at + timedelta(seconds=before)))

    # --- the platform and others on it --------------------------------------------------------------------------

    @rule(where=st.sampled_from(WRITES), what=st.sampled_from(CUTS + ANSWERS))
    def write_goes_wrong(self, where: str, what: str) -> None:
        self.simulator.add_fault(f"{where} {what}")

    @rule(where=st.sampled_from(READS), what=st.sampled_from(CUTS + ANSWERS), times=st.sampled_from((1, 3, 8)))
    def read_goes_wrong(self, where: str, what: str, times: int) -> None:
        self.simulator.add_fault(f"{where} {what} x{times}" if " body=" not in what else f"{where} {what}")

    @rule()
    def somebody_pushes(self) -> None:
        self.simulator.push()

    @rule(
        seconds=st.sampled_from((1, 60, 600, 7200)),
        kind=st.sampled_from(("backup", "source-operation", "cron", "restore")),
    )
    def somebody_is_at_work(self, seconds: int, kind: str) -> None:
        kind = f"environment.{kind}"
        self.simulator.start_activity(type=kind, user="grace", seconds=seconds)

    @rule(status=st.sampled_from(("active", "active", "paused", "inactive", "dirty")))
    def environment_changes(self, status: str) -> None:
        self.simulator.set_status(status)

    @rule(role=st.sampled_from(("admin", "viewer", None)))
    def role_changes(self, role: str | None) -> None:
        self.simulator.change(role=role, other_role=role)

    @rule(back=st.booleans())
    def token_is_revoked_or_restored(self, *, back: bool) -> None:
        if back:
            self.simulator.add_token(TOKEN)
        else:
            self.simulator.revoke_token()
            self.simulator.expire_bearers()

    @rule()
    def newest_backup_is_evicted(self) -> None:
        self.simulator.change()  # what should have happened by now does
        kept = self.simulator.state.backups
        if kept:
            self.simulator.drop_backup(kept[-1].id)

    @rule()
    def somebody_cancels_what_runs(self) -> None:
        self.simulator.change()
        running = self.simulator.state.unfinished("main")
        if running:
            self.simulator.cancel_activity(running[0].id)

    @rule(
        changes=st.sampled_from(
            (
                *({"list_lag_seconds": seconds} for seconds in (0, 30, 60)),
                *({"backup_outcome": word} for word in ("success", "success", "failure", "unrestorable", "missing")),
                *({"update_outcome": word} for word in ("commit", "no-commit", "failure")),
                *({"deploy_outcome": word} for word in ("success", "failure")),
                *({"backup_limit": number} for number in (1, 4)),
                *({"backup_seconds": seconds} for seconds in (20, 900)),
                {"queue_seconds": 300},
                {"manual_deployment": True},
            )
        )
    )
    def platform_changes(self, changes: dict[str, Any]) -> None:
        self.simulator.change(**changes)

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        wrong = [deed.wrong for deed in self.scene.door.deeds if deed.wrong]
        assert not wrong, wrong
        kinds = {"environment.backup", "environment.source-operation"}
        ours = [one for one in self.simulator.state.activities if one.user == MACHINE and one.type in kinds]
        assert len(ours) == len(self.scene.door.deeds), "the door has seen every deed"

    def teardown(self) -> None:
        try:
            if hasattr(self, "scene"):
                self._ends_well()
        finally:
            if hasattr(self, "directory"):
                self.directory.cleanup()

    def _ends_well(self) -> None:
        """The world is healthy again: ticks alone close every run that is open now."""
        self.simulator.faults.clear()
        self.all_is_well()
        for mount in filter(None, (self.scene.mount, self.clone)):
            waiting = set(self.scene.open_runs(mount))
            SEEN["open at the end"] += len(waiting)
            for _ in range(TICKS_MOST):
                said = self.scene.tick(mount)
                assert not isinstance(said, Exception) or isinstance(said, Busy), said
                if not waiting & set(self.scene.open_runs(mount)):
                    break
                self.scene.manual_clock.advance(1200)
            assert not waiting & set(self.scene.open_runs(mount)), "P3: stuck"
        self.promises_hold()
        SEEN["stories"] += 1
        SEEN["requests acted on"] += len(self.scene.door.deeds)
        for run in self.scene.runs():
            SEEN[f"run {run.closed.outcome if run.closed else 'open'}"] += 1
            if run.closed is not None and run.closed.outcome == "failed":
                SEEN[f"failed for {run.closed.failure}"] += 1
        assert "Traceback" not in self.scene.log.getvalue()
        assert TOKEN not in self.scene.log.getvalue()


def test_whatever_happens_nothing_is_done_twice_unproved_or_left_open() -> None:
    SEEN.clear()
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(World, settings=profile)
    print(dict(SEEN.most_common()))
    assert SEEN["stories"] >= EXAMPLES
    assert SEEN["kills"] >= EXAMPLES / 2
    assert SEEN["requests acted on"] >= EXAMPLES * 2
    assert SEEN["run succeeded"] >= EXAMPLES / 2, "stories in which nothing works show little"


def test_the_judge_at_the_door_notices_a_second_backup_and_an_update_without_one(tmp_path: Any) -> None:
    """The check can fail: an agent that forgets what it asked for is caught."""
    scene = Scene(START, JOBS[0], str(tmp_path))
    scene.tick()
    scene.manual_clock.advance(601)
    scene.tick()
    (first,) = scene.door.deeds
    assert first.wrong is None
    platform = scene.simulator.state
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upsun_agent.runtime.executor.Executor.send", _twice(scene))
        scene.manual_clock.advance(300)
        scene.tick()
    wrongs = [deed.wrong for deed in scene.door.deeds if deed.wrong]
    assert [deed.what for deed in scene.door.deeds] == ["backup", "source-operation", "source-operation"]
    assert len(wrongs) == 1
    assert wrongs[0].startswith("P1: update")
    platform.backups.clear()
    platform.evicted.clear()
    scene.door.deeds.clear()
    newest = platform.activities[-2]
    scene.door.judge("source-operation", newest, "/projects/x/environments/main/source-operation")
    assert str(scene.door.deeds[0].wrong).startswith("P2: update")


def _twice(scene: Scene) -> Any:
    from upsun_agent.runtime.executor import Executor

    send = Executor.send

    def sent(executor: Executor, decision: Any) -> Any:
        send(executor, decision)
        return send(executor, decision)

    return sent
