"""Nothing irreversible on one look: each read of a run meets each odd answer once, twice and for ever.

The update goes through in truth. So whatever one read says, production is never restored, nothing is requested a
second time, and a run that does not know how its request ended says so.
"""

from __future__ import annotations

from itertools import product

import pytest
from upsun_agent.model.events import RecheckPlanned

from tests.harness.night import Night

RESTORE = """
[[jobs.nightly-update.on-failure]]
restore = { allow-restore = true }
"""

READS = {
    "the environment": ("GET */environments/main", (1, 2, 4)),
    "an activity": ("GET */activities/*", (1, 2, 3)),
    "the activity list": ("GET */activities", (1, 2)),
    "a backup": ("GET */backups/*", (1, 2)),
    "the backups": ("GET */backups", (1,)),
    "the settings": ("GET */settings", (1,)),
}

ODD = (
    "absent",
    "complete-null",
    "unknown-result",
    "not-listed",
    "gateway-404",
    "gateway-403",
    "gateway-401",
    "captive",
    "empty-401",
    "403",
    "404",
    "json body={}",
    "json body=[]",
    "json body=null",
)

CASES = [
    pytest.param(name, answer, nth, id=f"{name}, look {nth}, {answer}")
    for name, (_, starts) in READS.items()
    for nth, answer in product(starts, ODD)
]


def night(read: str, answer: str, nth: int, times: str) -> Night:
    kind, body, rest = answer.partition(" body=")
    played = Night(f"{READS[read][0]} {kind} {times} #{nth}{body}{rest}", after=RESTORE)
    played.play()
    return played


@pytest.mark.parametrize("times", ["x1", "x2"])
@pytest.mark.parametrize(("read", "answer", "nth"), CASES)
def test_an_odd_answer_that_passes_changes_nothing(read: str, answer: str, nth: int, times: str) -> None:
    played = night(read, answer, nth, times)
    played.assert_promises()
    assert played.mine("restore") == []
    assert played.closed.outcome == "succeeded", played.closed.message


@pytest.mark.parametrize(("read", "answer", "nth"), CASES)
def test_an_odd_answer_that_stays_never_leads_to_a_restore_or_a_second_request(
    read: str, answer: str, nth: int
) -> None:
    played = night(read, answer, nth, "x*")
    played.assert_promises()
    assert played.mine("restore") == []
    if played.closed.outcome != "succeeded":
        assert played.closed.failure in {
            "unknown", "timeout", "too-late", "not-found", "permission", "no-proved-backup", "proof-failed", "token"
        }  # fmt: skip
        assert played.closed.message


@pytest.mark.parametrize(
    ("answer", "listed"),
    [("absent", "not-listed"), ("complete-null", "complete-null"), ("unknown-result", "unknown-result")],
)
def test_a_run_that_does_not_know_how_its_update_ended_says_what_a_person_should_look_at(
    answer: str, listed: str
) -> None:
    played = Night(f"GET */activities/* {answer} x* #2", f"GET */activities {listed} x*", after=RESTORE)
    played.play()
    assert len(played.mine("source-operation")) == 1
    assert played.mine("restore") == []
    assert played.closed.failure == "unknown"
    assert "what became of the source-operation is not known" in played.closed.message
    assert "nothing was rolled back" in played.closed.message
    assert "upsun activity:list" in played.closed.remedy


@pytest.mark.parametrize("times", ["", "x1", "x2"])
@pytest.mark.parametrize("answer", ["absent", "complete-null", "not-listed", "gateway-404"])
def test_an_update_that_did_fail_is_restored_once_after_it_was_read_again(answer: str, times: str) -> None:
    faults = [f"GET */activities/* {answer} {times} #2"] if times else []
    played = Night("update-fails", *faults, after=RESTORE)
    played.play()
    assert len(played.mine("restore")) == 1
    assert len(played.mine("source-operation")) == len(played.mine("backup")) == 1
    again = [event for event in played.events if isinstance(event, RecheckPlanned)]
    assert "activity-failed" in {event.failure for event in again}
    assert played.closed.outcome == "failed"


@pytest.mark.parametrize("times", ["x1", "x2", "x*"])
def test_a_backup_that_is_gone_before_the_update_stops_it_unless_the_answer_passes(times: str) -> None:
    wait = "\n[[jobs.nightly-update.steps]]\nwait = { for = '2h' }\n"
    played = Night(f"GET */backups/* absent {times} #2", between=wait)
    played.play()
    updates = played.mine("source-operation")
    if times == "x*":
        assert updates == []
        assert played.closed.failure == "no-proved-backup"
    else:
        assert len(updates) == 1
        assert played.closed.outcome == "succeeded"
