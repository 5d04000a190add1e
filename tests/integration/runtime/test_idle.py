"""The short way through a tick: taken only when nothing at all can be due."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from upsun_agent import idle
from upsun_agent.idle import is_idle
from upsun_agent.platform.paths import tick_trace

from tests.harness.stage import JOB, SLOT, START, Stage


@dataclass
class Cron:
    """What a cron's ``upsun-agent tick`` sees: variables, the job file, the time."""

    stage: Stage
    monkeypatch: pytest.MonkeyPatch
    variables: dict[str, str] = field(default_factory=dict)

    def idle(self, **changes: str | None) -> bool:
        """Whether the short way is taken now."""
        file = self.stage.directory.parent / "agent.toml"
        file.write_text(self.stage.jobs)
        environ: dict[str, str | None] = {
            "UPSUN_AGENT_CONFIG": str(file),
            "UPSUN_AGENT_STATE": str(self.stage.directory),
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            **self.variables,
            **changes,
        }
        self.monkeypatch.setattr(idle.time, "time", lambda: self.stage.manual_clock.now().timestamp())  # type: ignore[attr-defined]  # the module's own import is replaced
        return is_idle({name: value for name, value in environ.items() if value is not None})

    def tick(self) -> bool:
        """What the command does: the short way where it can; says whether it did."""
        if self.idle():
            return True
        self.stage.tick()
        return False

    def write(self, statement: str, *values: Any) -> None:
        """Change the journal behind the agent's back."""
        db = sqlite3.connect(self.stage.directory / "journal.sqlite")
        db.execute(statement, values)
        db.commit()
        db.close()


@pytest.fixture
def cron(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Cron:
    return Cron(stage, monkeypatch)


def crons(make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, *args: Any, **kwargs: Any) -> Cron:
    """A cron for another job file or platform."""
    return Cron(make(*args, **kwargs), monkeypatch)


def test_no_tick_is_idle_before_a_whole_one_has_looked(cron: Cron) -> None:
    assert cron.idle() is False
    cron.stage.tick()
    assert cron.idle() is True


def test_ticks_are_idle_until_the_second_the_slot_is_due(cron: Cron) -> None:
    cron.stage.tick()
    cron.stage.at(SLOT - timedelta(seconds=1))
    assert cron.idle() is True
    cron.stage.at(SLOT)
    assert cron.idle() is False


def test_no_tick_is_idle_while_a_run_is_open_and_all_are_when_it_is_over(cron: Cron) -> None:
    cron.stage.tick()
    cron.stage.at(SLOT)
    taken = []
    for _ in range(6):
        taken.append(cron.tick())
        cron.stage.later(minutes=5)
    assert taken == [False, False, False, True, True, True]
    assert cron.stage.rows()[0].outcome == "succeeded"


def test_an_idle_answer_is_never_trusted_longer_than_a_day(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    cron = crons(make, monkeypatch, JOB.replace("0 3 * * *", "0 3 1 1 *"))
    cron.stage.tick()
    cron.stage.at(START + timedelta(hours=23, minutes=59))
    assert cron.idle() is True
    cron.stage.at(START + timedelta(days=1))
    assert cron.idle() is False


@pytest.mark.parametrize(
    "change",
    [
        {"PLATFORM_PROJECT": "zyxwvuts4321a"},
        {"PLATFORM_PROJECT": None},
        {"PLATFORM_BRANCH": "staging"},
        {"PLATFORM_APPLICATION_NAME": "other"},
        {"PLATFORM_ENVIRONMENT_TYPE": "staging"},
        {"PLATFORM_ENVIRONMENT_TYPE": None},
        {"UPSUN_AGENT_STATE": "/nowhere"},
        {"UPSUN_AGENT_CONFIG": "/nowhere/agent.toml"},
    ],
    ids=str,
)
def test_a_tick_that_finds_itself_elsewhere_is_not_idle(cron: Cron, change: dict[str, str | None]) -> None:
    cron.stage.tick()
    assert cron.idle() is True
    assert cron.idle(**change) is False
    assert cron.idle() is True


def test_the_smallest_change_of_the_job_file_is_looked_at(cron: Cron) -> None:
    cron.stage.tick()
    cron.stage.jobs = JOB + "\n"
    assert cron.idle() is False
    cron.stage.jobs = JOB
    assert cron.idle() is True


def test_another_version_of_the_agent_looks_for_itself(cron: Cron, monkeypatch: pytest.MonkeyPatch) -> None:
    cron.stage.tick()
    monkeypatch.setattr(idle, "__version__", "99.0.0")
    assert cron.idle() is False


def test_a_clock_that_went_back_is_looked_at(cron: Cron) -> None:
    cron.stage.tick()
    cron.stage.at(START - timedelta(minutes=59))
    assert cron.idle() is True
    cron.stage.at(START - timedelta(hours=2))
    assert cron.idle() is False


def test_without_a_trace_of_the_last_tick_no_tick_is_idle(cron: Cron) -> None:
    cron.stage.tick()
    (cron.stage.directory / "last-tick").unlink()
    assert cron.idle() is False
    cron.tick()
    assert cron.idle() is True


def test_an_idle_tick_leaves_its_own_trace(cron: Cron) -> None:
    cron.stage.tick()
    cron.stage.later(minutes=3)
    assert cron.idle() is True
    assert tick_trace(str(cron.stage.directory)) == (int(cron.stage.manual_clock.now().timestamp()), 2)


def test_ticks_are_counted_on_from_a_trace_that_has_no_count(cron: Cron) -> None:
    cron.stage.tick()
    trace = cron.stage.directory / "last-tick"
    trace.write_text(f"{trace.read_text().split()[0]:12}\n")
    for expected in (1, 2, 3):
        assert cron.idle() is True
        assert tick_trace(str(cron.stage.directory))[1] == expected


@pytest.mark.parametrize("data", [b"", b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 4000], ids=len)
def test_a_damaged_journal_is_looked_at(cron: Cron, data: bytes) -> None:
    cron.stage.tick()
    (cron.stage.directory / "journal.sqlite").write_bytes(data)
    assert cron.idle() is False


def test_a_journal_that_a_crash_left_to_be_rolled_back_is_looked_at(cron: Cron) -> None:
    cron.stage.tick()
    rollback = cron.stage.directory / "journal.sqlite-journal"
    assert rollback.read_bytes() == b"", "a commit empties it"
    assert cron.idle() is True
    rollback.write_bytes(b"x")
    assert cron.idle() is False
    rollback.unlink()
    assert cron.idle() is True


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM idle_hint",
        "DROP TABLE idle_hint",
        "UPDATE idle_hint SET next_due = 'soon'",
        "UPDATE idle_hint SET next_due = 9e99",
        "UPDATE idle_hint SET text = x'ff'",
        "UPDATE idle_hint SET project = 7",
    ],
)
def test_a_row_that_makes_no_sense_is_looked_at(cron: Cron, statement: str) -> None:
    cron.stage.tick()
    cron.write(statement)
    assert cron.idle() is False


def test_a_job_file_that_is_no_text_is_looked_at(cron: Cron) -> None:
    cron.stage.tick()
    file = cron.stage.directory.parent / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert cron.idle(UPSUN_AGENT_CONFIG=str(file)) is False


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41b", "a b", "é"])
def test_a_state_directory_with_an_odd_name_is_the_same_for_both_ways(cron: Cron, name: str) -> None:
    cron.stage.directory = cron.stage.directory.parent / name
    cron.stage.tick()
    assert cron.idle() is True
    cron.stage.at(SLOT)
    assert cron.idle() is False


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        ('state = "STATE"', True),
        ('state = "STATE"  # on a mount', True),
        ("state = 'STATE'", True),
        ('state="STATE"', True),
        ('state = """STATE"""', False),  # the short way does not read it: slower, never wrong
        ('state = "\\u002fdev/../STATE"', False),
    ],
)
def test_the_state_of_the_job_file_is_found_without_parsing_it(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, line: str, idle: object
) -> None:
    cron = crons(make, monkeypatch)
    cron.stage.jobs = f"[agent]\n{line.replace('STATE', str(cron.stage.directory))}\n{JOB}"
    cron.variables = {"PLATFORM_APP_DIR": "/nowhere"}
    cron.stage.tick()
    assert cron.idle(UPSUN_AGENT_STATE=None) is idle


# --- whole nights with the short way in between -----------------------------------------------------------


def night(cron: Cron, begin: datetime, ticks: int = 40) -> list[tuple[str | None, str | None]]:
    """Ticks every five minutes as a cron gives them; slots and outcomes, oldest first."""
    cron.stage.at(begin)
    for _ in range(ticks):
        cron.tick()
        cron.stage.later(minutes=5)
    return [(row.slot, row.outcome) for row in reversed(cron.stage.rows())]


def test_a_slot_that_waits_for_the_run_before_is_not_forgotten_by_idle_ticks(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JOB.replace("0 3 * * *", "0,5 3 * * *").replace("[jobs.nightly]", '[jobs.nightly]\noverlap = "wait"')
    cron = crons(make, monkeypatch, jobs, backup_seconds=400)
    assert night(cron, START) == [("2026-03-02T03:00", "succeeded"), ("2026-03-02T03:05", "succeeded")]


def test_a_slot_that_fell_due_just_before_a_run_by_hand_is_not_forgotten(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JOB + "\n[jobs.quick]\n[[jobs.quick.steps]]\nbackup = {}\n"
    cron = crons(make, monkeypatch, jobs, backup_seconds=0)
    cron.stage.at(START).tick()
    cron.stage.at(SLOT + timedelta(seconds=3)).by_hand("quick")
    assert cron.stage.rows(open_only=True) == []
    cron.stage.later(seconds=20)
    assert cron.idle() is False
    cron.stage.ticks()
    assert cron.stage.rows(job="nightly")[0].outcome == "succeeded"
