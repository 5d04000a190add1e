"""Months in virtual time with all that months bring: every slot accounted for, no promise broken by the request log.

Half a year and five seeds with ``UPSUN_SOAK=1``, else two months and one seed. ``invariants`` does the checking, so
the last tests here spoil a real request log and see that it notices.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace
from upsun_agent.config import parse
from upsun_agent.engine.due import Slot
from upsun_agent.engine.run import Run
from upsun_agent.model.events import RunClosed, RunOutcome
from upsun_agent.platform.container import Container
from upsun_simulator.rehearsal.invariants import broken_promises
from upsun_simulator.rehearsal.play import Rehearsal
from upsun_simulator.rehearsal.simulate_days import SimulatedDays, play
from upsun_simulator.user import MACHINE

from tests.harness.soak_stage import Scene
from tests.harness.sources import REPOSITORY

SOAK = os.environ.get("UPSUN_SOAK") == "1"
DAYS, SEEDS = (180, (1, 2, 3, 4, 5)) if SOAK else (60, (1,))
FLAGSHIP = REPOSITORY / ".upsun" / "agent.toml"
START = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)  # the change to summer time comes in either length
JOB = """
[jobs.nightly]
schedule = "30 2 * * *"
timezone = "Europe/Paris"
{more}
[[jobs.nightly.steps]]
backup = {{ {backup} }}
[[jobs.nightly.steps]]
source-operation = {{ name = "update" }}
"""


def season(days: int, seed: int, *faults: str, more: str = "", backup: str = "") -> SimulatedDays:
    job_file = parse(JOB.format(more=more, backup=backup))
    container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
    return play(Rehearsal(job_file, job_file.job("nightly"), container, faults, START), days, seed)


def check_all_accounted(played: SimulatedDays) -> None:
    assert played.broken == []
    single = sum(played.outcomes[word] for word in ("succeeded", "failed", "skipped", "in flight"))
    assert single + played.missed_slots == played.judged
    assert played.slots - played.judged in {0, 1}, "at most one slot came after the last tick"
    assert sum(played.exit_codes.values()) + played.idle_ticks == played.ticks


@pytest.mark.parametrize("seed", SEEDS)
def test_months_bring_no_broken_promise_and_every_slot_is_accounted_for(seed: int) -> None:
    played = season(DAYS, seed)
    print(seed, played)
    check_all_accounted(played)
    assert played.slots in {DAYS, DAYS - 1}
    assert 13 <= played.missed_slots <= 15, "fourteen days without crons"
    assert played.failures["token"] in {2, 3, 4}, "three days without a token"
    assert sum(played.failures.values()) == played.outcomes["failed"]
    assert played.outcomes["succeeded"] >= played.judged - 15 - played.outcomes["failed"]
    assert played.outcomes["failed"] <= 4 + DAYS / 30, "bad hours of the API are survived, but perhaps one a month"
    assert played.backups >= played.updates >= played.outcomes["succeeded"]
    assert played.idle_ticks > played.ticks * 0.95
    assert played.requests < played.judged * 40
    texts = " ".join(incident.text for incident in played.incidents)
    assert all(word in texts for word in ("commit", "503", "is lost", "never arrives", "quota", "expires", "pause"))


@pytest.mark.parametrize("fault", [(), ("production-breaks",)], ids=["good", "rolled back"])
def test_months_of_the_flagship_break_no_promise(fault: tuple[str, ...]) -> None:
    text = FLAGSHIP.read_text().replace("[jobs.flagship]", '[jobs.flagship]\nschedule = "0 22 * * *"')
    job_file = parse(text)
    container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
    days = DAYS // 3
    played = play(Rehearsal(job_file, job_file.job("flagship"), container, fault, START), days, 1)
    check_all_accounted(played)
    assert played.outcomes["failed" if fault else "succeeded"] > days // 3


@pytest.mark.parametrize(
    ("faults", "more", "backup"),
    [
        (("backup-fails",), "", 'retries = 2, retry-after = "5m"'),
        (("backup-unrestorable",), "", ""),
        ((), "", 'reuse-within = "2d"'),
        ((), 'overlap = "wait"\ncatch-up = "none"', ""),
        (("update-fails",), "suspend-after = 2", ""),
    ],
    ids=["retries", "no proof", "reuse", "wait", "suspended"],
)
def test_jobs_of_other_kinds_break_no_promise_either(faults: tuple[str, ...], more: str, backup: str) -> None:
    played = season(DAYS if SOAK else 13, 7, *faults, more=more, backup=backup)
    check_all_accounted(played)
    if faults and faults[0].startswith("backup"):
        assert played.updates == 0
        assert played.backups > played.outcomes["failed"] - played.failures["token"]
    if "reuse" in backup:
        assert 0 < played.backups < played.updates
    if "suspend" in more:
        assert played.outcomes["skipped"] > 5


# --- the audit itself -------------------------------------------------------------------------------------------


@cache
def three_nights() -> tuple[dict[str, Any], tuple[Run, ...], tuple[Slot, ...], datetime]:
    """The request log and runs of three nights that went well."""
    with tempfile.TemporaryDirectory(prefix="upsun-agent-audit-") as directory:
        scene = Scene(START, JOB.format(more="", backup=""), directory)
        scene.tick()
        slots = [datetime(2026, 2, day, 1, 30, tzinfo=UTC) for day in (2, 3, 4)]
        for slot in slots:
            scene.manual_clock.set(slot + timedelta(seconds=7))
            for _ in range(4):
                scene.tick()
                scene.manual_clock.advance(300)
        named = tuple(Slot(slot, f"{slot + timedelta(hours=1):%Y-%m-%dT%H:%M}") for slot in slots)
        return scene.simulator.request_log(), tuple(scene.runs()), named, scene.manual_clock.now()


def audit(spoil: Callable[[dict[str, Any], list[Run]], object]) -> list[str]:
    """What the audit says of these nights, spoiled."""
    request_log, runs, slots, now = three_nights()
    request_log, kept = copy.deepcopy(request_log), list(runs)
    spoil(request_log, kept)
    return list(broken_promises(request_log, kept, user=MACHINE.id, last_tick=now, slots=slots))


def of(request_log: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in request_log["activities"] if each["type"] == f"environment.{kind}"]


def again(request_log: dict[str, Any], kind: str, *, later: float = 60, **changes: Any) -> None:
    """The first activity of the kind once more, some seconds later."""
    twin = copy.deepcopy(of(request_log, kind)[0])
    for name in ("created_at", "completed_at"):
        twin[name] = (datetime.fromisoformat(twin[name]) + timedelta(seconds=later)).isoformat()
    request_log["activities"].append({**twin, "id": "twin", **changes})


def test_three_good_nights_pass_the_audit() -> None:
    assert audit(lambda *_: None) == []
    request_log, runs, _, _ = three_nights()
    assert len(of(request_log, "backup")) == len(of(request_log, "source-operation")) == len(runs) == 3


def no_backups(request_log: dict[str, Any], _: list[Run]) -> None:
    request_log["backups"].clear()


def yesterdays_backup(request_log: dict[str, Any], _: list[Run]) -> None:
    del request_log["backups"][1]  # the second night's, so that only the first night's is there for its update


def unrestorable(request_log: dict[str, Any], _: list[Run]) -> None:
    request_log["backups"][2]["restorable"] = False


def elsewhere(request_log: dict[str, Any], _: list[Run]) -> None:
    request_log["backups"][0]["environment"] = "staging"


def long_open(_: dict[str, Any], runs: list[Run]) -> None:
    oldest = min(runs, key=lambda run: run.opened_at)
    runs[runs.index(oldest)] = replace(oldest, closed=None)


def booked_twice(_: dict[str, Any], runs: list[Run]) -> None:
    newest = max(runs, key=lambda run: run.opened_at)
    batch = RunClosed(
        at=newest.opened_at, outcome=RunOutcome.MISSED, message="", detail={"first": "2026-02-02T02:30", "count": 3}
    )
    runs[runs.index(newest)] = replace(newest, closed=batch)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda request_log, _: again(request_log, "backup"),
            "2 backups in run nightly@2026-02-02T02:30 succeeded, 1 are wanted",
        ),
        (lambda request_log, _: again(request_log, "backup", later=5), "was requested before"),
        (lambda request_log, _: again(request_log, "backup", later=7200), "while no run was open"),
        (lambda request_log, _: again(request_log, "backup", user="somebody else"), None),
        (lambda request_log, _: again(request_log, "source-operation"), "2 updates 'update' in run"),
        (
            lambda request_log, _: of(request_log, "source-operation")[0]["parameters"]["variables"].clear(),
            "in no known run",
        ),
        (no_backups, "without a good backup"),
        (yesterdays_backup, "without a good backup since 2026-02-03 01:30"),
        (unrestorable, "without a good backup since 2026-02-04 01:30"),
        (elsewhere, "without a good backup since 2026-02-02 01:30"),
        (lambda _, runs: runs.pop(), "has no run and was not recorded as missed"),
        (long_open, "beyond its time limit"),
        (booked_twice, "has 2 runs"),
    ],
)
def test_the_audit_notices_what_the_books_show(
    spoil: Callable[[dict[str, Any], list[Run]], object], words: str | None
) -> None:
    found = audit(spoil)
    assert [text for text in found if words in text] if words else found == [], found
