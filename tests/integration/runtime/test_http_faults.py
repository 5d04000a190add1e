"""Bad weather at any request of a run: the platform's request log never shows anything twice, and the run ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from tests.harness.stage import SLOT, START, Stage, Wsgi

# In process every broken connection is one of two: before the platform acted, or after. The rest is on a socket.
WEATHER = [
    "cut-before",
    "cut-after",
    "429 retry-after=30",
    "429 retry-after=999999",
    "500",
    "502",
    "503 x4",
    "status-after status=500",
    "status-after status=504",
    "redirect",
    "html",
    "empty",
    "expired-bearer",
    "json body={}",
    "json body=[]",
    'json body={"_embedded": {"activities": [{"id": 7}]}}',
    'json body={"access_token": "x", "expires_in": 900}',
]


def check_books(stage: Stage, where: str) -> None:
    """Promises P1 and P2, from what the platform saw."""
    backups, updates = stage.activities("backup"), stage.activities("source-operation")
    assert len(backups) <= 1, where
    assert len(updates) <= 1, where
    for update in updates:
        assert backups[0]["result"] == "success", where
        assert backups[0]["completed_at"] <= update["created_at"], where


@pytest.mark.parametrize("weather", WEATHER)
def test_nothing_happens_twice_whichever_request_it_hits(make: Callable[..., Stage], weather: str) -> None:
    usual = make()
    usual.play()
    outcomes = []
    for number in range(1, len(usual.simulator.requests) + 1):
        stage = make()
        kind, _, body = weather.partition(" body=")
        stage.simulator.add_fault(f"* * {kind} #{number}" + (f" body={body}" if body else ""))
        run = stage.play()
        where = f"{weather} at request {number}"
        assert run.closed is not None, where
        check_books(stage, where)
        assert stage.simulator.faults[0].seen >= number, where
        outcomes.append(run.closed.outcome)
    assert "succeeded" in outcomes, "the weather passes: some runs get through it"


@pytest.mark.parametrize("end", ["backup", "source-operation"])
@pytest.mark.parametrize("lag", [0, 60])
def test_an_answer_lost_behind_a_list_that_lags_is_found_all_the_same(
    make: Callable[..., Stage], end: str, lag: float
) -> None:
    stage = make(list_lag_seconds=lag)
    stage.simulator.add_fault(f"POST */{end} cut-after")
    stage.at(START).tick()
    stage.at(SLOT)
    run = stage.ticks(200, every=20)
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    assert "activity-adopted" in stage.kinds()


def test_a_lost_update_is_told_from_a_colleagues_by_its_mark(make: Callable[..., Stage]) -> None:
    stage = make(source_operation_seconds=600)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.simulator.add_fault("POST */source-operation cut-before")
    stage.later(minutes=1).tick()
    assert stage.run().steps[1].phase == "intended"
    stage.simulator.start_activity(type="environment.source-operation", seconds=5)
    run = stage.later(seconds=10).ticks()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert stage.updates_asked == 2, "the colleague's operation was not taken for ours"
    ours = [each for each in stage.activities("source-operation") if each["id"] == run.steps[1].activity]
    assert ours[0]["parameters"]["variables"]["env"]["UPSUN_AGENT_RUN"] == run.id


def test_a_lost_backup_is_not_confused_with_a_colleagues(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.simulator.add_fault("POST */backup cut-before")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    foreign = stage.simulator.start_activity(type="environment.backup", seconds=5)
    run = stage.later(seconds=10).ticks()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert run.steps[0].activity != foreign.id


def ahead(seconds: float) -> Callable[[Wsgi], Wsgi]:
    """The clock behind the Date header differs from the one that dates activities."""

    def shifted(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        dates = {name: parsedate_to_datetime(value) for name, value in headers if name == "Date"}
        moved = {name: format_datetime(date + timedelta(seconds=seconds), usegmt=True) for name, date in dates.items()}
        return [(name, moved.get(name, value)) for name, value in headers]

    def wrap(wsgi: Wsgi) -> Wsgi:
        return lambda environ, start: wsgi(
            environ, lambda status, headers, *more: start(status, shifted(headers), *more)
        )

    return wrap


@pytest.mark.parametrize("end", ["backup", "source-operation"])
@pytest.mark.parametrize(
    "seconds",
    [
        -30,
        1,
        5,
    ],
)
def test_two_clocks_of_the_platform_that_differ_a_little_lead_to_no_second_request(
    stage: Stage, end: str, seconds: float
) -> None:
    stage.wrap = ahead(seconds)
    stage.simulator.add_fault(f"POST */{end} cut-after")
    stage.play()
    assert len(stage.activities("backup")) == 1
    assert len(stage.activities("source-operation")) == 1


def test_a_platform_that_is_busy_is_asked_again_no_sooner_than_it_wishes(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.simulator.add_fault("POST */backup 429 retry-after=900")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert stage.run().waits_on == "platform-busy"
    stage.later(minutes=10).tick()
    assert stage.backups_asked == 1
    stage.later(minutes=5).tick()
    assert stage.backups_asked == 2
    closed = stage.ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


def test_an_absurd_retry_after_is_not_obeyed(make: Callable[..., Stage]) -> None:
    stage = make('[jobs.nightly]\nschedule = "0 3 * * *"\nmisfire-grace = "1d"\n[[jobs.nightly.steps]]\nbackup = {}\n')
    stage.simulator.add_fault("POST */backup 429 retry-after=99999999999")
    closed = stage.play(most=300).closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert closed.at <= SLOT + timedelta(hours=7)


@pytest.mark.parametrize(
    ("status", "failure", "code"), [(400, "refused", 1), (403, "permission", 77), (404, "not-found", 78)]
)
def test_a_refusal_for_good_ends_the_run_and_is_not_asked_again(
    make: Callable[..., Stage], status: int, failure: str, code: int
) -> None:
    stage = make()
    stage.simulator.add_fault(f"POST */backup {status}")
    stage.at(START).tick()
    assert stage.at(SLOT).tick().exit_code() == code
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == failure
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)
