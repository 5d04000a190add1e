"""Before production is restored: what failed was seen to fail, and nobody has done anything about it since."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from upsun_agent.model.events import Event, RollbackBegun, StepDone, StepFailed, WaitBegun

from tests.harness.night import Night

RESTORE = """
[[jobs.nightly-update.on-failure]]
restore = { allow-restore = true }
"""
CHECK = "\n[[jobs.nightly-update.steps]]\nhttp-check = { retries = 0 }\n"
APPROVAL = '\n[[jobs.nightly-update.steps]]\napproval = { within = "1h" }\n'
DEPLOYMENT = "GET */deployments/current"


def once(kind: type[Event], act: Callable[[], object]) -> Callable[[Event], None]:
    """Hear events, and act at the first of a kind."""
    heard: list[Event] = []

    def hear(event: Event) -> None:
        if isinstance(event, kind) and not heard:
            heard.append(event)
            act()

    return hear


@pytest.mark.parametrize("when", [StepFailed, RollbackBegun])
@pytest.mark.parametrize("fault", ["deploy-fails", "update-fails"])
def test_nothing_is_restored_over_the_push_by_which_a_colleague_mended_the_site(fault: str, when: type[Event]) -> None:
    night = Night(fault, after=RESTORE)

    def mend() -> None:
        night.simulator.change(deploy_outcome="success")
        night.simulator.push(user="grace")
        night.rehearsal.manual_clock.advance(400)

    night.play(once(when, mend))
    assert night.mine("restore") == []
    assert night.closed.failure == "unknown"
    assert "nothing is restored" in night.closed.message


def test_nothing_is_restored_over_what_a_colleague_restored_already() -> None:
    night = Night("update-fails", after=RESTORE)

    def restore() -> None:
        backup = night.simulator.request_log()["backups"][0]["id"]
        night.simulator.restore(backup)
        night.rehearsal.manual_clock.advance(400)

    night.play(once(RollbackBegun, restore))
    assert night.mine("restore") == []
    assert night.closed.failure == "unknown"


@pytest.mark.parametrize("fault", ["deploy-fails", "update-fails"])
def test_a_push_of_a_colleague_that_fails_too_mends_nothing(fault: str) -> None:
    night = Night(fault, after=RESTORE)

    def fail_too() -> None:
        night.simulator.change(deploy_outcome="failure")
        night.simulator.push(user="grace")
        night.rehearsal.manual_clock.advance(400)

    night.play(once(StepFailed, fail_too))
    assert len(night.mine("restore")) == 1


@pytest.mark.parametrize("times", ["x1", "x2", "x5", "x*"])
@pytest.mark.parametrize(
    "answer", ["absent", "json body={}", 'json body={"routes": {}}', "json body=[]", "gateway-404", "404", "503"]
)
def test_a_site_whose_address_cannot_be_found_out_is_not_restored(answer: str, times: str) -> None:
    kind, body, rest = answer.partition(" body=")
    night = Night(f"{DEPLOYMENT} {kind} {times}{body}{rest}", more='timeout = "3h"', after=CHECK + RESTORE)
    night.play()
    assert night.mine("restore") == []
    assert len(night.mine("source-operation")) == 1
    if times in {"x1", "x2"}:
        assert night.closed.outcome == "succeeded", night.closed.message


def test_a_run_whose_time_is_up_before_the_site_was_looked_at_restores_nothing() -> None:
    night = Night(more='timeout = "2h"', after=CHECK + RESTORE)

    def outage(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            night.simulator.add_fault(f"{DEPLOYMENT} 503 x75")

    night.play(outage)
    assert night.mine("restore") == []
    assert night.closed.failure == "timeout"
    assert "nothing was rolled back, because no problem was seen" in night.closed.message


def test_a_site_that_is_broken_is_restored() -> None:
    night = Night("production-breaks", after=CHECK + RESTORE)
    night.play()
    assert len(night.mine("restore")) == 1
    assert night.closed.failure == "check-failed"


def test_what_nobody_approved_is_rolled_back_at_once_and_not_after_another_such_time() -> None:
    night = Night("not-approved", after=APPROVAL + RESTORE)
    night.play()
    assert len(night.mine("restore")) == 1
    waits = [event.message for event in night.events if isinstance(event, WaitBegun) and event.on == "approval"]
    assert len(waits) == 1, waits
