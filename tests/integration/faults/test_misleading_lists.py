"""After a lost answer the activity list misleads: it lags, it is long, it shows what others did."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from upsun_agent.model.events import ActivityAdopted, Event, RequestUnanswered
from upsun_simulator.user import MACHINE

from tests.harness.night import Night


def adopted(night: Night) -> list[str]:
    return [event.activity for event in night.events if isinstance(event, ActivityAdopted)]


@pytest.mark.parametrize("request_", ["POST */backup", "POST */source-operation"])
def test_a_list_that_lags_half_a_minute_does_not_lead_to_a_second_request(request_: str) -> None:
    night = Night(f"{request_} cut-after")
    night.simulator.change(list_lag_seconds=30)
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"
    assert len(adopted(night)) == 1


def test_another_users_backup_is_not_taken_for_ours() -> None:
    night = Night("POST */backup cut-before")

    def intrude(event: Event) -> None:
        if isinstance(event, RequestUnanswered):
            night.simulator.start_activity(
                type="environment.backup", user="grace", seconds=1, parameters={"safe": True}
            )

    night.play(intrude)
    night.assert_promises()
    assert adopted(night) == []
    assert night.kinds()["intent-void"] == 1
    assert len(night.mine("backup")) == 1


def test_a_backup_from_before_the_intent_is_not_taken_for_ours() -> None:
    night = Night("POST */backup cut-before")
    night.simulator.start_activity(
        type="environment.backup", user=MACHINE.id, seconds=0, parameters={"safe": True}, age=3600
    )
    night.play()
    assert adopted(night) == []
    assert night.kinds()["intent-void"] == 1


def test_another_tools_update_with_another_mark_is_not_taken_for_ours() -> None:
    night = Night("POST */source-operation cut-before")

    def intrude(event: Event) -> None:
        if isinstance(event, RequestUnanswered):
            parameters = {"operation": "update", "variables": {"env": {"UPSUN_AGENT_RUN": "another-run"}}}
            night.simulator.start_activity(
                type="environment.source-operation", user=MACHINE.id, seconds=1, parameters=parameters
            )

    played = night.play(intrude)
    assert adopted(night) == []
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"


@pytest.mark.parametrize("crowd", [3, 70, 130])
def test_our_activity_is_found_among_many_of_others_over_several_pages(crowd: int) -> None:
    night = Night("POST */source-operation cut-after")

    def crowded(event: Event) -> None:
        if isinstance(event, RequestUnanswered):
            for _ in range(crowd):
                night.simulator.start_activity(
                    type="environment.source-operation",
                    user="grace",
                    seconds=0,
                    parameters={"operation": "update", "variables": {}},
                )
                night.rehearsal.manual_clock.advance(0.001)

    played = night.play(crowded)
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"
    marks = [
        each
        for each in night.simulator.request_log()["activities"]
        if each["parameters"].get("variables", {}).get("env", {}).get("UPSUN_AGENT_RUN") == played.run.id
    ]
    assert adopted(night) == [each["id"] for each in marks]


CROWDS = [9, 10, 70, 130] if os.environ.get("UPSUN_SOAK") == "1" else [9, 10, 70]


@pytest.mark.parametrize(
    ("request_", "crowd"), [(name, crowd) for name in ("source-operation", "backup") for crowd in CROWDS]
)
def test_a_crowd_of_activities_of_one_moment_does_not_lead_to_a_second_request(request_: str, crowd: int) -> None:
    night = Night(f"POST */{request_} cut-after")
    parameters = {"operation": "update", "variables": {}} if request_ == "source-operation" else {"safe": True}

    def crowded(event: Event) -> None:
        if isinstance(event, RequestUnanswered):
            for _ in range(crowd):
                night.simulator.start_activity(
                    type=f"environment.{request_}", user="grace", seconds=0, parameters=parameters
                )

    night.play(crowded)
    night.assert_promises()
    assert len(night.mine(request_)) == 1
    if crowd < 100 and request_ == "source-operation":
        assert night.closed.outcome == "succeeded", night.closed.message


def test_a_platform_clock_an_hour_off_changes_nothing() -> None:
    for skew in (timedelta(hours=1), timedelta(hours=-1)):
        night = Night("POST */backup cut-after")
        clock = night.rehearsal.clock
        real = clock.now
        clock.now = lambda real=real, skew=skew: real() + skew  # type: ignore[method-assign, misc]
        played = night.play()
        assert played.run is not None
        assert played.run.closed is not None
        assert played.run.closed.outcome == "succeeded", played.run.closed.message
        assert len(night.mine("backup")) == 1
