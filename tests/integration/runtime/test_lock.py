"""One tick at a time: ``flock`` where it works, and a lease row that is broken only on proof of death or expiry."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from upsun_agent.errors import Busy, StateNotWritable
from upsun_agent.journal.directory import reading
from upsun_agent.journal.lock import FileLock, container_identity, process_start
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.limits import LEASE
from upsun_agent.runtime.tick import ticking

from tests.harness.stage import SLOT, START, Stage


def lease(stage: Stage, holder: str, *, seconds: float = LEASE) -> None:
    """Let somebody hold the lease from now on."""
    journal = SqliteJournal(str(stage.directory), stage.container.identity)
    assert (
        journal.take_lease(holder, stage.manual_clock.now(), stage.manual_clock.now() + timedelta(seconds=seconds))
        is None
    )
    journal.close()


def held(stage: Stage) -> bool:
    """Whether anybody holds the lease."""
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        return journal.noted("lease") is not None


def a_dead_process() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.fixture
def due(stage: Stage) -> Stage:
    """A stage at its slot, with a journal."""
    stage.at(START).tick()
    return stage.at(SLOT)


def test_a_tick_at_work_keeps_another_out_and_leaves_no_lock_behind(due: Stage) -> None:
    with ticking(due.site()), pytest.raises(Busy, match="another tick is using") as refused:
        due.tick()
    assert refused.value.exit_code == 75
    assert not held(due)
    due.tick()
    assert due.backups_asked == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_lock_file_that_does_not_close_cleanly_is_let_go_of_all_the_same(
    due: Stage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    lock, close = FileLock(str(due.directory)), os.close

    def failing(file: int) -> None:
        close(file)
        raise OSError(number, os.strerror(number))

    lock.acquire()
    monkeypatch.setattr(os, "close", failing)
    lock.release()
    monkeypatch.undo()
    lock.release()
    FileLock(str(due.directory)).acquire()


def test_a_lease_of_a_live_process_of_this_container_keeps_ticks_out(due: Stage) -> None:
    lease(due, f"{container_identity()} {os.getppid()} {process_start(os.getppid())}")
    with pytest.raises(Busy, match="holds the lease") as refused:
        due.tick()
    assert refused.value.exit_code == 75
    assert due.simulator.requests == []


def test_a_lease_of_a_dead_process_of_this_container_is_broken_at_once(due: Stage) -> None:
    pid = a_dead_process()
    lease(due, f"{container_identity()} {pid} 12345")
    due.tick()
    assert due.backups_asked == 1


def test_a_lease_of_a_process_whose_number_went_to_another_is_broken_at_once(due: Stage) -> None:
    lease(due, f"{container_identity()} {os.getpid()} 1")
    due.tick()
    assert due.backups_asked == 1


@pytest.mark.parametrize(
    "holder", ["another-host boot 4026531836 {pid} 12345", "garbage", "", "{identity} not-a-number 5"], ids=str
)
def test_a_lease_that_cannot_be_proved_dead_holds_until_it_expires(due: Stage, holder: str) -> None:
    lease(due, holder.format(pid=a_dead_process(), identity=container_identity()))
    with pytest.raises(Busy):
        due.tick()
    due.later(seconds=LEASE - 1)
    with pytest.raises(Busy):
        due.tick()
    due.later(seconds=2).tick()
    assert due.backups_asked == 1


def test_a_lease_from_a_clock_that_was_far_ahead_is_not_believed(due: Stage) -> None:
    lease(due, "another-host boot space 1 1", seconds=10 * 86400)
    due.tick()
    assert due.backups_asked == 1


@pytest.mark.parametrize("ahead", [86_000, 7_000])
def test_a_lease_that_ends_later_than_any_clock_in_order_can_say_is_not_believed(due: Stage, ahead: float) -> None:
    lease(due, "another-host boot space 1 1", seconds=ahead)
    due.tick()
    assert not held(due)


def test_a_lease_of_a_clock_some_minutes_ahead_lasts_as_long_as_a_lease_from_when_it_is_seen(due: Stage) -> None:
    lease(due, "another-host boot space 1 1", seconds=1500)
    for seconds in (0, 60, 59):
        with pytest.raises(Busy, match="holds the lease"):
            due.later(seconds=seconds).tick()
    due.later(seconds=2).tick()
    assert not held(due)


def test_a_newer_lease_of_the_same_clock_lasts_from_when_that_is_seen(due: Stage) -> None:
    for number in range(3):
        journal = SqliteJournal(str(due.directory), due.container.identity)
        journal.note("lease", f"{due.manual_clock.now().timestamp() + 1500} another-host boot space {number} 1")
        journal.close()
        for seconds in (0, 100):
            with pytest.raises(Busy, match="holds the lease"):
                due.later(seconds=seconds).tick()
    due.later(seconds=21).tick()
    assert not held(due)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_the_file_system_knows_no_locks_the_lease_alone_keeps_ticks_apart(
    due: Stage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = FileLock(str(due.directory))
    lock.acquire()
    assert lock.works is False
    lock.release()
    lease(due, f"{container_identity()} {os.getppid()} {process_start(os.getppid())}")
    with pytest.raises(Busy, match="holds the lease"):
        due.tick()
    due.later(seconds=LEASE + 1).tick()
    assert due.backups_asked == 1
    assert not held(due)


def test_a_lock_that_fails_for_another_reason_is_an_error(due: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StateNotWritable, match="cannot be locked"):
        due.tick()
    assert due.simulator.requests == []


def test_a_tick_that_fails_lets_go_of_everything(due: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unforeseen(Exception):
        pass

    def fail(*_: object) -> None:
        raise Unforeseen

    monkeypatch.setattr("upsun_agent.runtime.executor.Executor.look", fail)
    with pytest.raises(Unforeseen):
        due.tick()
    monkeypatch.undo()
    assert not held(due)
    due.tick()
    assert due.backups_asked == 1


def test_a_lease_is_given_back_only_by_its_holder(due: Stage) -> None:
    lease(due, "somebody else")
    journal = SqliteJournal(str(due.directory), due.container.identity)
    journal.drop_lease("another")
    journal.close()
    assert held(due)
